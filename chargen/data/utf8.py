"""Whether a text is UTF-8; if not, where not, what it may be, and how it would read then."""

from __future__ import annotations

import codecs
import os
import shlex
from pathlib import Path
from typing import NoReturn

from chargen.errors import CorpusError, Wording, setting
from chargen.formats.encodings import (
    SAMPLE_BYTES,
    is_mostly_utf8,
    likely_encodings,
    no_text,
    reading,
    wide_encoding,
)


def decode_utf8(content: bytes, name: str, path: str | os.PathLike[str]) -> str:
    """A whole text, without its byte order mark, that was read from `path`, if that is a file's.
    Raises CorpusError where it is no UTF-8."""
    place = Path(path) if os.path.isfile(path) else None
    Utf8Check(name, place, can_set=False)(content, final=True)
    return content.decode().removeprefix("\ufeff")


class Utf8Check:
    """Whether what it is called with, piece after piece, is one text in UTF-8. If not, a
    CorpusError says where, and what to do.

    `name` is what people call the text, `path` where it lies as a file; None where it is a stream,
    or packed. `can_set` is whether whoever reads it may name another encoding.
    """

    def __init__(self, name: str, path: Path | None, *, can_set: bool = True) -> None:
        self._name = name
        self._path = path
        self._can_set = can_set
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._beginning = b""
        self._read = 0
        self._is_ascii = True

    def __call__(self, chunk: bytes, final: bool = False) -> None:
        if not self._read:
            self._beginning = chunk[:SAMPLE_BYTES]
        held = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            at = self._read - held + error.start
            bad = error.object[error.start]
            start = max(0, error.start - SAMPLE_BYTES)
            around = error.object[start:][: 2 * SAMPLE_BYTES]
            why = f"byte {at} (0x{bad:02X}) does not begin a character"
            self._refuse(why, around, error.start - start)
        if not self._read and wide_encoding(chunk):
            self._refuse(f"byte {chunk.index(0)} is NUL", chunk, 0)
        self._read += len(chunk)
        self._is_ascii = self._is_ascii and chunk.isascii()

    def _refuse(self, why: str, around: bytes, bad: int) -> NoReturn:
        hint = self._way_out(around, bad)
        raise CorpusError(f"{self._name} is not UTF-8: {why}", hint=hint) from None

    def _way_out(self, around: bytes, bad: int) -> str | Wording:
        """What to do about bad bytes, by those `around` the first of them, which stands at `bad`
        there."""
        known = no_text(self._beginning)
        if known is not None:
            what, way_out = known
            return f"it is {what}" + (f": {way_out}" if way_out else "")
        encoding = wide_encoding(self._beginning)
        if encoding is not None:
            return f"it is {encoding} without a byte order mark: " + self._read_as(encoding)
        if b"\0" in around:
            return "it does not look like text"
        if not self._is_ascii or is_mostly_utf8(around):
            source = "" if self._path is None else f" < {shell_quoted(self._path)}"
            return f"most of it is; what drops such bytes is: iconv -c -f UTF-8 -t UTF-8{source}"
        likely = likely_encodings(around)
        if not likely:
            return "find out its encoding, and " + self._read_as(None)
        readings = [(encoding, reading(around[bad:], encoding)) for encoding in likely]
        shown = [f"{name} ({sample})" if sample else name for name, sample in readings]
        last = shown.pop()
        either = f"{', '.join(shown)} or {last}" if shown else last
        return f"it may be {either}: " + self._read_as(likely[0])

    def _read_as(self, encoding: str | None) -> str | Wording:
        if not self._can_set:
            return "save it as UTF-8"
        if encoding is None:
            return "name it with " + setting("encoding", fill_in="NAME")
        return "read it with " + setting("encoding", encoding)


def shell_quoted(path: str | os.PathLike[str]) -> str:
    """A path as a shell takes it, in one line, whatever bytes its name is made of."""
    text = os.fspath(path)
    if text.isprintable():
        return shlex.quote(text)
    plain = {ord(" ")} | {byte for byte in range(0x21, 0x7F) if chr(byte) not in "'\\"}
    spelled = "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in os.fsencode(text))
    return f"$'{spelled}'"
