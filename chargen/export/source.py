"""The model that is exported, and what is said of it. Knows nothing of formats."""

from __future__ import annotations

import os
from pathlib import Path

from chargen.checkpoint.card import card_of, read_card
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.errors import CheckpointError
from chargen.generation.generator import TextGenerator, load
from chargen.reprs import printable


def loaded(
    checkpoint: str | os.PathLike[str] | TextGenerator,
) -> tuple[TextGenerator, CheckpointMetadata]:
    """The model and what its config.json says. Raises CheckpointError."""
    generator = checkpoint if isinstance(checkpoint, TextGenerator) else load(checkpoint)
    if generator.metadata is None:
        raise CheckpointError(
            "this model was not loaded from a checkpoint, so there is nothing to say of it",
            hint="give one, as in: chargen.export_html('everyday')",
        )
    return generator, generator.metadata


def shown_name(folder: Path) -> str:
    """What a checkpoint is called, as anything can show it."""
    return printable(folder.resolve().name)


def card_to_export(about: CheckpointMetadata) -> bytes:
    """The model card that lies in the folder, or else the one that it would get."""
    made = card_of(about, about.folder.resolve().name).encode("utf-8", "replace")
    return read_card(about.folder) or made
