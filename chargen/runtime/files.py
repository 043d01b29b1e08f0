"""Files: typed JSON, read within bounds, replaced at once, locked. The only door to msgspec."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

Record = msgspec.Struct  # what JSON is read as: its fields are the keys, with their types
RecordType = TypeVar("RecordType", bound=Record)
Kind = TypeVar("Kind")
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]  # whole numbers that a float holds exactly
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Scalar = bool | int | float | str | None
# Of a field that need not be there, and is not written where it is this.
UNSET = msgspec.UNSET
Unset = msgspec.UnsetType

MAX_BYTES = 100_000_000  # of a file that is read as a whole
_PART = re.compile(r"\.chargen-\d+-\d+\.part")


# -- JSON -------------------------------------------------------------------------------------


class JsonError(ValueError):
    """JSON that is not what it must be: the `reason`, and the `path` to what is to blame, as in
    messages[2].content; an empty one where that is all of it, or no JSON at all."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.reason, _, place = message.partition(" - at `$")
        self.path = place.rstrip("`").removeprefix(".")


def decode(content: bytes, kind: type[RecordType]) -> RecordType:
    """The record that the JSON spells. Raises JsonError."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JsonError(str(error)) from error


def decode_lines(content: bytes, kind: type[RecordType]) -> list[RecordType]:
    """A record of each line of JSON. Raises ValueError."""
    try:
        return msgspec.json.Decoder(kind).decode_lines(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def decode_any(content: bytes) -> Any:
    """What the JSON spells, in dicts and lists. Raises ValueError."""
    return msgspec.json.decode(content)


def convert(value: object, kind: type[Kind]) -> Kind:
    """What dicts and lists spell, as a record or a dataclass. Raises ValueError."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from error


def encode(value: object) -> bytes:
    """A record, or what is JSON-able, in one line."""
    return msgspec.json.encode(value)


def encode_sorted(value: object) -> bytes:
    """The same for equal values, in whatever order their keys stand."""
    return msgspec.json.encode(value, order="deterministic")


def encode_indented(value: object) -> bytes:
    """The same for people to read."""
    return msgspec.json.format(encode(value), indent=2)


def to_builtins(value: object) -> Any:
    """The same in dicts and lists."""
    return msgspec.to_builtins(value)


# -- reading and writing ----------------------------------------------------------------------


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """A file to be read. Raises OSError; ValueError where it is a pipe, a device or a folder, of
    which no end could be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe has perhaps no other end
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    with open(descriptor, "rb") as file:
        yield file


def read_file(path: Path, at_most: int = MAX_BYTES) -> bytes:
    """All of a file. Raises OSError; ValueError where it is not a regular file or a longer one."""
    with open_regular(path) as file:
        return read_rest(file, at_most)


def read_rest(file: BufferedReader, at_most: int) -> bytes:
    """What is left of a file, looked at before memory is taken. Raises OSError, ValueError."""
    size = os.fstat(file.fileno()).st_size - file.tell()
    if size > at_most:
        raise ValueError(f"it holds {size:,} bytes, more than the {at_most:,} allowed")
    return file.read(size)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file at once and for good: readers see the old content or the new, never a part,
    and the new one stays though the power fails. Raises OSError; then the old one is there."""
    beside = part_beside(path)
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems know no such thing
            raise
    finally:
        os.close(descriptor)


def part_beside(path: Path) -> Path:
    """Where to make what is then moved to this path by one rename."""
    return path.with_name(f".chargen-{os.getpid()}-{threading.get_ident()}.part")


def is_part(name: str) -> bool:
    """Whether what has this name was still to be moved to its place."""
    return _PART.fullmatch(name) is not None


def remove_parts(folder: Path) -> None:
    """Remove what a killed process had begun to write. Nobody else may be writing there."""
    with suppress(OSError):
        for path in folder.iterdir():
            if is_part(path.name):
                path.unlink()


# -- locks ------------------------------------------------------------------------------------


class Lock:
    """A folder that is one process's own until it is released, or the process ends, however. Where
    it is `shared`, others may share it, but none has it for its own.

    The folder itself is locked, so nothing is left behind in it. It keeps out other processes of
    this machine alone where the folder is on another one. `holds` is whether it keeps out any: some
    file systems know no locks.
    """

    def __init__(self, folder: Path, *, shared: bool = False) -> None:
        """Raises BlockingIOError where it is locked, other OSErrors where it cannot be opened."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.release = weakref.finalize(self, os.close, descriptor)
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            self.holds = True
        except BlockingIOError:
            self.release()
            raise
        except OSError:
            self.holds = False


def is_locked(folder: Path) -> bool:
    """Whether a folder is another process's own."""
    try:
        Lock(folder, shared=True).release()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
