"""Text files: find them, check that they are UTF-8, split them, read them in small chunks.

Texts are split in bytes, before there are tokens, so that every tokenizer trains, and is scored,
on the same text. Knows nothing of tokens. Memory does not grow with the text, but for some forty
bytes a line where lines are documents, while it is split.

The files are other people's: they may grow, shrink or vanish while they are read. So they are not
mapped into memory, where a file that is cut short ends the process, and `check_unchanged` tells
whether what was read last is what was read first.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import os
import re
import stat
import sys
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import glob, has_magic
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.progress import OnProgress, no_progress

Paths = Sequence[str | os.PathLike[str]]
Chunk = tuple[str, bool]  # some text, and whether a document ends with it

CHUNK_BYTES = 1 << 20
SPLITS = ("train", "valid", "test")
BYTE_ORDER_MARK = codecs.BOM_UTF8
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """A text that was read once from end to end: it is UTF-8, and its hash is known."""

    path: Path  # where its bytes lie, uncompressed
    name: str  # what people call it
    size: int  # bytes, without a byte order mark
    sha256: str
    start: int  # bytes of byte order mark to pass over
    version: tuple[int, ...] | None  # what changes when others write to it; None: a copy of ours

    @property
    def stop(self) -> int:
        return self.start + self.size


def find_texts(paths: Paths) -> list[Path]:
    """The files that `paths` name, each once, in order; `-` stays as it is. Raises CorpusError."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found: dict[str, Path] = {}  # by what they are, whatever leads there
    for given in [os.fspath(path) for path in paths]:
        matches = [Path(given)]
        if given != "-" and not os.path.lexists(given):
            matches = _matches(given) if has_magic(given) else []
            if not matches:
                raise CorpusError(f"no such text: {given}", hint="check the path")
        for match in matches:
            below = [match]
            if os.path.isdir(match):
                try:
                    found_below = [*match.rglob("*.txt"), *match.rglob("*.txt.gz")]
                except OSError as error:  # what lies there is being moved or removed
                    raise CorpusError(f"cannot look through {match}: {error}") from error
                below = sorted(path for path in found_below if os.path.isfile(path))
                if not below and len(matches) == 1:
                    raise CorpusError(
                        f"folder {match} has no text", hint="its files must be named *.txt"
                    )
            for path in below:
                found.setdefault(os.path.realpath(path), path)
    if not found:
        raise CorpusError("no text was given", hint="name a file, a folder or - for standard input")
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    """What a glob names. Unlike the standard library's, `**` goes into no links: two that lead
    back would have it walk for ever."""
    path = Path(pattern)
    try:
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except OSError as error:
        raise CorpusError(f"cannot look for {pattern}: {error}") from error
    except ValueError:  # ** beside other letters, which is no more than *
        found = [Path(match) for match in glob(pattern)]
    dotted = [part for part in path.parts if part.startswith(".")]  # asked for; or ..

    def is_hidden(part: str) -> bool:
        return part.startswith(".") and not any(fnmatchcase(part, asked) for asked in dotted)

    return sorted(path for path in found if not any(map(is_hidden, path.parts)))


def read_sources(
    paths: Paths,
    spool: Path,
    on_progress: OnProgress = no_progress,
) -> list[Source]:
    """Read every text once: check that it is UTF-8, hash it, unpack what is gzipped or piped."""
    return [
        _read_source(path, spool / str(index), on_progress)
        for index, path in enumerate(find_texts(paths))
    ]


def _read_source(path: Path, spooled: Path, on_progress: OnProgress) -> Source:
    piped = str(path) == "-"
    name = "standard input" if piped else readable(path)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    start = 0
    try:
        in_place = not piped and os.path.isfile(path) and not _is_gzip(path)
        version = _version(path) if in_place else None
        expected = path.stat().st_size if in_place else 0
        left = expected or sys.maxsize  # a file that grows is not run after; some tell no size
        with _open_text(path) as stream, open(os.devnull if in_place else spooled, "wb") as copy:
            while chunk := stream.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                if size == 0 and chunk.startswith(BYTE_ORDER_MARK):
                    start = len(BYTE_ORDER_MARK)
                _check_utf8(decoder, chunk, size, name)
                digest.update(chunk)
                if not in_place:
                    _keep(copy, chunk, name)
                size += len(chunk)
                on_progress("reading", size / max(expected, size))
            _check_utf8(decoder, b"", size, name, final=True)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{name} is not a whole gzip file", hint="unpack it yourself") from error
    except OSError as error:
        raise CorpusError(f"cannot read {name}: {error.strerror or error}") from error
    place = path if in_place else spooled
    return Source(place, Path(name).name, size - start, digest.hexdigest(), start, version)


