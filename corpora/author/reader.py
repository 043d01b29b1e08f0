"""Reads what the author writes: which wording a sentence comes from, and with which words.

A wording is matched part by part. Read strictly, all slots of one name stand for the same word, and
what is told of it is what the tables say; read loosely, each slot stands for any word that could
stand in it, so that a sentence can be well made and wrong. Case does not count, a or an does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import product
from string import Formatter
from typing import NamedTuple

from author.lexicon import Word, articles

AN = re.compile(r"\b([Aa])n (?=(?!uni|use|one\b)[aeiou]|hour|[AEIO][a-z])|\b(A)N (?=[AEIOU][A-Z])")
FIRST = re.compile(r"\w+|[^\w\s]")
WORD = re.compile(r"\b[a-z]{2,}\b")
END = re.compile(r'(?i:(?<!\bmr)(?<!\bmrs)\.|[?!])"?(?=\s|$)')
Bound = Mapping[str, frozenset[int]]


def without_an(text: str) -> str:
    """The text with a for an."""
    return AN.sub(lambda found: f"{found[1] or found[2]} ", text)


def plain(text: str) -> str:
    """The text with a for an, in small letters."""
    return without_an(text).lower()


def is_written_well(text: str) -> bool:
    """Whether a and an stand where they should."""
    return articles(without_an(text)) == text


class Slot(NamedTuple):
    name: str
    path: str  # to what is told of the word
    spec: str


class Domain:
    """The words that a slot can stand for, by how they are spelled in it."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.spelled = cache(self._spelled)

    def _spelled(self, path: str, spec: str) -> dict[str, list[tuple[str, frozenset[int]]]]:
        found: dict[str, set[int]] = {}
        for index, word in self._told(path, spec).items():
            found.setdefault(plain(format(word, spec)), set()).add(index)
        starting: dict[str, list[tuple[str, frozenset[int]]]] = {}
        for text, indices in sorted(found.items(), key=lambda item: -len(item[0])):
            first = FIRST.match(text)
            assert first, text
            starting.setdefault(first[0], []).append((text, frozenset(indices)))
        return starting

    def texts(self, path: str, spec: str) -> list[str]:
        """How its words are spelled there."""
        return [format(word, spec) for word in self._told(path, spec).values()]

    def _told(self, path: str, spec: str) -> dict[int, Word]:
        found = {}
        for index, word in enumerate(self.words):
            with suppress(AttributeError):
                for name in filter(None, path.split(".")):
                    word = getattr(word, name)
                if "s" not in spec or word.counted:
                    found[index] = word
        return found

    def at(self, text: str, start: int, slot: Slot) -> Iterator[tuple[int, frozenset[int]]]:
        """Where words end that are spelled from `start` on, and which they can be."""
        first = FIRST.match(text, start)
        if first:
            for spelled, indices in self.spelled(slot.path, slot.spec).get(first[0], []):
                if text.startswith(spelled, start):
                    end = start + len(spelled)
                    if end == len(text) or not text[end].isalnum():
                        yield end, indices


