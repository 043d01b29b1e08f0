"""Write a run's events where TensorBoard finds them. The only door to it, an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chargen.errors import ChargenError, named
from chargen.training.events import Event

SCALARS = {
    "step": ("train_loss", "gradient_norm", "learning_rate", "tokens_per_second"),
    "eval": (
        "valid_loss",
        "bits_per_byte",
        "bits_per_character",
        "old_bits_per_character",
        "answers",
    ),
}


class Recorder:
    """Scalars and samples of one run, in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Raises ChargenError where tensorboard is not installed or cannot write."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ChargenError(
                named("tensorboard") + " needs tensorboard, which is not installed",
                hint="pip install 'chargen[tensorboard]'",
            ) from error
        try:
            self._writer: Any = SummaryWriter(str(folder))
        except OSError as error:
            raise ChargenError(f"cannot write to {folder}: {error.strerror}") from error

    def record(self, event: Event) -> None:
        for name in SCALARS.get(event.kind, ()):
            if (value := getattr(event, name)) is not None:
                self._writer.add_scalar(name, value, event.step)
        if event.kind == "eval" and event.sample:
            # Four spaces make it code in Markdown: its lines and spaces stay as they are.
            sample = "\n".join("    " + line for line in event.sample.split("\n"))
            self._writer.add_text("sample", sample, event.step)

    def close(self) -> None:
        self._writer.close()
