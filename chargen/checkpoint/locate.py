"""Where models lie: the folder that somebody names, those below `checkpoints`, the bundled ones.

Looks into no weights, so it needs no torch.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chargen.checkpoint.files import CONFIG, TRAINING
from chargen.checkpoint.metadata import CheckpointMetadata, read_metadata
from chargen.errors import ChargenError, CheckpointError
from chargen.runtime.files import is_part
from chargen.suggestions import nearest

CHECKPOINTS = Path("checkpoints")
MAX_NAMED = 6  # checkpoints, in a message
# The bundled models lie in the installed package, or beside it in a clone.
_IN_PACKAGE = Path(__file__).resolve().parents[1] / "assets"
_IN_CLONE = Path(__file__).resolve().parents[2] / "checkpoints"
_ASSETS = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CLONE
# What each is for. The first is the one that is meant where none is named.
BUNDLED_MODELS = {
    _ASSETS / "everyday": "talks, stories and facts",
    _ASSETS / "facts": "letter by letter",
}
BUNDLED = next(iter(BUNDLED_MODELS))


def require_checkpoint(path: str | os.PathLike[str]) -> Path:
    """The folder of a checkpoint, whole or not, that is given by its path or by its name: that of a
    folder below `checkpoints`, or of a bundled model. A path comes first, a bundled model last.
    Raises CheckpointError."""
    if not isinstance(path, str | os.PathLike):
        raise CheckpointError(
            f"a checkpoint is given by its folder or its name, not by a {type(path).__name__}",
            hint="as in: chargen.load('everyday')",
        )
    folder = Path(path)
    if is_checkpoint(folder):
        return folder
    if len(folder.parts) == 1 and (found := find_named(str(folder))) is not None:
        return found
    raise _refusal(folder)


def find_named(name: str) -> Path | None:
    """The folder of the checkpoint of this name: below `checkpoints`, or else a bundled one."""
    folders = (CHECKPOINTS / name, *(folder for folder in BUNDLED_MODELS if folder.name == name))
    return next(filter(is_checkpoint, folders), None)


def is_bundled(folder: Path) -> bool:
    """Whether this is a bundled model itself, and no copy of it."""
    return folder.resolve() in BUNDLED_MODELS


def _refusal(folder: Path) -> CheckpointError:
    """Why there is no checkpoint in the folder, and which there are."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a NUL names no file
        return CheckpointError(f"no such checkpoint: {folder}", hint=_there_are(folder.name))
    except OSError as error:  # a name that is too long, a folder above that is closed, a loop
        return CheckpointError(f"cannot access {str(folder)[:80]}: {error.strerror}")
    if not folder.is_dir():
        return CheckpointError(
            f"{folder} is a file, not a checkpoint",
            hint="pass the folder that `chargen train` wrote, or its name",
        )
    if not os.access(folder, os.X_OK):
        return CheckpointError(f"cannot open {folder}: Permission denied")
    return CheckpointError(
        f"{folder} has no {CONFIG}", hint="pass the folder that `chargen train` wrote, or its name"
    )


def _there_are(name: str) -> str:
    """What to say to whoever looks for a checkpoint of this name."""
    names = checkpoint_names()
    if not names:
        return "train one with: chargen train corpus.txt"
    near = nearest(name, names)
    question = f"did you mean {near}? " if near else ""
    most_alike = difflib.get_close_matches(name, names, n=MAX_NAMED, cutoff=0)
    return f"{question}checkpoints: {', '.join(most_alike)}"


def checkpoint_names() -> list[str]:
    """The names that checkpoints go by here, whole or not."""
    names: list[str] = []
    with suppress(OSError):
        names = sorted(folder.name for folder in CHECKPOINTS.iterdir() if is_checkpoint(folder))
    bundled = [folder.name for folder in BUNDLED_MODELS if is_checkpoint(folder)]
    return list(dict.fromkeys([*names, *bundled]))


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds what chargen writes, whole or not."""
    holds_one = os.path.isfile(folder / CONFIG) or os.path.isfile(folder / TRAINING)
    return holds_one and not is_part(folder.name)


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
        raise CheckpointError(f"cannot open {root}: {error.strerror}") from error
    for folder in folders:
        if is_checkpoint(folder):
            try:
                listed.append(read_metadata(folder))
            except ChargenError as error:
                on_rejected(error)
    return sorted(
        listed, key=lambda metadata: (metadata.saved_at, metadata.folder.name), reverse=True
    )
