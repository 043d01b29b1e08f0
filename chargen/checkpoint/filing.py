"""What its user does with a checkpoint: remove, rename, copy it, and change how it is sampled.

Nothing is touched that is no checkpoint's, nor a checkpoint in use, nor a bundled one. Looks into
no weights, so it needs no torch.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from chargen.checkpoint.card import refresh_card
from chargen.checkpoint.files import (
    CARD,
    CONFIG,
    MAX_CONFIG_BYTES,
    METRICS,
    MODEL,
    TENSORBOARD,
    TRAINING,
)
from chargen.checkpoint.locate import CHECKPOINTS, is_bundled, require_checkpoint
from chargen.checkpoint.metadata import config_of, read_config
from chargen.checkpoint.recent import remember_move
from chargen.config import SamplingDefaults
from chargen.errors import CheckpointError
from chargen.runtime.files import (
    Lock,
    encode_indented,
    is_part,
    part_beside,
    read_file,
    sync_folder,
    write_file,
)
from chargen.tokenizers.registry import TOKENIZERS, file_name_of

AnyPath = str | os.PathLike[str]


def new_folder(text: str) -> Path:
    """Where a new checkpoint belongs: below `checkpoints` where a name is given, else at the path.
    Raises CheckpointError where something is there."""
    folder = folder_named(text)
    if os.path.lexists(folder):
        raise CheckpointError(f"{folder} exists", hint="choose another name, or remove it first")
    return folder


def folder_named(text: str) -> Path:
    """Where a checkpoint of this name belongs, or of this path."""
    is_name = os.sep not in text and text not in ("", ".", "..")
    return CHECKPOINTS / text if is_name else Path(text)


def check_removable(path: AnyPath) -> Path:
    """The folder of a checkpoint that may be removed. Raises CheckpointError where it may not."""
    with held(path, changes=True) as folder:
        if folder.is_symlink():
            return folder
        if _is_foreign(folder):
            raise CheckpointError(f"{folder} holds a model, but chargen did not write it")
        others = _other_files(folder)
        if others:
            raise CheckpointError(
                f"{folder} also holds {', '.join(others[:3])}, which chargen did not write",
                hint="move that elsewhere first",
            )
        return folder


def remove(path: AnyPath) -> Path:
    """Remove a checkpoint, at once for whoever looks for it; of a link, the link alone. The folder
    that is gone. Raises CheckpointError."""
    folder = check_removable(path)
    with held(path, changes=True):
        absolute = _absolute(folder)
        gone = part_beside(absolute)
        with failing(f"cannot remove {folder}"):
            if folder.is_symlink():
                folder.unlink()
                return folder
            os.rename(absolute, gone)
        with failing(f"could not remove all of {folder}; the rest is in {gone}"):
            shutil.rmtree(gone)
    return folder


def move(path: AnyPath, target: Path) -> Path:
    """Give a checkpoint, with whatever else is in its folder, another name or place. The folder
    where it was. Raises CheckpointError."""
    with held(path, changes=True) as folder, failing(f"cannot move {folder} to {target}"):
        _check_outside(folder, target)
        real = folder.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(_absolute(folder), target)
        except OSError as error:
            if error.errno != errno.EXDEV or folder.is_symlink():
                raise
            # From one file system to another.
            make_at_once(target, lambda part: shutil.copytree(folder, part, symlinks=True))
            shutil.rmtree(folder)
        refresh_card(target)
        sync_folder(target.parent)
    remember_move(real, target)
    return folder


def copy(path: AnyPath, target: Path) -> Path:
    """Copy a checkpoint, without what else is in its folder. The folder that was copied. Raises
    CheckpointError."""
    with held(path, changes=False) as folder, failing(f"cannot copy {folder} to {target}"):
        _check_outside(folder, target)

        def fill(part: Path) -> None:
            shutil.copytree(folder, part, ignore=partial(_other_names, folder))
            refresh_card(part, target.name)

        target.parent.mkdir(parents=True, exist_ok=True)
        make_at_once(target, fill)
    return folder


def set_sampling(path: AnyPath, sampling: SamplingDefaults) -> None:
    """Change how a checkpoint is sampled where nobody says otherwise. Raises CheckpointError."""
    with held(path, changes=True) as folder, failing(f"cannot change {folder}"):
        config = config_of(replace(read_config(folder), sampling=sampling))
        write_file(folder / CONFIG, encode_indented(config))
        refresh_card(folder)


# -- the folder ---------------------------------------------------------------------------------


@contextmanager
def held(path: AnyPath, *, changes: bool) -> Iterator[Path]:
    """The folder of a checkpoint, which nobody changes meanwhile, nor reads if this `changes` it.
    Raises CheckpointError."""
    folder = require_checkpoint(path)
    if changes and is_bundled(folder):
        raise CheckpointError(
            "a bundled model cannot be changed", hint=f"copy it: chargen cp {folder.name} NAME"
        )
    try:
        lock = Lock(folder, shared=not changes)
    except BlockingIOError as error:
        raise CheckpointError(
            f"{folder} is in use by another chargen", hint="wait for it to finish, or stop it"
        ) from error
    except OSError as error:
        raise CheckpointError(f"cannot open {folder}: {error.strerror}") from error
    try:
        yield folder
    finally:
        lock.release()


@contextmanager
def failing(doing: str) -> Iterator[None]:
    """An OSError within is reported as what could not be done. Raises CheckpointError."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{doing}: {error.strerror or error}") from error


def _check_outside(folder: Path, target: Path) -> None:
    """Before anything is made there. Raises CheckpointError."""
    if target.resolve().is_relative_to(folder.resolve()):
        raise CheckpointError(f"{target} would lie in {folder}", hint="choose another name")


def make_at_once(target: Path, fill: Callable[[Path], object]) -> None:
    """A folder that is there as a whole or not at all."""
    part = part_beside(target)
    try:
        fill(part)
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(target.parent)


def _absolute(folder: Path) -> Path:
    """With a name, also where it is the folder that one stands in; a link stays one."""
    return Path(os.path.abspath(folder))


def _is_foreign(folder: Path) -> bool:
    """Whether its config.json is another program's: several write one beside their weights. What
    cannot be read may be damage to one of ours."""
    with suppress(OSError, ValueError):
        content = json.loads(read_file(folder / CONFIG, MAX_CONFIG_BYTES))
        return isinstance(content, dict) and "format" not in content
    return False


def _other_files(folder: Path) -> list[str]:
    """What lies in a checkpoint's folder but is none of its files."""
    with failing(f"cannot open {folder}"):
        others = sorted(_other_names(folder, folder, os.listdir(folder)))
        if not others and (folder / TENSORBOARD).is_dir():
            within = folder / TENSORBOARD
            others = sorted(_other_names(folder, within, os.listdir(within)))
    return others


def _other_names(folder: Path, at: AnyPath, names: list[str]) -> set[str]:
    """Of the names in a checkpoint's folder or below it, those that are no files of its own."""
    if Path(at) != folder:
        return {name for name in names if not name.startswith("events.out.tfevents.")}
    own = {CARD, CONFIG, MODEL, METRICS, TRAINING, TENSORBOARD, *map(file_name_of, TOKENIZERS)}
    return {name for name in names if name not in own and not is_part(name)}
