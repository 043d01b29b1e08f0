"""Stories and small forms of the bundled text: what is written is known again, damage is seen."""

from __future__ import annotations

import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "corpora"))

from author.kept import Kept
from author.lexicon import Lexicon
from author.pieces import FORMS, Pieces
from author.reader import Reader, is_read
from author.stories import Stories

stories = Stories(random.Random(3), Lexicon())
pieces = Pieces(random.Random(3), Lexicon())
tales = [stories.tale(plot) for plot in stories.plots for _ in range(4)]


@pytest.fixture(autouse=True)
def the_same_texts_whatever_ran_before() -> None:
    pieces.rng.seed(3)
    pieces.told.clear()


def test_every_story_keeps_its_hero_place_and_pronouns() -> None:
    for tale in tales:
        assert stories.check_story(tale), tale


def test_a_story_that_changes_its_hero_place_or_pronouns_does_not_pass() -> None:
    passed = {"hero": 0, "place": 0, "pronouns": 0}
    for tale in tales:
        title, told = tale.split("\n")
        hero, _, place, he = stories.hero_of(told) or ("", "", "", "")
        half = len(told) // 2
        first, second = told[:half], told[half:]
        other = {"he": "she", "she": "he", "it": "he"}[he]
        changed = {
            "hero": second.replace(hero, "Emma" if hero != "Emma" else "Ben"),
            "place": second.replace(place, "in the zoo" if place != "in the zoo" else "at school"),
            "pronouns": re.sub(rf"\b{he}\b", other, second),
        }
        for what, text in changed.items():
            passed[what] += text != second and bool(stories.check_story(f"{title}\n{first}{text}"))
    assert all(count <= 0.05 * len(tales) for count in passed.values()), passed


def test_every_story_is_read() -> None:
    reader = Reader(stories.templates())
    for tale in tales:
        assert is_read(tale.split("\n")[1], reader), tale


@pytest.mark.parametrize("form", FORMS)
def test_every_small_form_is_read_and_holds(form: str) -> None:
    reader = Reader(pieces.templates())
    for text in pieces.some(form, 20):
        for line in text.split("\n"):
            assert is_read(line, reader), line
            assert all(reading.holds for reading in reader.read(line)), line


def test_every_verse_rhymes_and_halves_of_two_do_not() -> None:
    verses = list(pieces.some("verse", 100)) + list(pieces.some("counting", 30))
    assert all(map(pieces.rhymes, verses))
    lines = [verse.split("\n") for verse in verses]
    mixed = [f"{one[0]}\n{two[1]}" for one, two in pairwise(lines)]
    assert sum(map(pieces.rhymes, mixed)) <= 0.2 * len(mixed)


@pytest.mark.parametrize("form", ["letter", "postcard", "diary", "forecast", "riddle", "likes"])
def test_small_forms_keep_what_they_began_with(form: str) -> None:
    kept = Kept(pieces)
    for text in pieces.some(form, 30):
        assert kept(text) is not False, text


@pytest.mark.parametrize(
    "text",
    [
        "Dear Granny,\nThank you for the hat. Please write back, Mr. Lee.\nYour Mia",
        "Dear Mia,\nI miss you.\nYour Mia",
        "Ben likes pears. Mia likes plums.\nWhat does Mia like? Pears.",
        "Ben likes pears. Mia likes plums.\nDoes Ben like plums? Yes, he does.",
        "Ben likes pears. Mia likes plums.\nWho likes plums? Ben does.",
        "I have two hands, but no fingers. What am I? A river.",
        "MONDAY\nIt rained all day. Tomorrow is Friday, and I will see Ben.",
        "THE WEATHER FOR MONDAY\nIt begins to rain at six. Sunday will be nicer.",
    ],
)
def test_what_a_small_form_forgets_is_seen(text: str) -> None:
    assert Kept(pieces)(text) is False


@pytest.mark.parametrize(
    "line",
    [
        "Mia has three plums. She finds two more. Now Mia has six plums.",
        "Mia has three plums. She finds two more. How many eggs does Mia have now? Five.",
        "There are three ducks on the pond. Two more come. How many are there now? Four.",
        "Cat rhymes with dog.",
    ],
)
def test_what_does_not_add_up_or_rhyme_does_not_hold(line: str) -> None:
    reader = Reader(pieces.templates())
    assert is_read(line, reader)
    assert not all(reading.holds for reading in reader.read(line))
