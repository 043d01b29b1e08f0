"""The critic of the bundled text: what the author wrote is right, and what is damaged is not."""

from __future__ import annotations

import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "corpora"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from author.critic import Critic, Sentences
from author.talk_judge import Judge, turns_of
from author.talks import Talks
from delight import Asker, documents

critic = Critic()
author = Talks(random.Random(4), critic.lexicon)
judge = Judge(author)
TALKS = [turns_of(author.talk()) for _ in range(40)]
HOUSE = Path(__file__).parents[2]
TEXTS = random.Random(1).sample(documents(HOUSE / "corpora" / "everyday.txt"), 200)
STORIES = [text for text in TEXTS if critic.keeps_story(text) is not None]


@pytest.fixture(autouse=True)
def the_same_texts_whatever_ran_before() -> None:
    author.rng.seed(4)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:40])
def test_what_the_author_writes_is_right(text: str) -> None:
    found = critic.sentences(text)
    assert critic.unknown(text) == []
    assert found.all == found.read
    assert found.facts == found.true
    assert critic.begins(text)


def test_stories_keep_who_and_where() -> None:
    assert len(STORIES) >= 10
    assert all(map(critic.keeps_story, STORIES))


def test_words_that_lost_a_letter_do_not_exist() -> None:
    assert critic.unknown("The yellow bananna says hello to Sam.") == ["bananna"]


def test_shuffled_words_cannot_be_read() -> None:
    rng = random.Random(2)
    shuffled = []
    for text in TEXTS:
        words = text.split("\n")[-1].rstrip(".").split(" ")
        if len(words) > 4:
            shuffled.append(" ".join(rng.sample(words, len(words))).capitalize() + ".")
    found = sum(map(critic.sentences, shuffled), Sentences())
    assert found.read <= 0.05 * found.all


def test_a_statement_about_another_thing_is_not_so() -> None:
    text = "You: What color is a banana?\nBot: It is {}."
    assert critic.sentences(text.format("yellow")) == Sentences(2, 2, 1, 1)
    assert critic.sentences(text.format("red")) == Sentences(2, 2, 1, 0)


def test_a_text_that_begins_in_its_midst_does_not_begin() -> None:
    assert not any(critic.begins(text.partition("\n")[2]) for text in STORIES)


def test_a_story_whose_end_is_of_another_does_not_keep_who_and_where() -> None:
    halves = [(text[: len(text) // 2], text[len(text) // 2 :]) for text in STORIES]
    mixed = [first + other for (first, _), (_, other) in pairwise(halves)]
    assert sum(bool(critic.keeps_story(text)) for text in mixed) <= 0.2 * len(mixed)


# -- talks ------------------------------------------------------------------------------------


def test_the_authors_talks_are_right() -> None:
    for talk in TALKS:
        assert all(verdict.right for verdict in judge.check(talk))


def test_answers_to_something_else_are_wrong() -> None:
    pairs = [pair for talk in TALKS for pair in talk]
    shifted = [(you, bot) for (you, _), (_, bot) in pairwise(pairs)]
    verdicts = [verdict for pair in shifted for verdict in judge.check([pair])]
    assert sum(verdict.right for verdict in verdicts) <= 0.1 * len(verdicts)


def test_whatever_is_asked_in_the_benchmark_can_be_judged() -> None:
    asker = Asker(random.Random(5), author)
    for _ in range(30):
        turns = asker.turns()
        verdicts = judge.check([(turn.you, "Hm.") for turn in turns])
        assert {verdict.turn for verdict in verdicts} == set(range(len(turns)))
        assert not any(verdict.right for verdict in verdicts)
        assert [turn.kind for turn in turns][-2:] == ["name again", "memory"]
