"""What a run's events are for TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chargen.errors import ChargenError
from chargen.training.tensorboard import Recorder
from tests.support.command import Chargen
from tests.support.samples import SMALL


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tensorboard's own, of its imports
def test_every_evaluation_is_recorded(
    run_chargen: Chargen, tmp_path: Path, corpus_file: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    done = run_chargen("train", corpus_file, "--out", "run", "--steps", 20, "--tensorboard", *flags)
    assert done.returncode == 0, done.stderr
    recorded = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    recorded.Reload()
    assert {"train_loss", "valid_loss", "gradient_norm", "learning_rate", "bits_per_byte"} <= set(
        recorded.Tags()["scalars"]
    )
    assert [event.step for event in recorded.Scalars("valid_loss")] == list(range(2, 21, 2))


def test_without_tensorboard_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ChargenError, match=r"pip install 'chargen\[tensorboard\]'"):
        Recorder(tmp_path)
