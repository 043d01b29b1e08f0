"""A checkpoint as one .zip file to send to someone, and back.

The archive holds a folder with the checkpoint's files. One that somebody else made is read with
suspicion: names, kinds and sizes are checked before anything is written, files are written under
names of ours into a folder of ours, and what does not open as a checkpoint is removed again.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from chargen.checkpoint.card import refresh_card
from chargen.checkpoint.files import (
    CARD,
    CONFIG,
    MAX_CARD_BYTES,
    MAX_CONFIG_BYTES,
    METRICS,
    MODEL,
    TRAINING,
    DamagedError,
)
from chargen.checkpoint.filing import AnyPath, failing, held, make_at_once
from chargen.checkpoint.folder import is_complete, read_checkpoint
from chargen.checkpoint.metadata import CheckpointMetadata, read_config
from chargen.checkpoint.snapshot import max_training_bytes, read_snapshot
from chargen.checkpoint.store import max_model_bytes
from chargen.errors import CheckpointError, setting
from chargen.runtime.files import MAX_BYTES, open_regular, part_beside
from chargen.tokenizers.registry import TOKENIZERS, file_name_of

TOKENIZER_FILES = sorted(set(map(file_name_of, TOKENIZERS)))
MODEL_FILES = (CONFIG, *TOKENIZER_FILES, MODEL, METRICS, CARD)
# No checkpoint shrinks to less than a hundredth: weights hardly do, and are most of it.
MAX_RATIO = 100
_LEFT_BY_MACOS = ("__MACOSX", ".DS_Store")


def pack(path: AnyPath, target: Path, *, training: bool = False) -> Path:
    """Write the files of a checkpoint into a new .zip file at `target`, with the training state if
    `training`. The folder that was packed. Raises CheckpointError."""
    if os.path.lexists(target):
        raise CheckpointError(
            f"{target} exists",
            hint="remove it first, or choose another file with " + setting("out", fill_in="FILE"),
        )
    with held(path, changes=False) as folder, failing(f"cannot write {target}"):
        _check_whole(folder, training=training)
        # What is no UTF-8 in a file's name cannot stand in the archive.
        top = os.fsencode(folder.resolve().name).decode("utf-8", "replace")
        names = [*MODEL_FILES, *([TRAINING] if training else [])]
        part = part_beside(target)
        try:
            with ZipFile(part, "x", ZIP_DEFLATED) as archive:
                for name in filter(lambda name: (folder / name).is_file(), names):
                    # Without a time: the same checkpoint gives the same bytes.
                    info = ZipInfo(f"{top}/{name}")
                    info.compress_type = ZIP_DEFLATED
                    info.external_attr = (stat.S_IFREG | 0o644) << 16
                    info.file_size = (folder / name).stat().st_size
                    with open(folder / name, "rb") as source, archive.open(info, "w") as file:
                        shutil.copyfileobj(source, file)
            os.rename(part, target)
        finally:
            part.unlink(missing_ok=True)
    return folder


def _check_whole(folder: Path, *, training: bool) -> None:
    """Whether what is packed will open again. Raises CheckpointError."""
    if training:
        if not os.path.lexists(folder / TRAINING):
            raise CheckpointError(
                f"{folder} has no {TRAINING}, so its training cannot be resumed",
                hint="pack the model alone, without " + setting("training", True),
            )
        read_snapshot(folder)
    read_checkpoint(folder)
    card = folder / CARD
    if card.is_file() and card.stat().st_size > MAX_CARD_BYTES:
        raise CheckpointError(
            f"{card} takes more than the {MAX_CARD_BYTES:,} bytes that it may",
            hint="make it smaller, or move it elsewhere",
        )
    if not training and (folder / TRAINING).is_file() and not is_complete(folder):
        raise CheckpointError(
            f"{folder} was not saved completely; only its training state is up to date",
            hint="resume the training, or pack the training state, too, with "
            + setting("training", True),
        )


def unpack(path: AnyPath, target: Path) -> None:
    """Make a new checkpoint folder of a .zip file that holds the files of one, at its top or in one
    folder. Raises CheckpointError, and then there is no folder."""
    file = Path(path)
    with _blaming(file), open_regular(file) as opened, ZipFile(opened) as archive:
        members = _members(archive)
        unpacked_bytes = sum(member.file_size for member in members.values())
        if unpacked_bytes > MAX_RATIO * os.fstat(opened.fileno()).st_size:
            raise ValueError(f"it would unpack to {unpacked_bytes:,} bytes, far more than it holds")
        with failing(f"cannot unpack {file} to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)

            def fill(part: Path) -> None:
                _fill(part, file, archive, members)
                refresh_card(part, target.name)

            make_at_once(target, fill)


def _members(archive: ZipFile) -> dict[str, ZipInfo]:
    """The files of a checkpoint in the archive, by name. Raises ValueError where there is anything
    else."""
    members: dict[str, ZipInfo] = {}
    folders = set()
    for info in archive.infolist():
        *above, name = info.filename.split("/")
        if {*above, name} & {*_LEFT_BY_MACOS}:
            continue
        shown = repr(info.filename[:80])
        if len(above) > 1 or name not in (*MODEL_FILES, TRAINING, *([""] if above else [])):
            raise ValueError(f"it holds {shown}, which is not a file of a checkpoint")
        folders.add("/".join(above))
        if len(folders) > 1:
            raise ValueError("it holds more than one folder")
        if name == "":
            continue
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ValueError(f"{shown} in it is a link or a device")
        if not 0 <= info.header_offset < archive.start_dir:
            raise BadZipFile("Bad offset for file header")
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError("it is compressed with a method other than deflate")
        if name in members:
            raise ValueError(f"it holds {shown} twice")
        members[name] = info
    if CONFIG not in members:
        raise ValueError(f"it holds no {CONFIG}, so it is not a checkpoint")
    return members


def _fill(folder: Path, file: Path, archive: ZipFile, members: dict[str, ZipInfo]) -> None:
    """Write the files of the archive, which is this `file`, into a new folder and open them as a
    checkpoint. Raises CheckpointError, ValueError, OSError and what a damaged archive raises."""
    folder.mkdir()
    try:
        _extract(folder, archive, members[CONFIG], MAX_CONFIG_BYTES)
        metadata = read_config(folder)
        for name, most in _limits(metadata).items():
            if name in members:
                _extract(folder, archive, members[name], most)
        read_checkpoint(folder)
        if TRAINING in members:
            read_snapshot(folder)
    except CheckpointError as error:
        # The folder is one that nobody has heard of.
        message = error.message.replace(f"{folder}{os.sep}", "").replace(str(folder), "it")
        hint = "pack or download it again" if isinstance(error, DamagedError) else error.hint
        raise CheckpointError(f"cannot unpack {file}: {message}", hint=hint) from error


def _limits(metadata: CheckpointMetadata) -> dict[str, int]:
    """How many bytes each of the other files of such a checkpoint may take."""
    return {
        **dict.fromkeys((*TOKENIZER_FILES, METRICS), MAX_BYTES),
        CARD: MAX_CARD_BYTES,
        MODEL: max_model_bytes(metadata.model, metadata.vocab_size, metadata.weights),
        TRAINING: max_training_bytes(metadata),
    }


def _extract(folder: Path, archive: ZipFile, member: ZipInfo, most: int) -> None:
    """Write a file of the archive into the folder. Raises ValueError where it takes more than so
    many bytes."""
    name = member.filename.rpartition("/")[2]
    if member.file_size > most:
        raise ValueError(
            f"its {name} takes {member.file_size:,} bytes, more than the {most:,} allowed"
        )
    # However far its content goes on, zipfile gives no more than `file_size`.
    with archive.open(member) as source, open(folder / name, "xb") as file:
        shutil.copyfileobj(source, file)


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    """What goes wrong within is the fault of this archive. Raises CheckpointError."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror or error}") from error
    except BadZipFile as error:
        why = "it is not a .zip file" if "not a zip" in str(error) else f"it is damaged: {error}"
        raise _not_unpacked(file, why) from error
    except (zlib.error, struct.error, EOFError) as error:
        raise _not_unpacked(file, "it is damaged") from error
    except (ValueError, RuntimeError) as error:
        raise _not_unpacked(file, str(error)) from error


def _not_unpacked(file: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"cannot unpack {file}: {why}", hint="pass a file that `chargen pack` wrote"
    )
