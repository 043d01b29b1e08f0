"""The files of a checkpoint folder: what they are called, and what is said where one is damaged.

Knows nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chargen.errors import ChargenError, CheckpointError, Wording, setting
from chargen.runtime.files import MAX_BYTES, read_file

CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
TRAINING = "training.safetensors"
CARD = "README.md"  # for people
TENSORBOARD = "tensorboard"  # a folder
# Bytes of JSON, which takes many times as much memory once it is read.
MAX_CONFIG_BYTES = 10_000_000
MAX_HEADER_BYTES = 20_000_000  # in training.safetensors
MAX_CARD_BYTES = 10_000_000  # it may have pictures within


class DamagedError(CheckpointError):
    """A file is missing or not what was written; the training state may still be whole."""


@contextmanager
def blaming(folder: Path, name: str) -> Iterator[None]:
    """What goes wrong within is the fault of this file of the folder: a DamagedError that names
    it. What is a CheckpointError already stays as it is."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        raise _unreadable(folder, name, error) from error
    except (ValueError, ChargenError) as error:
        hint: str | Wording = "use another checkpoint, or train it again"
        if name == TRAINING:
            hint = "its model may be intact: use that, or start from it with " + setting(
                "init_from", folder
            )
        raise DamagedError(f"{folder / name} is damaged: {error}", hint=hint) from error


def read_content(folder: Path, name: str, at_most: int = MAX_BYTES) -> bytes:
    """A file of a checkpoint, of no more than so many bytes. Raises DamagedError."""
    try:
        return read_file(folder / name, at_most)
    except (OSError, ValueError) as error:
        raise _unreadable(folder, name, error) from error


def _unreadable(folder: Path, name: str, error: OSError | ValueError) -> DamagedError:
    why = error.strerror if isinstance(error, OSError) else error
    hint = "pass a complete folder that `chargen train` wrote"
    if isinstance(error, PermissionError):
        hint = "it may be intact: check its permissions"
    return DamagedError(f"cannot read {folder / name}: {why}", hint=hint)
