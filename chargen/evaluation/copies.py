"""Copied or new? How much of a text stands word for word in the training text.

A suffix array of the training text is made once and kept in the cache; in it the longest match
from each place of a text is found by bisection, of all places at once. What common phrases make of
it is reported by the same measure on text that was held out. The only door to pydivsufsort.

Shapes: N bytes of training text, M places in the texts that are looked at.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import CheckpointMetadata, read_metadata
from chargen.data.boundaries import JOINTS
from chargen.data.cache import cache_folder, open_sources, scratch_folder
from chargen.data.finding import Paths
from chargen.data.splits import split_texts
from chargen.errors import CorpusError
from chargen.evaluation.held_out import beginning, check_same_text, find_origin

PASSAGE = 50  # characters from which a passage counts as copied
PLACES_AT_ONCE = 1 << 16
FOLLOWED = 512  # bytes that a match is followed from each of its places
HELD_OUT_CHARACTERS = 200_000  # of held-out text that are looked at

_WORD = 8  # bytes that are compared at a time
_OFFSETS = np.arange(_WORD)

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Suffixes = npt.NDArray[np.integer]


@dataclass(frozen=True)
class CopyReport:
    """How much of one text, or of several, also appears in the training text.

    `longest` is the longest passage that does. `copied_share` is the share, 0 to 1, of the
    `characters` that lie in passages of 50 characters or more. `wholes` of the `texts` are copied
    from beginning to end: as a passage if documents are files; as a document of any length if
    documents are lines or paragraphs, and then all of its characters count as copied.
    """

    characters: int
    longest: str
    copied_share: float
    texts: int = 1
    wholes: int = 0

    def as_dict(self) -> dict[str, object]:
        """As `chargen sample --check-copies --json` prints it."""
        return {
            "characters": self.characters,
            "longest_copy": len(self.longest),
            "longest_copy_text": self.longest,
            "copied_share": self.copied_share,
            "copied_whole": self.wholes == self.texts,
        }


class CopyIndex:
    """A training text, indexed for search, and some text that was held out from it."""

    def __init__(
        self, text: str, held_out: str = "", *, documents: str = "file", cached: bool = True
    ) -> None:
        """Where the `documents` are lines or paragraphs, what separates them stands between them in
        both texts. Raises CorpusError where the text is empty or the package for it is missing."""
        if not text:
            raise CorpusError("the training text is empty", hint="nothing can be copied from it")
        self.documents, self._joint = documents, JOINTS.get(documents, "")
        self._indexed = f"{self._joint}{text}{self._joint}".encode()
        self._padded, self._size = _padded(self._indexed), len(self._indexed)
        self._suffixes = _suffixes(self._indexed, cached)
        self._held_out = held_out

    def check(self, text: str, prompt: str = "") -> CopyReport:
        """How much of a text, which continues the prompt, is copied."""
        [report] = self.check_all([text], prompt)
        return report

    def check_all(self, texts: Sequence[str], prompt: str = "") -> list[CopyReport]:
        """How much of each text is copied; all continue the same prompt. No passage reaches from
        one text into the next."""
        # Half a character, a lone surrogate, stands in no text.
        encoded = [text.encode(errors="replace") for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        query = b"".join(encoded)
        lengths = self._matches(query, np.repeat(ends, [len(text) for text in encoded]))
        reports = []
        wholes = self._are_wholes(texts, prompt)
        for text, end, whole in zip(encoded, ends.tolist(), wholes, strict=True):
            report = _report(query[end - len(text) : end], lengths[end - len(text) : end])
            # A short document is copied though it is no long passage.
            share = 1.0 if whole and self._joint else report.copied_share
            reports.append(replace(report, copied_share=share, wholes=int(whole)))
        return reports

    def _are_wholes(self, texts: Sequence[str], prompt: str) -> list[bool]:
        """Which of the texts stand in the training text from beginning to end: as a passage, or,
        where its documents are short, as one of them, with the prompt that it begins with."""
        if self._joint:
            texts = [prompt + text for text in texts]
        sought = [f"{self._joint}{text}{self._joint}" for text in texts]
        encoded = [text.encode(errors="replace") for text in sought]
        sizes = np.array([len(text) for text in encoded], dtype=np.int64)
        found = self._longest(_padded(b"".join(encoded)), np.cumsum(sizes) - sizes, sizes)
        least = 1 if self._joint else PASSAGE  # a word of a long text is no copy of it
        return [
            len(text) >= least and whole for text, whole in zip(texts, found == sizes, strict=True)
        ]

    def held_out(self, length: int) -> CopyReport | None:
        """The same for held-out text, which cannot have been copied: what any text has in common
        with the training text. It is taken in pieces of `length` characters, or by its documents if
        these are lines or paragraphs. None if nothing was held out."""
        length, left = max(1, length), self._held_out
        texts = [left[at : at + length] for at in range(0, len(left), length)]
        if self._joint:
            texts = [text for text in left.split(self._joint) if text]
        return together(self.check_all(texts)) if texts else None

    def _matches(self, query: bytes, ends: Integers) -> Integers:
        """From each of (M,) places, the length in bytes of the longest match, which does not go
        beyond the place's end."""
        padded = _padded(query)
        lengths = np.zeros(len(query), dtype=np.int64)
        most = ends - np.arange(len(query))
        for start in range(0, len(query), PLACES_AT_ONCE):
            places = np.arange(start, min(start + PLACES_AT_ONCE, len(query)))
            lengths[places] = self._longest(padded, places, np.minimum(most[places], FOLLOWED))
        # A long passage would be followed from each of its places. It is enough to know where they
        # all go on, and to look once whether the whole stands there.
        [long] = np.nonzero(lengths >= FOLLOWED)
        breaks = np.flatnonzero((np.diff(long) > 1) | (np.diff(ends[long]) > 0)) + 1
        for run in np.split(long, breaks):
            if not len(run):
                continue
            if query[run[0] : run[-1] + FOLLOWED] in self._indexed:
                lengths[run] = run[-1] + FOLLOWED - run
            else:  # it is several passages that overlap
                lengths[run] = self._longest(padded, run, most[run])
        return lengths

    def _longest(self, query: Bytes, places: Integers, most: Integers) -> Integers:
        """The lengths of the longest matches from each place, at `most` so many bytes.

        Eight bytes are compared at a time, as one number. The suffixes that agree with a place so
        far are a range in their order; in it the next eight bytes are bisected. Where none agrees
        with all of the eight, the longest match is with a neighbour of where they would stand.
        """
        longest = np.zeros(len(places), dtype=np.int64)
        active = np.arange(len(places))
        low = np.zeros(len(places), dtype=np.int64)
        high = np.full(len(places), self._size, dtype=np.int64)
        depth = 0
        while len(active):
            wanted = _words(query, np.minimum(places[active] + depth, len(query) - _WORD))
            first = self._bisect(wanted, low, high, depth, after=False)
            last = self._bisect(wanted, first, high, depth, after=True)
            found = last > first
            for beside, there in ((first - 1, first > low), (first, first < high)):
                lost = np.flatnonzero(~found & there)
                equal = _equal_bytes(self._word(beside[lost], depth), wanted[lost])
                rows = active[lost]
                longest[rows] = np.maximum(longest[rows], depth + equal)
            depth += _WORD
            longest[active[found]] = depth
            goes_on = found & (most[active] > depth)
            active, low, high = active[goes_on], first[goes_on], last[goes_on]
        return np.minimum(longest, most)

    def _bisect(
        self, wanted: Words, low: Integers, high: Integers, depth: int, after: bool
    ) -> Integers:
        """In each range of the suffixes, the first whose bytes at `depth` are not before the
        wanted ones; or, with `after`, the first whose bytes are after them."""
        low, high = low.copy(), high.copy()
        open_ = np.flatnonzero(low < high)
        while len(open_):
            middle = (low[open_] + high[open_]) // 2
            there = self._word(middle, depth)
            before = there <= wanted[open_] if after else there < wanted[open_]
            low[open_[before]] = middle[before] + 1
            high[open_[~before]] = middle[~before]
            open_ = open_[low[open_] < high[open_]]
        return low

    def _word(self, ranks: Integers, depth: int) -> Words:
        """Eight bytes of each of these suffixes; beyond the end of the text they are 0."""
        places = self._suffixes[ranks].astype(np.int64) + depth
        return _words(self._padded, np.minimum(places, self._size))


