"""Training, validation and test: which bytes of the texts each holds, and its text in small chunks.

Texts are split in bytes, before there are tokens, so that every tokenizer trains, and is scored,
on the same text. Memory does not grow with the text, but for some forty bytes a line where lines or
paragraphs are documents, while it is split. Knows nothing of tokens, but that a line, a space or a
character begins one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.boundaries import JOINTS, Places, find_documents
from chargen.data.sources import CHUNK_BYTES, Source, SourceReader, changed_error
from chargen.words import with_lf

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
    between = ""  # documents: nothing, as a chunk holds no more than one

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

    def __iter__(self) -> Iterator[Chunk]:
        # Few files are held open; shuffled documents come from many in turn.
        opened = lru_cache(maxsize=64)(lambda source: SourceReader(self.sources[source]))
        for some in self._batches():
            found = np.searchsorted(self.first_document, some, side="right") - 1
            starts, lengths = self.starts[some].tolist(), self.lengths[some].tolist()
            if len(some) == 1:  # perhaps a long one
                for data in _chunks(opened(int(found[0])), starts[0], starts[0] + lengths[0]):
                    yield _decode(data, self.lf), False
                yield "", True
                continue
            read: list[bytes] = []
            others = np.flatnonzero(np.diff(found)) + 1  # where another source begins
            for a, b in pairwise([0, *others.tolist(), len(some)]):
                read += opened(int(found[a])).read_each(starts[a:b], lengths[a:b])
            yield _decode(self.between.encode().join(read), self.lf), True

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


Split = FileSplit | DocumentSplit


def split_texts(sources: Sequence[Source], config: CorpusConfig, seed: int) -> dict[str, Split]:
    """Training, validation and test. Files are cut by position, shorter documents shuffled (seeded)
    first."""
    lf = config.newlines == "lf"
    if config.documents != "file":
        return _split_documents(sources, config, seed, lf)
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


def _split_documents(
    sources: Sequence[Source], config: CorpusConfig, seed: int, lf: bool
) -> dict[str, Split]:
    bounds = []
    for source in sources:
        chunks = _bytes(SourceReader(source), source.start, source.stop)
        starts, stops = find_documents(chunks, config.documents, lf=lf)
        bounds.append((starts + source.start, stops - starts))
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
    between = JOINTS[config.documents]
    return {
        name: DocumentSplit(sources, documents, starts, lengths, first_document, between, lf)
        for name, documents in zip(SPLITS, np.split(order, cuts), strict=True)
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
