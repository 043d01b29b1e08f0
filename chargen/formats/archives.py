"""The files in an archive, zip or tar, one after the other; nothing is written under their names.

Whoever made an archive may mean harm: what is encrypted, damaged or made to fill disks and memory
is refused, links lead nowhere, and a name is but a label.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from chargen.errors import CorpusError
from chargen.formats.compression import check_ratio

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_MEMBERS = 100_000
MAX_NAME = 300  # characters; a longer one is cut
MAX_TABLE = 1 << 26  # bytes of a zip's list of its members, which is read as a whole
MAX_EXTENSION = 1 << 16  # bytes of what tar says of a member beyond its header
BLOCK = 512  # bytes, of which tars are made

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    IndexError,
)


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path there, with `/` between, and its bytes, to be read before the
    next one is asked for. Raises CorpusError as it is read."""

    name: str
    stream: BinaryIO


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip archive, perhaps one without any member."""
    return head.startswith((b"PK\3\4", b"PK\5\6"))


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar archive: its first header sums up to what it says."""
    return len(head) >= BLOCK and _is_header(head[:BLOCK])


def zip_names(path: Path, name: str) -> list[str]:
    """The names of all members of a zip. Raises CorpusError, OSError."""
    with blaming_archive(name), _open_zip(path, name) as archive:
        return [info.filename for info in archive.infolist()]


def zip_members(path: Path, name: str) -> Iterator[Member]:
    """The files in a zip, in the order of their names. Raises CorpusError, OSError."""
    with blaming_archive(name), _open_zip(path, name) as archive:
        packed = path.stat().st_size
        read = 0
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            mode = info.external_attr >> 16
            if info.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
                continue
            label = f"{name}/{clean_name(info.filename)}"
            if info.flag_bits & 1:
                yield Member(clean_name(info.filename), _refused(f"{label} is encrypted"))
                continue
            try:
                opened = archive.open(info)
            except (NotImplementedError, RuntimeError, *_DAMAGE) as error:
                why = f"{label} is damaged, or packed in a way that cannot be read ({error})"
                yield Member(clean_name(info.filename), _refused(why))
                continue
            with opened:
                limited = _Member(cast(BinaryIO, opened), label, name, read, packed)
                yield Member(clean_name(info.filename), cast(BinaryIO, io.BufferedReader(limited)))
                read = limited.total


def tar_members(stream: BinaryIO, name: str) -> Iterator[Member]:
    """The files in a tar, in the order in which they stand there. Raises CorpusError, OSError."""
    long_name: str | None = None
    long_size: int | None = None
    count = 0
    while True:
        header = _exactly(stream, BLOCK, name)
        if not header.strip(b"\0"):
            return
        count += 1
        if not _is_header(header):
            raise _damaged(name)
        if count > 2 * MAX_MEMBERS:
            raise _too_many(name)
        size = _number(header[124:136], name)
        kind = header[156:157]
        if kind in b"xgLK" and kind:
            if size > MAX_EXTENSION:
                raise _damaged(name)
            data = _exactly(stream, size, name)
            _pass_over(stream, -size % BLOCK, name)
            if kind == b"L":
                long_name = data.split(b"\0")[0].decode("utf-8", "replace")
            elif kind == b"x":
                said = _records(data)
                long_name = said.get("path", long_name)
                if said.get("size", "").isdecimal():
                    long_size = min(int(said["size"][:20]), 1 << 62)
            continue
        size = size if long_size is None else long_size
        is_file = kind in (b"0", b"\0", b"7")
        if not is_file and kind != b"S":  # links and folders have no bytes, whatever they say
            size = 0
        plain = header[:100].split(b"\0")[0]
        if (
            header[257:262] == b"ustar"
            and header[345:346] != b"\0"
            and header[257:265] != b"ustar  \0"
        ):
            plain = header[345:500].split(b"\0")[0] + b"/" + plain
        path = clean_name(long_name or plain.decode("utf-8", "replace"))
        long_name = long_size = None
        body = _Body(stream, size, name)
        if is_file and not path.endswith("/"):
            yield Member(path, cast(BinaryIO, io.BufferedReader(body)))
        _pass_over(stream, body.left, name)
        _pass_over(stream, -size % BLOCK, name)


