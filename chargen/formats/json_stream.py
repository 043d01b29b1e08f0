"""JSON that is larger than memory: the values in it, one after the other, as bytes to be decoded.

Knows where a value begins and ends; what is inside it, a decoder checks. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from chargen.errors import CorpusError, setting
from chargen.formats.content import Content
from chargen.runtime.files import decode_any

Path = tuple[str | int, ...]  # keys of objects and places in arrays, from the outermost in

CHUNK = 1 << 20  # characters that are read at a time
MAX_VALUE = 1 << 25  # bytes of a value that is given as a whole
MAX_DEPTH = 500  # of brackets in one: what decodes it has a limit of its own

_BLANK = re.compile(rb"[ \t\n\r]*+")
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]++")
_QUOTED = rb'"(?:[^"\\]++|\\.)*+"'
_STRING = re.compile(_QUOTED, re.DOTALL)


def _passing(depth: int) -> bytes:
    """What is passed over on the way to the next bracket: strings, what stands between, and what
    holds no more brackets than so many in each other."""
    plain = rb'[^"{}\[\]]++|' + _QUOTED
    return plain + rb"|[\[{](?:%b)*+[\]}]" % _passing(depth - 1) if depth else plain


_TO_BRACKET = re.compile(rb"(?:%b)*+" % _passing(3), re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"


def json_values(content: Content, descend: Callable[[Path], bool]) -> Iterator[tuple[Path, bytes]]:
    """The values of a JSON text, each with where it stands: a list or an object is gone into where
    `descend` says so of its path, and comes as a whole, in UTF-8, where it does not. Raises
    CorpusError with the line where it is no JSON, and UnicodeDecodeError.

    With `lambda path: path == ()`, the elements of a list come one by one.
    """
    with closing(_Scanner(content)) as scanner:
        yield from _values(scanner, descend)


def decoded_values(content: Content, descend: Callable[[Path], bool]) -> Iterator[tuple[Path, Any]]:
    """The same, decoded: dicts, lists, texts, numbers."""
    with closing(_Scanner(content)) as scanner:
        for path, value in _values(scanner, descend):
            try:
                decoded = decode_json(value)
            except ValueError as error:
                raise scanner.error(str(error)) from None
            yield path, decoded


def decode_json(value: bytes) -> Any:
    """What a value spells. A half of a surrogate pair is taken as others write it. Raises
    ValueError."""
    try:
        return decode_any(value)
    except ValueError:
        return json.loads(value)


def _values(scanner: _Scanner, descend: Callable[[Path], bool]) -> Iterator[tuple[Path, bytes]]:
    open_ones: list[tuple[Path, bytes]] = []  # path and closing bracket of what was gone into
    counts: list[int] = []  # of the values in each
    path: Path = ()
    while True:
        first = scanner.peek()
        if first in _OPENING and descend(path):
            scanner.take(first)
            open_ones.append((path, b"]" if first == b"[" else b"}"))
            counts.append(0)
        else:
            yield path, scanner.value()
        # To where the next value begins.
        while open_ones:
            within, closing = open_ones[-1]
            if scanner.peek() != closing:
                break
            scanner.take(closing)
            open_ones.pop()
            counts.pop()
        if not open_ones:
            break
        if counts[-1]:
            scanner.take(b",")
        if closing == b"}":
            path = (*within, scanner.key())
            scanner.take(b":")
        else:
            path = (*within, counts[-1])
        counts[-1] += 1
    if scanner.peek(at_end=True):
        raise scanner.error("more follows after its end")


class _Scanner:
    """A place in JSON, which moves on from value to value."""

    def __init__(self, content: Content) -> None:
        self._name = content.name
        self._stream = content.text()
        self._buffer = b""
        self._at = 0
        self._line = 1

    def close(self) -> None:
        self._stream.close()

    def peek(self, *, at_end: bool = False) -> bytes:
        """The next byte that is not blank; nothing if it may be `at_end`."""
        while True:
            match = _BLANK.match(self._buffer, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._read():
                if at_end:
                    return b""
                raise self.error("it ends too early")

    def take(self, expected: bytes) -> None:
        found = self.peek()
        if found != expected:
            raise self.error(f"{expected.decode()} was expected")
        self._at += 1

    def key(self) -> str:
        if self.peek() != b'"':
            raise self.error("a key was expected")
        try:
            return str(decode_json(self.value()))
        except ValueError:
            raise self.error("a key is no text") from None

    def value(self) -> bytes:
        """The value that begins here."""
        first = self.peek()
        if first == b'"':
            length = self._string()
        elif first in _OPENING:
            length = self._container()
        else:
            length = self._scalar()
        value = self._buffer[self._at : self._at + length]
        self._at += length
        return value

    def _string(self) -> int:
        while True:
            match = _STRING.match(self._buffer, self._at)
            if match:
                return match.end() - match.start()
            self._more()

    def _scalar(self) -> int:
        while True:
            match = _SCALAR.match(self._buffer, self._at)
            if match is None:
                raise self.error("a value was expected")
            if match.end() < len(self._buffer) or not self._read():
                return match.end() - match.start()

    def _container(self) -> int:
        depth, length = 1, 1  # after its own bracket
        while True:
            match = _TO_BRACKET.match(self._buffer, self._at + length)
            assert match is not None
            length = match.end() - self._at
            bracket = self._buffer[match.end() : match.end() + 1]
            if not bracket or bracket == b'"':  # the string goes on in the next chunk
                self._more()
                continue
            length += 1
            depth += 1 if bracket in _OPENING else -1
            if depth == 0:
                return length
            if depth > MAX_DEPTH:
                raise self.error(f"it is more than {MAX_DEPTH} brackets deep")

    def _more(self) -> None:
        """Read on within a value."""
        if not self._read():
            raise self.error("it ends too early")

    def _read(self) -> bool:
        """As much again as there is of the value in hand, so that long ones take no longer."""
        left = len(self._buffer) - self._at
        if left > MAX_VALUE:
            raise self.error(f"it has a value of more than {MAX_VALUE >> 20} MB")
        read = self._stream.read(max(CHUNK, left)).encode()
        self._line += self._buffer.count(b"\n", 0, self._at)
        self._buffer = self._buffer[self._at :] + read
        self._at = 0
        return bool(read)

    def error(self, why: str) -> CorpusError:
        line = self._line + self._buffer.count(b"\n", 0, self._at)
        return CorpusError(
            f"{self._name} is not valid JSON in line {line:,}: {why}",
            hint="to read it as it is, add " + setting("format", "text"),
        )
