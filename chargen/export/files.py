"""The file that an export writes: what it is called, whether it may be written, and that it is
there whole or not at all. Knows nothing of what is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from chargen.errors import OutputError, setting
from chargen.runtime.files import write_file


def check_target(
    out: str | os.PathLike[str] | None, name: str, suffix: str, *, overwrite: bool
) -> Path:
    """The file to write, which by default is called as the checkpoint, in the folder where we are.
    Raises OutputError where it cannot be written or, without `overwrite`, is there."""
    path = Path(f"{name}{suffix}" if out is None else out)
    another = setting("out", fill_in="FILE")
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="name a file, with " + another)
    if os.path.lexists(path) and not overwrite:
        raise OutputError(
            f"{path} exists",
            hint="replace it, with " + setting("overwrite", True) + ", or name another: " + another,
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot write {path}: there is no folder {path.parent}", hint="create it first"
        )
    return path


def write_target(path: Path, content: bytes) -> None:
    """Raises OutputError; then what was there is there."""
    try:
        write_file(path, content)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}",
            hint="name another file, with " + setting("out", fill_in="FILE"),
        ) from error