def clean_name(name: str) -> str:
    """A member's path as it can be shown: nothing leads out of the archive."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    shown = "/".join(parts)[-MAX_NAME:] + ("/" if name.endswith("/") else "")
    return "".join(c if c.isprintable() else "\ufffd" for c in shown) or "?"


# -- zip --------------------------------------------------------------------------------------


@contextmanager
def _open_zip(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    with open(path, "rb") as file:
        size = path.stat().st_size
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) < end + 22:
            raise _damaged(name)
        [table] = struct.unpack_from("<I", tail, end + 12)
        if table == 0xFFFFFFFF:  # of a zip beyond 4 GB, another record says it
            wide = tail.rfind(b"PK\6\6", 0, end)
            if wide < 0 or len(tail) < wide + 56:
                raise _damaged(name)
            [table] = struct.unpack_from("<Q", tail, wide + 40)
        if table > MAX_TABLE:
            raise _too_many(name)
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                raise _too_many(name)
            yield archive


class _Member(io.RawIOBase):
    """A member of a zip: what is wrong with it is said of it."""

    def __init__(
        self, stream: BinaryIO, label: str, archive: str, before: int, packed: int
    ) -> None:
        self._stream, self._label, self._archive, self._packed = stream, label, archive, packed
        self.total = before  # bytes that were unpacked of the archive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        with blaming_archive(self._label):
            data = self._stream.read(len(room))
        room[: len(data)] = data
        self.total += len(data)
        check_ratio(self._archive, self.total, self._packed)
        return len(data)


class _Refused(io.RawIOBase):
    """What cannot be read, as whoever tries learns."""

    def __init__(self, why: str) -> None:
        self._why = why

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        raise CorpusError(self._why, hint="unpack it yourself")


def _refused(why: str) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Refused(why)))


# -- tar --------------------------------------------------------------------------------------


class _Body(io.RawIOBase):
    """The bytes of one member, where its header ends."""

    def __init__(self, stream: BinaryIO, size: int, archive: str) -> None:
        self._stream, self.left, self._archive = stream, size, archive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")[: self.left]
        data = self._stream.read(len(room))
        if len(data) < len(room):
            raise _damaged(self._archive)
        room[: len(data)] = data
        self.left -= len(data)
        return len(data)


def _is_header(block: bytes) -> bool:
    try:
        said = int(block[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    return said == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def _number(field: bytes, name: str) -> int:
    """A size, in octal digits or, where it is beyond 8 GB, in bytes."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") & ((1 << 62) - 1)
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise _damaged(name) from None


def _records(data: bytes) -> dict[str, str]:
    """What a pax header says: lines of a length, a key and a value."""
    found, at = {}, 0
    while at < len(data):
        digits = data[at : at + 8].split(b" ")[0]
        if not digits.isdigit() or int(digits) < 5:
            break
        line = data[at + len(digits) + 1 : at + int(digits) - 1]
        key, _, value = line.partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(digits)
    return found


def _exactly(stream: BinaryIO, size: int, name: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _damaged(name)
    return data


def _pass_over(stream: BinaryIO, size: int, name: str) -> None:
    while size:
        size -= len(_exactly(stream, min(size, 1 << 16), name))


# -- both -------------------------------------------------------------------------------------


@contextmanager
def blaming_archive(name: str) -> Iterator[None]:
    """What goes wrong in reading an archive of this name becomes a CorpusError."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(name) from error


def _damaged(name: str) -> CorpusError:
    return CorpusError(
        f"{name} is damaged, or not all of it is there: it cannot be unpacked",
        hint="copy or download it again",
    )


def _too_many(name: str) -> CorpusError:
    return CorpusError(
        f"{name} has more than {MAX_MEMBERS:,} files in it", hint="unpack it yourself"
    )