@dataclass(frozen=True, eq=False)
class Template:
    """A wording, and what can stand in its slots."""

    kind: str  # of text, as "fact"
    section: str
    wording: str
    strict: Mapping[str, Domain]
    loose: Mapping[str, Domain]
    fits: Callable[[Mapping[str, Word]], bool] = lambda words: True
    judged: bool = True  # or it holds with any words
    parts: tuple[str | Slot, ...] = field(init=False)

    def __post_init__(self) -> None:
        parts: list[str | Slot] = []
        for literal, name, spec, _ in Formatter().parse(self.wording):
            if literal:
                parts.append(plain(literal))
            if name is not None:
                head, _, path = name.partition(".")
                parts.append(Slot(head, path, (spec or "").replace("t", "").replace("u", "")))
        object.__setattr__(self, "parts", tuple(parts))

    @cached_property
    def slots(self) -> list[Slot]:
        return [part for part in self.parts if isinstance(part, Slot)]

    @cached_property
    def literal(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    @cached_property
    def tells(self) -> bool:
        """Whether it says something that the tables know."""
        about_x = any(slot.name == "x" and slot.path for slot in self.slots)
        return self.judged and self.kind in ("fact", "question") and about_x

    @cached_property
    def names(self) -> bool:
        """Whether it says what it is about."""
        return any(slot.name == "x" and not slot.path for slot in self.slots)

    def match(self, text: str, start: int, strictly: bool) -> Iterator[tuple[int, Bound]]:
        domains = self.strict if strictly else self.loose
        return self._match(text, start, 0, {}, domains, strictly)

    def _match(
        self,
        text: str,
        start: int,
        index: int,
        bound: Bound,
        domains: Mapping[str, Domain],
        strictly: bool,
    ) -> Iterator[tuple[int, Bound]]:
        if index == len(self.parts):
            yield start, bound
            return
        part = self.parts[index]
        if isinstance(part, str):
            if text.startswith(part, start):
                yield from self._match(text, start + len(part), index + 1, bound, domains, strictly)
            return
        domain = domains.get(part.name) or domains[part.name.rstrip("0123456789")]
        for end, indices in domain.at(text, start, part):
            if strictly:
                indices = bound.get(part.name, indices) & indices
                if not indices:
                    continue
            now = {**bound, part.name: indices}
            yield from self._match(text, end, index + 1, now, domains, strictly)

    def assignments(self, bound: Bound) -> Iterator[dict[str, Word]]:
        """The words that the slots can stand for together, read strictly."""
        words = {
            name: [
                (self.strict.get(name) or self.strict[name.rstrip("0123456789")]).words[index]
                for index in sorted(indices)
            ]
            for name, indices in bound.items()
        }
        for chosen in product(*words.values()):
            if len(set(chosen)) == len(chosen):
                assigned = dict(zip(words, chosen, strict=True))
                if self.fits(assigned):
                    yield assigned


@dataclass(frozen=True)
class Reading:
    """A stretch of a line that a wording wrote, and the words in its slots if it holds."""

    start: int
    end: int
    template: Template
    words: tuple[dict[str, Word], ...]  # what the slots can stand for; empty if it is wrong
    vague: "Reading | None" = None  # as a fact about what "it" is, if it can be read so, too

    @property
    def holds(self) -> bool:
        return bool(self.words)

    @property
    def is_clear(self) -> bool:
        """Whether it tells no fact, or says of what."""
        return self.template.names or not self.template.tells


def merged(readings: Sequence[Reading]) -> Reading:
    """One for several of the same stretch: the best; and of those that only say "it" all words."""
    clear = [reading for reading in readings if reading.is_clear]
    vague = [reading for reading in readings if not reading.is_clear]
    if clear:  # "No." is no word's opposite
        vague = [reading for reading in vague if any(map(str.isalpha, reading.template.literal))]
    if vague:
        words = tuple(words for reading in vague for words in reading.words)
        vague = [replace(max(vague, key=lambda reading: reading.holds), words=words)]
    if not clear:
        return vague[0]
    best = max(clear, key=lambda reading: (reading.holds, any(reading.words)))
    if vague and vague[0].holds and not (best.holds and best.template.judged):
        return replace(best, vague=vague[0]) if best.holds else vague[0]
    return best


class Reader:
    """Knows many wordings, and finds those that wrote a line."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self.templates = list(templates)
        seen: dict[str, int] = {}
        literals = []
        for template in self.templates:
            text = "".join(part if isinstance(part, str) else "_" for part in template.parts)
            words = set(WORD.findall(text))
            literals.append(words)
            for word in words:
                seen[word] = seen.get(word, 0) + 1
        self.wordless: list[Template] = []
        self.with_word: dict[str, list[Template]] = {}
        for template, words in zip(self.templates, literals, strict=True):
            if words:
                rarest = min(words, key=lambda word: (seen[word], word))
                self.with_word.setdefault(rarest, []).append(template)
            else:
                self.wordless.append(template)
        self.read = cache(self._read)

    def candidates(self, text: str) -> list[Template]:
        words = set(WORD.findall(text))
        found = [template for word in sorted(words) for template in self.with_word.get(word, ())]
        return found + self.wordless

    def at(self, text: str, start: int, candidates: Iterable[Template]) -> Iterator[Reading]:
        """The wordings that stand in the text from `start` to the end of a sentence."""
        for template in candidates:
            ends: dict[int, list[dict[str, Word]]] = {}
            for end, _ in template.match(text, start, strictly=False):
                if end == len(text) or END.search(text, max(end - 2, 0), end + 1):
                    ends.setdefault(end, [])
            if ends:
                for end, bound in template.match(text, start, strictly=True):
                    if end in ends:
                        ends[end] += template.assignments(bound)
            for end, words in ends.items():
                if not template.judged:
                    words = words or [{}]
                yield Reading(start, end, template, tuple(words))

    def _read(self, line: str) -> tuple[Reading, ...]:
        """How the most of a line can be read, and of that the most as it holds."""
        text = plain(line)
        candidates = self.candidates(text)
        starts = [0, *(found.end() + 1 for found in END.finditer(text) if found.end() < len(text))]
        # From the last start to the first: letters read, of them letters that hold, the readings.
        best: dict[int, tuple[int, int, tuple[Reading, ...]]] = {len(text): (0, 0, ())}
        best[len(text) + 1] = best[len(text)]
        for place in range(len(starts) - 1, -1, -1):
            start = starts[place]
            after = starts[place + 1] if place + 1 < len(starts) else len(text)
            options = [best[after]]
            found: dict[int, list[Reading]] = {}
            for reading in self.at(text, start, candidates):
                found.setdefault(reading.end, []).append(reading)
            for reading in map(merged, found.values()):
                rest = best.get(reading.end + 1)
                if rest is not None:
                    size = reading.end - start
                    options.append(
                        (size + rest[0], size * reading.holds + rest[1], (reading, *rest[2]))
                    )
            best[start] = max(options, key=lambda option: option[:2])
        return best[starts[0]][2]


def is_read(line: str, reader: Reader) -> bool:
    """Whether the whole line is what some wordings write."""
    readings = reader.read(line)
    return bool(readings) and is_written_well(line) and length(readings) == len(plain(line))


def length(readings: Sequence[Reading]) -> int:
    """How many characters of a line they are."""
    return sum(reading.end - reading.start for reading in readings) + len(readings) - 1
