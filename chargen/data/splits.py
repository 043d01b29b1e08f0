"""Training, validation and test: which bytes of the texts each holds, and its text in small chunks.

Texts are split in bytes, before there are tokens, so that every tokenizer trains, and is scored,
on the same text. Memory does not grow with the text, but for some forty bytes a line where lines or
paragraphs are documents, while it is split. Knows nothing of tokens, but that a line, a space or a
character begins one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, pairwise
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.boundaries import JOINTS, Places, find_documents
from chargen.data.sources import CHUNK_BYTES, Source, SourceReader, changed_error
from chargen.words import with_lf

SPLITS = ("train", "valid", "test")


class Chunk(NamedTuple):
    """Some text, and whether a document ends with it. Where it holds many documents that may hold
    anything, (n,) `breaks` are the places, in its UTF-8, of the newlines that stand between them.
    """

    text: str
    ends: bool
    breaks: Places | None = None


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
    between = ""  # documents: nothing, as a chunk holds no more than one

    def __iter__(self) -> Iterator[Chunk]:
        for span in self.spans:
            opened = SourceReader(self.sources[span.source])
            for data in _chunks(opened, span.start, span.stop):
                yield Chunk(_decode(data, self.lf), False)
            if span.ends:
                yield Chunk("", True)

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
class DocumentSplit:
    """Lines or paragraphs, each a document, in their shuffled order. A chunk holds many, with
    something `between` them."""

    sources: Sequence[Source]
    documents: npt.NDArray[np.unsignedinteger]  # which of all, in the order that they are read
    starts: Places  # of all documents, in their source
    lengths: Places  # of all documents, in bytes
    first_document: Places  # of each source
    between: str
    lf: bool = False
    unbroken: ClassVar[Places | None] = None  # the breaks of a chunk of one document

    def __iter__(self) -> Iterator[Chunk]:
        # Few files are held open; shuffled documents come from many in turn.
        opened = lru_cache(maxsize=64)(lambda source: SourceReader(self.sources[source]))
        for some in self._batches():
            found = np.searchsorted(self.first_document, some, side="right") - 1
            starts, lengths = self.starts[some].tolist(), self.lengths[some].tolist()
            if len(some) == 1:  # perhaps a long one
                for data in _chunks(opened(int(found[0])), starts[0], starts[0] + lengths[0]):
                    yield Chunk(_decode(data, self.lf), False, self.unbroken)
                yield Chunk("", True)
                continue
            read: list[bytes] = []
            others = np.flatnonzero(np.diff(found)) + 1  # where another source begins
            for a, b in pairwise([0, *others.tolist(), len(some)]):
                read += opened(int(found[a])).read_each(starts[a:b], lengths[a:b])
            yield self._joined(read)

    def _joined(self, documents: Sequence[bytes]) -> Chunk:
        return Chunk(_decode(self.between.encode().join(documents), self.lf), True)

    @property
    def size(self) -> int:
        """In bytes, what is between documents left out."""
        return int(self.lengths[self.documents].sum())

    def parts(self, size: int) -> list[DocumentSplit]:
        """The same in parts of some `size` bytes each, longer by no more than a document."""
        read = np.cumsum(self.lengths[self.documents] + 1)  # the end of a document is a token too
        stops = range(size, int(read[-1]) if len(read) else 0, size)
        cuts = np.unique(np.searchsorted(read, stops))
        parts = np.split(self.documents, cuts)
        return [replace(self, documents=part) for part in parts if len(part)]

    def _batches(self) -> Iterator[npt.NDArray[np.unsignedinteger]]:
        """Some documents at a time, together no longer than a chunk, or a single long one."""
        for at in range(0, len(self.documents), CHUNK_BYTES // 16):
            some = self.documents[at : at + CHUNK_BYTES // 16]
            read = np.cumsum(self.lengths[some])
            while len(some):
                count = max(1, int(np.searchsorted(read, CHUNK_BYTES, side="right")))
                yield some[:count]
                read = read[count:] - read[count - 1]
                some = some[count:]


@dataclass(frozen=True)
class RecordSplit(DocumentSplit):
    """Documents that a reader found, in their shuffled order: they may hold anything, newlines as
    well, so that a chunk tells where those stand that are between them."""

    unbroken: ClassVar[Places | None] = np.empty(0, dtype=np.int64)

    def _joined(self, documents: Sequence[bytes]) -> Chunk:
        if self.lf:  # each by itself: one may end with CR, and the next begin with LF
            documents = [_decode(data, lf=True).encode() for data in documents]
        text = _decode(self.between.encode().join(documents), lf=False)
        stops = np.cumsum([len(data) + 1 for data in documents], dtype=np.int64)
        return Chunk(text, True, stops[:-1] - 1)


@dataclass(frozen=True)
class JointSplit:
    """Documents that a reader found, then files, the last of which may go on in another split."""

    splits: Sequence[FileSplit | DocumentSplit]

    def __iter__(self) -> Iterator[Chunk]:
        return chain.from_iterable(self.splits)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(split.size for split in self.splits)

    def parts(self, size: int) -> list[FileSplit | DocumentSplit]:
        """Parts of each of them, of some `size` bytes."""
        return [part for split in self.splits for part in split.parts(size)]


Part = FileSplit | DocumentSplit
Split = Part | JointSplit


def split_texts(sources: Sequence[Source], config: CorpusConfig, seed: int) -> dict[str, Split]:
    """Training, validation and test. Files are cut by position; shorter documents, those asked for
    and those that a reader found, are shuffled (seeded) first."""
    lf = config.newlines == "lf"
    if config.documents != "file":
        return {**_shuffled(sources, _found_documents(sources, config), config, seed, lf)}
    records = [source for source in sources if source.ends is not None]
    if not records:
        return {**_by_position(sources, config, lf)}
    shuffled = _shuffled(records, map(_bounds, records), config, seed, lf)
    shares = (1.0, config.valid_fraction, config.test_fraction)
    if any(share and not shuffled[name].size for name, share in zip(SPLITS, shares, strict=True)):
        return {**_by_position(sources, config, lf)}  # they are too few, or one is too long
    files = [source for source in sources if source.ends is None]
    if not files:
        return {**shuffled}
    cut = _by_position(files, config, lf)
    return {name: JointSplit([shuffled[name], cut[name]]) for name in SPLITS}


def whole_texts(sources: Iterable[Source]) -> Iterator[Iterator[str]]:
    """The documents of the sources, each from end to end, in chunks."""
    for source in sources:
        opened = SourceReader(source)
        for start, length in zip(*_bounds(source), strict=True):
            chunks = _chunks(opened, int(start), int(start + length))
            yield (_decode(data, lf=False) for data in chunks)


def _bounds(source: Source) -> tuple[Places, Places]:
    """(N,) where the documents of a source start in its bytes, and how long they are."""
    if source.ends is None:
        return np.array([source.start]), np.array([source.size])
    starts = np.insert(source.ends[:-1], 0, source.start)
    return starts, source.ends - starts


def _by_position(sources: Sequence[Source], config: CorpusConfig, lf: bool) -> dict[str, FileSplit]:
    total = sum(source.size for source in sources)
    train_stop, valid_stop = _cuts(total, config)
    spans: dict[str, list[Span]] = {name: [] for name in SPLITS}
    offset = 0
    for index, source in enumerate(sources):
        opened = SourceReader(source)
        cuts = [_align(opened, source, cut - offset) for cut in (0, train_stop, valid_stop, total)]
        ends = [source.stop] if source.ends is None else source.ends.tolist()
        ending = set(ends)
        for name, (start, stop) in zip(SPLITS, pairwise(cuts), strict=True):
            within = ends[bisect_right(ends, start) : bisect_left(ends, stop)]
            for a, b in pairwise([start, *within, stop]):
                if b > a:
                    spans[name].append(Span(index, a, b, ends=b in ending))
        offset += source.size
    return {name: FileSplit(sources, found, lf) for name, found in spans.items()}


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


def _found_documents(
    sources: Sequence[Source], config: CorpusConfig
) -> Iterator[tuple[Places, Places]]:
    """Where the lines or paragraphs of each source start in its bytes, and how long they are."""
    for source in sources:
        chunks = _bytes(SourceReader(source), source.start, source.stop)
        starts, stops = find_documents(chunks, config.documents, lf=config.newlines == "lf")
        yield starts + source.start, stops - starts


def _shuffled(
    sources: Sequence[Source],
    documents: Iterable[tuple[Places, Places]],
    config: CorpusConfig,
    seed: int,
    lf: bool,
) -> dict[str, DocumentSplit]:
    bounds = list(documents)
    starts = np.concatenate([start for start, _ in bounds])
    lengths = np.concatenate([length for _, length in bounds])
    first_document = np.cumsum([0] + [len(start) for start, _ in bounds])
    del bounds
    numbers = np.uint32 if len(starts) < 1 << 32 else np.uint64
    order: npt.NDArray[np.unsignedinteger] = np.arange(len(starts), dtype=numbers)
    np.random.default_rng(seed).shuffle(order)
    read = np.cumsum(lengths[order])  # bytes up to the end of each document
    total = int(read[-1]) if len(read) else 0
    # However long the first document is, it is there to be trained on.
    cuts = np.maximum(np.searchsorted(read, _cuts(total, config), side="right"), 1)
    shape = RecordSplit if config.documents == "file" else DocumentSplit
    between = JOINTS.get(config.documents, "\n")
    return {
        name: shape(sources, chosen, starts, lengths, first_document, between, lf)
        for name, chosen in zip(SPLITS, np.split(order, cuts), strict=True)
    }


def _bytes(opened: SourceReader, at: int, stop: int) -> Iterator[bytes]:
    """The bytes from `at` to `stop`, cut anywhere."""
    for start in range(at, stop, CHUNK_BYTES):
        yield opened.read(start, min(start + CHUNK_BYTES, stop))


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
    end of a line, else to a space, with which a subword or a word begins, else to a character."""
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
    return with_lf(text) if lf else text
