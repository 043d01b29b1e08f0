"""Whether a text is UTF-8; if not, what it is, and the command that makes UTF-8 of it.

Hints are followed to the letter, so a command here works for any file name and writes to no file
that exists.
"""

from __future__ import annotations

import codecs
import os
import shlex
import unicodedata
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NoReturn

from chargen.errors import CorpusError

SAMPLE_BYTES = 1 << 14  # of a text's beginning: enough to tell its encoding

# By the first bytes.
_PACKED = {b"BZh": "bzip2 -dc", b"\xfd7zXZ\0": "xz -dc", b"\x28\xb5\x2f\xfd": "zstd -dc"}
_DOCUMENTS = {
    b"%PDF-": "a PDF",
    b"PK\3\4": "a zip archive, as .docx, .odt and .epub are",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# In Windows-1252 signs that few texts have, in those of DOS and the older Macintosh letters.
_RARE = b"\x82\x83\x86\x87\x88\x89\x8a\x8b\x8e\x98\x9a\x9b\x9e\x9f"
_SEPARATORS = "\n \u3000\u3001\u3002"


def decode_utf8(content: bytes, name: str, path: str | os.PathLike[str]) -> str:
    """A whole text, without its byte order mark, that was read from `path`, if that is a file's.
    Raises CorpusError where it is no UTF-8."""
    Utf8Check(name, Path(path) if os.path.isfile(path) else None)(content, final=True)
    return content.decode().removeprefix("\ufeff")


class Utf8Check:
    """Whether what it is called with, piece after piece, is one text in UTF-8. If not, a
    CorpusError says where, and how to make it so.

    `name` is what people call the text, `path` where it lies as a file, perhaps `gzipped`; None
    where it is a stream.
    """

    def __init__(self, name: str, path: Path | None, *, gzipped: bool = False) -> None:
        self._name = name
        self._path = path
        self._gzipped = gzipped
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
            around = error.object[max(0, error.start - SAMPLE_BYTES) :][: 2 * SAMPLE_BYTES]
            self._refuse(f"byte {at} (0x{bad:02X}) does not begin a character", around)
        if not self._read and (encoding := wide_encoding(chunk)):
            self._refuse(f"it is {encoding} without a byte order mark", chunk)
        self._read += len(chunk)
        self._is_ascii = self._is_ascii and chunk.isascii()

    def _refuse(self, why: str, around: bytes) -> NoReturn:
        raise CorpusError(f"{self._name} is not UTF-8: {why}", hint=self._way_out(around)) from None

    def _way_out(self, around: bytes) -> str:
        """What to do about bad bytes, by those `around` the first of them."""
        unpack = ["gzip -dc"] if self._gzipped else []

        def by(command: str) -> str:
            return _command([*unpack, command], self._path)

        for signature, command in _PACKED.items():
            if self._beginning.startswith(signature):
                return f"unpack it first, {by(command)}"
        for signature, what in _DOCUMENTS.items():
            if self._beginning.startswith(signature):
                return f"it is {what}: save its text as a .txt file"
        encoding = _marked_encoding(self._beginning) or wide_encoding(self._beginning)
        if encoding is None and b"\0" in around:
            return "it does not look like text"
        if encoding is None and (not self._is_ascii or _is_mostly_utf8(around)):
            return f"drop such bytes, {by('iconv -c -f UTF-8 -t UTF-8')}"
        encoding = encoding or _narrow_encoding(around)
        if encoding is None:
            return "find out its encoding, and convert it with iconv -f ENCODING -t UTF-8"
        return f"convert it first, {by(f'iconv -f {encoding} -t UTF-8')}"


def _marked_encoding(beginning: bytes) -> str | None:
    marked = (encoding for mark, encoding in _MARKS.items() if beginning.startswith(mark))
    return next(marked, None)


def wide_encoding(beginning: bytes) -> str | None:
    """UTF-16LE, UTF-16BE, UTF-32LE or UTF-32BE where a text that begins so is in that, without a
    byte order mark; most such texts are UTF-8 as well, with control characters in between."""
    sample = beginning[:SAMPLE_BYTES]
    if b"\0" not in sample:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
        ambiguous = True
    except UnicodeDecodeError:
        ambiguous = False
    found: list[tuple[int, str]] = []
    for encoding in ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        likely = _is_alphabetic(text) if ambiguous else any(mark in text for mark in _SEPARATORS)
        if likely and _is_readable(text):
            found.append((sum(map(text.count, _SEPARATORS)), encoding))
    return max(found)[1] if found else None


def _is_readable(text: str) -> bool:
    """Whether but few characters are such as stand in no text."""
    strange = sum(
        unicodedata.category(character) in ("Cc", "Cn", "Co") and not character.isspace()
        for character in text
    )
    return strange <= 0.01 * len(text)


def _is_alphabetic(text: str) -> bool:
    """Whether some characters are ASCII, and few of scripts of thousands of characters, for which
    pairs of ASCII letters are easily taken."""
    ascii_share = sum(map(str.isascii, text)) / max(1, len(text))
    return ascii_share >= 0.05 and sum(character >= "\u3000" for character in text) <= 0.1 * len(
        text
    )


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    return sum(not character.isascii() for character in text) > 2 * bad


def _narrow_encoding(data: bytes) -> str | None:
    """WINDOWS-1252, which is Latin-1 but for the bytes 80 to 9F, where those stand for the quotes
    and dashes of its texts. None where it is another encoding: one that uses a byte that this one
    lacks, whose letters are mostly none of ASCII's, or stand where this one has rare signs."""
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    printed = [byte for byte in data if byte > ord(" ")]
    beyond = [byte for byte in printed if byte >= 0x80]
    rare = sum(byte in _RARE for byte in beyond)
    western = len(beyond) <= 0.3 * len(printed) and rare <= 0.3 * len(beyond)
    return "WINDOWS-1252" if western else None


def _command(filters: Sequence[str], path: Path | None) -> str:
    """What to type for a text to go through the filters, one after the other."""
    if path is None:
        return f"piping it through: {' | '.join(filters)}"
    first, *others = filters
    whole = " | ".join([f"{first} < {shell_quoted(path)}", *others])
    return f"as in: {whole} > {_new_name()}"


def _new_name() -> str:
    """The name of a file that does not exist yet, where we are."""
    names = (f"text-{number}.txt" if number > 1 else "text.txt" for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def shell_quoted(path: str | os.PathLike[str]) -> str:
    """A path as a shell takes it, in one line, whatever bytes its name is made of."""
    text = os.fspath(path)
    if text.isprintable():
        return shlex.quote(text)
    plain = {ord(" ")} | {byte for byte in range(0x21, 0x7F) if chr(byte) not in "'\\"}
    spelled = "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in os.fsencode(text))
    return f"$'{spelled}'"