def _padded(text: bytes) -> Bytes:
    """The bytes, each one higher, and zeros: what lies beyond the end is no byte of a text (UTF-8
    goes up to 244)."""
    return np.append(np.frombuffer(text, dtype=np.uint8) + np.uint8(1), np.zeros(_WORD, np.uint8))


def _words(text: Bytes, places: Integers) -> Words:
    """The eight bytes from each place as a number that is ordered as they are."""
    words: Words = text[places[:, None] + _OFFSETS].view(">u8")[:, 0].astype(np.uint64)
    return words


def _equal_bytes(some: Words, others: Words) -> Integers:
    """How many bytes two words have in common from their beginning."""
    pairs = [words.astype(">u8")[:, None].view(np.uint8) for words in (some, others)]
    equal: Integers = (pairs[0] == pairs[1]).cumprod(axis=1).sum(axis=1)
    return equal


def _report(text: bytes, lengths: Integers) -> CopyReport:
    """The report on a text from the longest match at each of its bytes, in whole characters."""
    places = np.arange(len(text))
    begins = np.frombuffer(text, dtype=np.uint8) & 0xC0 != 0x80  # a character, at this byte
    count = np.concatenate([[0], begins.cumsum()])  # of characters that begin before each byte
    starts = np.append(places[begins], len(text))  # of each character
    stops = places + lengths
    inside = ~np.append(begins, True)[stops]  # the match stops in the midst of a character
    characters = (count[stops] - count[:-1] - inside) * begins
    covered = np.zeros(len(starts), dtype=np.int64)
    long = np.flatnonzero(characters >= PASSAGE)
    np.add.at(covered, count[long], 1)
    np.add.at(covered, count[long] + characters[long], -1)
    copied = int(np.count_nonzero(covered[:-1].cumsum()))
    longest = ""
    if len(text):
        first = int(characters.argmax())
        longest = text[first : starts[count[first] + characters[first]]].decode()
    total = len(starts) - 1
    return CopyReport(total, longest, copied / total if total else 0.0)


