"""Training, validation and test: which bytes of the texts each holds, and its text in small chunks.

Texts are split in bytes, before there are tokens, so that every tokenizer trains, and is scored,
on the same text. Memory does not grow with the text, but for some forty bytes a line where lines
are documents, while it is split. Knows nothing of tokens, but that a line, a space or a character
begins one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.sources import CHUNK_BYTES, Source, SourceReader, changed_error

Chunk = tuple[str, bool]  # some text, and whether a document ends with it

SPLITS = ("train", "valid", "test")


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
            opened = SourceReader(self.sources[span.source])
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
            opened = SourceReader(self.sources[span.source])
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
        opened = lru_cache(maxsize=64)(lambda source: SourceReader(self.sources[source]))
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
        opened = SourceReader(source)
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


def _align(opened: SourceReader, source: Source, position: int) -> int:
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
    opened = SourceReader(source)
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


def _chunks(opened: SourceReader, at: int, stop: int) -> Iterator[bytes]:
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
        raise changed_error(name)
    return length


def _decode(data: bytes, lf: bool) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise changed_error("the text") from error  # it was UTF-8 when it was read first
    return text.replace("\r\n", "\n").replace("\r", "\n") if lf else text
