"""A file's bytes, unpacked and decoded, to be read from the beginning as often as is wanted."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TextIO

HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Content:
    """A file, or a member of an archive. `name` is what people call it."""

    name: str
    opener: Callable[[], BinaryIO]
    encoding: str = "utf-8"

    @classmethod
    def of(cls, name: str, data: bytes, encoding: str = "utf-8") -> Content:
        """Bytes in memory."""
        return cls(name, lambda: io.BytesIO(data), encoding)

    def open(self) -> BinaryIO:
        """The bytes from the beginning, to be closed."""
        return self.opener()

    def text(self) -> TextIO:
        """The decoded text from the beginning, without a byte order mark, its line ends as they
        are. Raises UnicodeDecodeError as it is read."""
        return io.TextIOWrapper(self.open(), self.encoding, newline="")

    def head(self) -> bytes:
        """The first HEAD_BYTES."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)


@dataclass(frozen=True)
class Head:
    """How a content begins: its name in lower case, its first bytes, and their text."""

    name: str
    data: bytes
    text: str