def together(reports: Sequence[CopyReport]) -> CopyReport:
    """One report on several texts: the longest passage of all, the share of all characters."""
    characters = sum(report.characters for report in reports)
    copied = sum(report.characters * report.copied_share for report in reports)
    longest = max((report.longest for report in reports), key=len, default="")
    return CopyReport(
        characters,
        longest,
        copied / characters if characters else 0.0,
        sum(report.texts for report in reports),
        sum(report.wholes for report in reports),
    )


def open_copies(checkpoint: str | os.PathLike[str], text: Paths | None = None) -> CopyIndex:
    """The index of the text that a checkpoint was trained on: the `text` that is given, or else the
    file where the run read it, or one of that name here or in `corpora`.

    Raises CheckpointError; CorpusError if the text is missing or is not the same.
    """
    return index_of(read_metadata(require_checkpoint(checkpoint)), text)


def index_of(metadata: CheckpointMetadata, text: Paths | None = None) -> CopyIndex:
    """The same for a model that is loaded already, by what its checkpoint says. Raises
    CorpusError."""
    paths = find_origin(metadata) if text is None else text
    with open_sources(paths, metadata.corpus_options) as texts:
        check_same_text(metadata, texts.identity)
        splits = split_texts(texts.sources, metadata.corpus_options, metadata.training.seed)
        training = beginning([splits["train"]])
        held_out = beginning([splits["valid"], splits["test"]], HELD_OUT_CHARACTERS)
    return CopyIndex(training, held_out, documents=metadata.corpus_options.documents)


def _suffixes(text: bytes, cached: bool) -> Suffixes:
    """The starts of all suffixes of the text in their order, kept in the cache."""
    try:
        from pydivsufsort import divsufsort
    except ImportError:
        raise CorpusError(
            "looking for copies needs the package pydivsufsort",
            hint="pip install 'chargen[copies]'",
        ) from None
    suffixes: Suffixes
    folder = None
    if cached:
        with suppress(CorpusError):  # where none can be written, it is made each time
            folder = cache_folder()
    if folder is None:
        suffixes = divsufsort(text)
        return suffixes
    path = folder / f"suffixes-{hashlib.sha256(text).hexdigest()[:32]}.npy"
    with suppress(OSError, ValueError, EOFError):
        suffixes = np.load(path, mmap_mode="r", allow_pickle=False)
        if suffixes.shape == (len(text),) and suffixes.dtype.kind == "i":
            return suffixes
    suffixes = divsufsort(text)
    with suppress(OSError), scratch_folder() as beside:
        with open(beside / "suffixes.npy", "wb") as file:
            np.save(file, suffixes)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside / "suffixes.npy", path)
    return suffixes
