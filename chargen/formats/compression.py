"""Compressed streams, known by their first bytes and unpacked as they are read: gzip, bzip2, xz and
Zstandard, each in as many parts as it likes. The only door to zstandard.

Whoever made a stream may mean harm: memory is bounded, and what grows like a bomb is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from chargen.errors import CorpusError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 1 << 16
MAX_MEMORY = 1 << 27  # that an unpacker may take; xz -9 needs half of it
# Texts are packed to a tenth, and what says the same again and again to a thousandth at most. More
# than a bomb of this size is not unpacked at such a rate.
MAX_RATIO = 250
FREE_BYTES = 1 << 28
HEAD_BYTES = 10  # that tell what a stream is packed with

_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")  # after BZh and a digit: a block, or the end


def compression_of(head: bytes) -> str | None:
    """How a stream that begins so is packed: gzip, bzip2, xz, zstd; None where it is not."""
    if head[:3] == b"BZh" and head[4:10] in _BZIP2:
        return "bzip2"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """What goes wrong in unpacking the file of this name becomes a CorpusError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(
            f"{name} is damaged, or not all of it is there: it cannot be unpacked",
            hint="copy or download it again",
        ) from error


def unpacked(stream: BinaryIO, kind: str, name: str) -> BinaryIO:
    """What a stream of this kind holds, to be read within `unpacking`. Raises CorpusError."""
    packed = _Counted(stream)
    if kind == "gzip":
        opened = cast(BinaryIO, gzip.GzipFile(fileobj=io.BufferedReader(packed)))
    else:
        opened = cast(BinaryIO, _Parts(io.BufferedReader(packed), _MAKERS[kind](name)))
    return cast(BinaryIO, io.BufferedReader(_Limited(opened, packed, name), READ_BYTES))


def check_ratio(name: str, unpacked_bytes: int, packed_bytes: int) -> None:
    """Raises CorpusError where a file unpacks to so much that it was made to fill disks."""
    if unpacked_bytes > FREE_BYTES and unpacked_bytes > MAX_RATIO * max(packed_bytes, 1):
        raise CorpusError(
            f"{name} unpacks to more than {MAX_RATIO} times its size, as no text does",
            hint="unpack it yourself, if it is not made to fill disks",
        )


def rejoined(first: bytes, rest: BinaryIO) -> BinaryIO:
    """A stream with its first bytes before it again: a pipe cannot be wound back."""
    return cast(BinaryIO, io.BufferedReader(_Rejoined(first, rest), READ_BYTES))


class _Rejoined(io.RawIOBase):
    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        read = self._first[: len(room)] or self._rest.read(len(room))
        self._first = self._first[len(read) :]
        room[: len(read)] = read
        return len(read)


class _Counted(io.RawIOBase):
    """A stream that knows how much of it has been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self._stream.read(len(room))
        room[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Limited(io.RawIOBase):
    """What is unpacked from a stream, as long as it is no bomb."""

    def __init__(self, stream: BinaryIO, packed: _Counted, name: str) -> None:
        self._stream, self._packed, self._name = stream, packed, name
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self._stream.read(len(room))
        room[: len(data)] = data
        self._count += len(data)
        check_ratio(self._name, self._count, self._packed.count)
        return len(data)


class _Parts(io.RawIOBase):
    """Parts that were packed each by itself, one after the other, as one stream."""

    def __init__(self, stream: BinaryIO, make: Callable[[], Any]) -> None:
        self._stream, self._make = stream, make
        self._part: Any = None  # a decompressor as those of bz2, until its part ends
        self._read = b""  # and not yet unpacked

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        while len(room):
            if self._part is None:
                self._read = self._read.lstrip(b"\0") or self._stream.read(READ_BYTES)
                if not self._read:
                    return 0
                if not self._read.strip(b"\0"):  # padding
                    self._read = b""
                    continue
                self._part = self._make()
            elif self._part.needs_input and not self._read:
                self._read = self._stream.read(READ_BYTES)
                if not self._read:
                    raise EOFError
            try:
                data = self._part.decompress(self._read, len(room))
            except OSError as error:  # as bz2 calls bad data
                raise EOFError from error
            self._read = b""
            if self._part.eof:
                self._read = self._part.unused_data
                self._part = None
            if data:
                room[: len(data)] = data
                return len(data)
        return 0


class _Zstandard:
    """A frame, unpacked as bz2 unpacks: no more at a time than is asked for. A block is no longer
    than 128 KiB, whatever it is packed to, so that few are taken at a time."""

    STEP = 1 << 11

    def __init__(self, module: Any) -> None:
        self._error = module.ZstdError
        frame = module.ZstdDecompressor(max_window_size=MAX_MEMORY)
        self._frame = frame.decompressobj()
        self._input, self._output = b"", b""

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof) and not self._output

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._input

    def decompress(self, data: bytes, most: int) -> bytes:
        self._input += data
        if not self._output and self._input and not self._frame.eof:
            step, self._input = self._input[: self.STEP], self._input[self.STEP :]
            try:
                self._output = self._frame.decompress(step)
            except self._error as error:
                raise EOFError from error
        found, self._output = self._output[:most], self._output[most:]
        return found


def _zstandard(name: str) -> Callable[[], Any]:
    try:
        import zstandard
    except ImportError:
        raise CorpusError(
            f"{name} is packed with Zstandard, which needs the package zstandard",
            hint="pip install 'chargen[zstd]'",
        ) from None
    return lambda: _Zstandard(zstandard)


_MAKERS: dict[str, Callable[[str], Callable[[], Any]]] = {
    "bzip2": lambda name: bz2.BZ2Decompressor,
    "xz": lambda name: lambda: lzma.LZMADecompressor(memlimit=MAX_MEMORY),
    "zstd": _zstandard,
}
