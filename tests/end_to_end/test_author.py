"""The author of the bundled text, and its reader: what one writes the other reads, and no more."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "corpora"))

from author.facts import Facts, read_asked
from author.lexicon import Lexicon
from author.reader import Reader, is_read

facts = Facts(random.Random(3), Lexicon())
reader = Reader(facts.templates())


@pytest.fixture(autouse=True)
def the_same_texts_whatever_ran_before() -> None:
    facts.rng.seed(3)


def holds(line: str) -> bool:
    return is_read(line, reader) and all(reading.holds for reading in reader.read(line))


def test_what_is_written_is_read_and_holds() -> None:
    for document in random.Random(3).sample(list(facts.documents(read_asked())), 200):
        for line in document.split("\n"):
            assert holds(line), line


def test_portraits_and_riddles_are_read() -> None:
    known = [word for word in facts.lexicon.words if len(facts.properties(word, "it")) >= 3]
    for _ in range(30):
        for line in (facts.portrait(facts.pick(known)), facts.riddle(facts.pick(known))):
            assert is_read(line, reader), line


@pytest.mark.parametrize(
    "line",
    [
        "The color of a banana is red.",
        "A cow says quack.",
        "After Monday comes Thursday.",
        "Two plus two is five.",
        "Is a banana blue? Yes, it is.",
        "Does a cow say moo? No, it says quack.",
        "An ant is bigger than a mouse.",
        "The capital of France is Rome.",
    ],
)
def test_what_is_wrong_is_read_and_does_not_hold(line: str) -> None:
    assert is_read(line, reader)
    assert not all(reading.holds for reading in reader.read(line))


@pytest.mark.parametrize(
    "line", ["A cow sas moo.", "A cow moo says.", "A owl says hoot.", "Cow moo."]
)
def test_what_nobody_would_write_is_not_read(line: str) -> None:
    assert not is_read(line, reader)


def test_a_damaged_text_falls() -> None:
    rng = random.Random(5)
    lines = [line for document in facts.documents(read_asked()) for line in document.split("\n")]
    lines = [line for line in rng.sample(lines, 300) if re.search(r"[a-z]{3}", line)]
    damaged = []
    for line in lines:
        place = rng.choice([found.start() for found in re.finditer(r"[a-z]", line)])
        damaged.append(f"{line[:place]}q{line[place:]}")
    assert sum(map(holds, damaged)) <= 0.01 * len(damaged)


@pytest.mark.parametrize("property", read_asked())
def test_what_is_left_out_is_told_in_eight_other_wordings(property: str) -> None:
    asked = read_asked()[property]
    wordings: dict[str, set[str]] = {key: set() for key in asked.left_out}
    for telling in facts.told(property, asked):
        wordings.get(telling.word.key, set()).add(telling.wording)
    for key, told in wordings.items():
        assert len(told - {f"{asked.prompt} {asked.answer}."}) >= 8, key
        assert f"{asked.prompt} {asked.answer}." not in told