def _keep(copy: IO[bytes], chunk: bytes, name: str) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        raise CorpusError(
            f"cannot keep a copy of {name} in the cache: {error.strerror}",
            hint="make room there, or set XDG_CACHE_HOME to another folder",
        ) from error


def _version(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(sources: Sequence[Source]) -> None:
    """Raises CorpusError where a text is not any more what it was when it was read first. What was
    only added to its end is not looked at."""
    for source in sources:
        try:
            if source.version is None or source.version == _version(source.path):
                continue
            digest = hashlib.sha256()
            opened = _Opened(source)
            for at in range(0, source.stop, CHUNK_BYTES):
                digest.update(opened.read(at, min(at + CHUNK_BYTES, source.stop)))
        except OSError as error:
            raise CorpusError(f"cannot read {source.name}: {error.strerror}") from error
        if digest.hexdigest() != source.sha256:
            raise _changed(source.name)


def _changed(name: str) -> CorpusError:
    return CorpusError(
        f"{name} changed while it was read", hint="begin again when nothing writes to it"
    )


def _open_text(path: Path) -> AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    if str(path) == "-":
        stdin = sys.stdin.buffer
        if isinstance(stdin, io.BufferedReader) and stdin.peek(2).startswith(GZIP):
            return gzip.GzipFile(fileobj=stdin)
        return nullcontext(stdin)
    if os.path.isfile(path) and _is_gzip(path):
        return gzip.open(path, "rb")
    return open(path, "rb")


def _is_gzip(path: Path) -> bool:
    if path.suffix == ".gz":
        return True
    with open(path, "rb") as file:
        return file.read(2) == GZIP


def _check_utf8(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, name: str, final: bool = False
) -> None:
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = offset - held + error.start
        utf16 = offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = (
            f"convert it first, as in: iconv -f {'UTF-16' if utf16 else 'LATIN1'} -t UTF-8 {name} "
            "> text.txt"
        )
        if b"\0" in chunk and not utf16:
            hint = "it looks like no text at all"
        raise CorpusError(
            f"{name} is not UTF-8: byte {at} (0x{error.object[error.start]:02X}) begins no "
            "character",
            hint=hint,
        ) from None


def name_of(paths: Paths) -> str:
    """A short name for a corpus: the stem of its first text."""
    first = paths if isinstance(paths, str | os.PathLike) else paths[0]
    if os.fspath(first) == "-":
        return "stdin"
    path = Path(os.path.abspath(first))
    name = path.name if os.path.isdir(path) else Path(path.name.removesuffix(".gz")).stem
    return re.sub(r"[*?\[\]]+", "", readable(name)).strip(". -") or "corpus"


def readable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be shown and saved, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", errors="replace")


# -- splits -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """A byte range of a source, and whether its document ends there."""

    source: int
    start: int
    stop: int
    ends: bool


@dataclass(frozen=True)
class FileSplit:
    """Byte ranges of files, in order; walked again and again, it yields the same chunks."""

    sources: Sequence[Source]
    spans: Sequence[Span]
    lf: bool = False  # turn CRLF and CR into LF

    def __iter__(self) -> Iterator[Chunk]:
        for span in self.spans:
            opened = _Opened(self.sources[span.source])
            for data in _chunks(opened, span.start, span.stop):
                yield _decode(data, self.lf), False
            if span.ends:
                yield "", True

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(span.stop - span.start for span in self.spans)

    def parts(self, size: int) -> list[FileSplit]:
        """The same in parts of at most `size` bytes each, which spell the same tokens: they are cut
        where chunks are. Short files share a part."""
        parts: list[list[Span]] = []
        room = 0
        for span in self.spans:
            for piece in self._pieces(span, size):
                length = piece.stop - piece.start
                if length > room:
                    parts.append([])
                    room = size
                parts[-1].append(piece)
                room -= length
        return [replace(self, spans=spans) for spans in parts]

    def _pieces(self, span: Span, size: int) -> Iterator[Span]:
        at = span.start
        if span.stop - at > size:
            opened = _Opened(self.sources[span.source])
            while span.stop - at > size:
                look = max(at, at + size - CHUNK_BYTES)
                cut = look + _cut(opened.read(look, at + size), opened.name)
                yield Span(span.source, at, cut, ends=False)
                at = cut
        yield replace(span, start=at)


@dataclass(frozen=True)
class LineSplit:
    """Lines, each a document, in their shuffled order. A chunk holds many, with LF between them."""

    sources: Sequence[Source]
    lines: npt.NDArray[np.uint32]  # which of all lines, in the order that they are read
    starts: npt.NDArray[np.int64]  # of all lines, in their source
    lengths: npt.NDArray[np.uint32]  # bytes, without the end of the line
    first_line: npt.NDArray[np.int64]  # of each source
    lf: bool = False

    def __iter__(self) -> Iterator[Chunk]:
        # Few files are held open; shuffled lines come from many in turn.
        opened = lru_cache(maxsize=64)(lambda source: _Opened(self.sources[source]))
        for lines in self._batches():
            found = np.searchsorted(self.first_line, lines, side="right") - 1
            starts, lengths = self.starts[lines].tolist(), self.lengths[lines].tolist()
            if len(lines) == 1:  # perhaps a long one
                for data in _chunks(opened(int(found[0])), starts[0], starts[0] + lengths[0]):
                    yield _decode(data, self.lf), False
                yield "", True
                continue
            read: list[bytes] = []
            others = np.flatnonzero(np.diff(found)) + 1  # where another source begins
            for a, b in pairwise([0, *others.tolist(), len(lines)]):
                read += opened(int(found[a])).read_each(starts[a:b], lengths[a:b])
            # A CR is no part of a CRLF here, though the line ends with it.
            text = _decode(b"\n".join(read), lf=False)
            yield text.replace("\r", "\n") if self.lf else text, True

    @property
    def size(self) -> int:
        """In bytes, the ends of the lines left out."""
        return int(self.lengths[self.lines].sum(dtype=np.int64))

    def parts(self, size: int) -> list[LineSplit]:
        """The same in parts of some `size` bytes each, longer by no more than a line."""
        tokens = self.lengths[self.lines] + np.uint32(1)  # the end of a document is one too
        read = np.cumsum(tokens, dtype=np.int64)
        stops = range(size, int(read[-1]) if len(read) else 0, size)
        cuts = np.unique(np.searchsorted(read, stops))
        return [replace(self, lines=lines) for lines in np.split(self.lines, cuts) if len(lines)]

    def _batches(self) -> Iterator[npt.NDArray[np.uint32]]:
        """Some lines at a time, together no longer than a chunk, or a single long one."""
        for at in range(0, len(self.lines), CHUNK_BYTES // 16):
            some = self.lines[at : at + CHUNK_BYTES // 16]
            read = np.cumsum(self.lengths[some], dtype=np.int64)
            while len(some):
                count = max(1, int(np.searchsorted(read, CHUNK_BYTES, side="right")))
                yield some[:count]
                read = read[count:] - read[count - 1]
                some = some[count:]


Split = FileSplit | LineSplit


def split_texts(sources: Sequence[Source], config: CorpusConfig, seed: int) -> dict[str, Split]:
    """Training, validation and test. Files are cut by position, lines shuffled (seeded) first."""
    lf = config.newlines == "lf"
    if config.documents == "line":
        return _split_lines(sources, config, seed, lf)
    total = sum(source.size for source in sources)
    train_stop, valid_stop = _cuts(total, config)
    spans: dict[str, list[Span]] = {name: [] for name in SPLITS}
    offset = 0
    for index, source in enumerate(sources):
        opened = _Opened(source)
        cuts = [_align(opened, source, cut - offset) for cut in (0, train_stop, valid_stop, total)]
        for name, (start, stop) in zip(SPLITS, pairwise(cuts), strict=True):
            if stop > start:
                spans[name].append(Span(index, start, stop, ends=stop == source.stop))
        offset += source.size
    return {name: FileSplit(sources, found, lf) for name, found in spans.items()}


def whole_text(sources: Sequence[Source], index: int) -> Iterator[str]:
    """One of the sources, from end to end, in chunks."""
    source = sources[index]
    span = Span(index, source.start, source.stop, ends=False)
    return (text for text, _ in FileSplit(sources, [span]))


def _cuts(total: int, config: CorpusConfig) -> tuple[int, int]:
    """Where, in `total` bytes, training and validation stop."""
    train_share = 1 - config.valid_fraction - config.test_fraction
    return int(total * train_share), int(total * (1 - config.test_fraction))


def _align(opened: _Opened, source: Source, position: int) -> int:
    """A place in the source's bytes at or after `position` where a character begins."""
    at = source.start + min(max(position, 0), source.size)
    for byte in opened.read(at, min(at + 4, source.stop)):
        if byte & 0xC0 != 0x80:
            break
        at += 1
    return at


def _split_lines(
    sources: Sequence[Source], config: CorpusConfig, seed: int, lf: bool
) -> dict[str, Split]:
    bounds = [_line_bounds(source) for source in sources]
    starts = np.concatenate([start for start, _ in bounds])
    lengths = np.concatenate([length for _, length in bounds])
    first_line = np.cumsum([0] + [len(start) for start, _ in bounds])
    del bounds
    order = np.arange(len(starts), dtype=np.uint32)
    np.random.default_rng(seed).shuffle(order)
    read = np.cumsum(lengths[order], dtype=np.int64)  # bytes up to the end of each line
    total = int(read[-1]) if len(read) else 0
    # However long the first line is, it is there to be trained on.
    cuts = np.maximum(np.searchsorted(read, _cuts(total, config), side="right"), 1)
    return {
        name: LineSplit(sources, lines, starts, lengths, first_line, lf)
        for name, lines in zip(SPLITS, np.split(order, cuts), strict=True)
    }


def _line_bounds(source: Source) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Where the lines of a source start, and their bytes without the newline; no empty ones."""
    opened = _Opened(source)
    newlines, after_cr, last = [], [], 0
    for at in range(source.start, source.stop, CHUNK_BYTES):
        data = np.frombuffer(opened.read(at, min(at + CHUNK_BYTES, source.stop)), dtype=np.uint8)
        found = np.flatnonzero(data == ord("\n"))
        newlines.append(found + at)
        after_cr.append(np.insert(data[:-1], 0, last)[found] == ord("\r"))
        last = int(data[-1])
    stops = np.concatenate([*newlines, np.array([source.stop])])
    with_cr = np.concatenate([*after_cr, np.array([last == ord("\r")])])
    del newlines, after_cr
    starts = np.empty_like(stops)
    starts[0], starts[1:] = source.start, stops[:-1] + 1
    stops -= (stops > starts) & with_cr  # the CR of a CRLF belongs to the end of the line
    lengths = (stops - starts).astype(np.uint32)
    full = lengths > 0
    return starts[full], lengths[full]


class _Opened:
    """A source's bytes, held open until it is let go. Raises CorpusError where they are gone."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        try:
            self._descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise CorpusError(f"cannot read {source.name}: {error.strerror}") from error
        weakref.finalize(self, os.close, self._descriptor)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise _changed(self.name)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, all of them."""
        [data] = self.read_each([start], [stop - start])
        return data

    def read_each(self, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """So many bytes from each of the `starts` on."""
        pread, descriptor = os.pread, self._descriptor  # there may be millions of lines
        places = zip(starts, lengths, strict=True)
        try:
            read = [pread(descriptor, length, start) for start, length in places]
        except OSError as error:
            raise CorpusError(f"cannot read {self.name}: {error.strerror}") from error
        if sum(map(len, read)) < sum(lengths):
            raise CorpusError(f"{self.name} became shorter while it was read")
        return read


def _chunks(opened: _Opened, at: int, stop: int) -> Iterator[bytes]:
    """The bytes from `at` to `stop`, cut where it does not show."""
    while at < stop:
        chunk = opened.read(at, min(at + CHUNK_BYTES, stop))
        if at + len(chunk) < stop:
            chunk = chunk[: _cut(chunk, opened.name)]
        yield chunk
        at += len(chunk)


def _cut(chunk: bytes, name: str) -> int:
    """How much of a chunk to take, so that what follows spells the same tokens by itself: up to the
    end of a line, else to a space, with which a subword begins, else to a character."""
    length = chunk.rfind(b"\n") + 1 or max(0, chunk.rfind(b" "))
    if not length:
        # Not at its very end, so that the next byte is known: it is no LF after a CR.
        length = len(chunk) - 1
        while length and chunk[length] & 0xC0 == 0x80:
            length -= 1
    if not length:  # it was UTF-8 when it was read first
        raise _changed(name)
    return length


def _decode(data: bytes, lf: bool) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _changed("the text") from error  # it was UTF-8 when it was read first
    return text.replace("\r\n", "\n").replace("\r", "\n") if lf else text
