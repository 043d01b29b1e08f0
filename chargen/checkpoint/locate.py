"""Where models lie: the folder that somebody names, those below `checkpoints`, the bundled one.

Looks into no weights, so it needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chargen.checkpoint.files import CONFIG, TRAINING
from chargen.checkpoint.metadata import CheckpointMetadata, read_metadata
from chargen.errors import ChargenError, CheckpointError

CHECKPOINTS = Path("checkpoints")
# The bundled model lies in the installed package, or beside it in a clone.
_IN_PACKAGE = Path(__file__).resolve().parents[1] / "assets" / "everyday"
_IN_CLONE = Path(__file__).resolve().parents[2] / "checkpoints" / "everyday"
BUNDLED = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CLONE


def require_checkpoint(path: str | os.PathLike[str]) -> Path:
    """The folder, if there is a checkpoint in it, whole or not. Raises CheckpointError."""
    folder = Path(path)
    try:
        folder.stat()
        exists = True
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a NUL names no file
        exists = False
    except OSError as error:  # a name that is too long, a folder above that is closed, a loop
        raise CheckpointError(f"cannot look at {str(path)[:80]}: {error.strerror}") from error
    if not exists:
        near: list[str] = []
        with suppress(ChargenError):
            near = [entry.folder.name for entry in list_checkpoints()][:5]
        hint = "make one with: chargen train corpus.txt"
        if near:
            hint = f"below checkpoints/ there are: {', '.join(near)}"
        raise CheckpointError(f"no such checkpoint: {folder}", hint=hint)
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is a file, not a checkpoint",
            hint="pass the folder that `chargen train` wrote",
        )
    if not os.access(folder, os.X_OK):
        raise CheckpointError(f"cannot look into {folder}: Permission denied")
    if not is_checkpoint(folder):
        raise CheckpointError(
            f"{folder} has no {CONFIG}", hint="pass the folder that `chargen train` wrote"
        )
    return folder


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds what chargen writes, whole or not."""
    return os.path.isfile(folder / CONFIG) or os.path.isfile(folder / TRAINING)


def list_checkpoints(
    root: Path = CHECKPOINTS, on_rejected: Callable[[ChargenError], None] = lambda error: None
) -> list[CheckpointMetadata]:
    """The checkpoints right below `root`, the newest first. What cannot be read is left out, and
    `on_rejected` hears why. Raises CheckpointError where `root` itself is closed to us."""
    listed = []
    try:
        folders = sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CheckpointError(f"cannot look into {root}: {error.strerror}") from error
    for folder in folders:
        if is_checkpoint(folder):
            try:
                listed.append(read_metadata(folder))
            except ChargenError as error:
                on_rejected(error)
    return sorted(
        listed, key=lambda metadata: (metadata.saved_at, metadata.folder.name), reverse=True
    )


def newest_checkpoint(root: Path = CHECKPOINTS) -> Path:
    """The folder saved last below `root`; where there is none, the bundled model.
    Raises CheckpointError where that is gone, too."""
    listed = [metadata.folder for metadata in list_checkpoints(root)]
    own = [folder for folder in listed if folder.resolve() != BUNDLED]
    # Where all are damaged, reading one tells what is wrong.
    if found := own or listed or sorted(filter(is_checkpoint, root.glob("*/"))):
        return found[0]
    if is_checkpoint(BUNDLED):
        return BUNDLED
    raise CheckpointError(
        f"no checkpoint below {root.resolve()}, and none at {BUNDLED}",
        hint="make one with: chargen train corpus.txt",
    )
