"""Talks of the bundled text, and their judge: what one writes is right for the other, no more."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "corpora"))

from author.lexicon import Lexicon
from author.talk_judge import Judge, Verdict, turns_of
from author.talks import Talks

talks = Talks(random.Random(3), Lexicon())
judge = Judge(talks)


@pytest.fixture(autouse=True)
def the_same_talks_whatever_ran_before() -> None:
    talks.rng.seed(3)
    talks.names.clear()


def wrong(*turns: tuple[str, str]) -> list[Verdict]:
    return [verdict for verdict in judge.check(turns) if not verdict.right]


def test_each_exchange_of_a_written_talk_is_read_and_right() -> None:
    for _ in range(60):
        turns = turns_of(talks.talk())
        verdicts = judge.check(turns)
        assert {verdict.turn for verdict in verdicts} == set(range(len(turns))), turns
        assert all(verdict.right for verdict in verdicts), turns


def test_the_same_seed_writes_the_same_talks() -> None:
    one, other = (Talks(random.Random(5), Lexicon()) for _ in range(2))
    assert [one.talk() for _ in range(5)] == [other.talk() for _ in range(5)]


@pytest.mark.parametrize(
    "turns",
    [
        [("What does a cow say?", "A cow says moo."), ("and a pig", "It says oink.")],
        [("Is a lemon yellow?", "Yes, it is."), ("how does it taste", "A lemon is sour.")],
        [("im sam", "Hello, Sam!"), ("whats my name", "Your name is Sam.")],
        [("What is my name?", "You have not told me yet.")],
        [("What do cows say?", "It says moo.")],
        [("I have a dog called Rex.", "Say hello to Rex from me."), ("2+2", "2 + 2 is 4.")],
        [
            ("Tell me a riddle.", "I say moo. I am big. What am I?"),
            ("A cow!", "Yes, I am a cow!"),
        ],
    ],
)
def test_what_is_right(turns: list[tuple[str, str]]) -> None:
    assert not wrong(*turns)


@pytest.mark.parametrize(
    "turns",
    [
        [("What does a cow say?", "A cow says oink.")],
        [("What does a cow say?", "A pig says oink.")],
        [("What comes after Monday?", "Monday.")],
        [("What is a young cow?", "It will be a cow.")],
        [("Is a lemon yellow?", "No, it is yellow.")],
        [("What does a cow say?", "A cow says moo."), ("And a pig?", "It says moo.")],
        [("Is a lemon yellow?", "No, a lemon is green.")],
        [("Is a lemon blue?", "Yes, it is.")],
        [("I am Sam.", "Hello, Tom!")],
        [("I am Sam.", "Hello, Sam!"), ("Who am I?", "You are Tom.")],
        [("What is my name?", "Your name is Sam.")],
        [("I am Sam.", "Hello, Sam!"), ("What is my name?", "You have not told me yet.")],
        [("I have a dog called Rex.", "Say hello to Pip from me.")],
        [("Who is the king of France?", "Paris.")],
        [("How do you spell cat?", "C, A, P.")],
        [("Name three birds.", "A robin, a cow and an owl.")],
        [("Thank you!", "You are welcome, Tom!")],
    ],
)
def test_what_is_wrong(turns: list[tuple[str, str]]) -> None:
    assert wrong(*turns)


def test_questions_are_read_whatever_bot_answers() -> None:
    rng = random.Random(7)
    for _ in range(30):
        lines = judge.questions(rng)
        assert 2 < len(lines) < 9
        assert sum(verdict.right for verdict in judge.check([(you, "?") for you in lines])) == 0


@pytest.mark.parametrize(
    "bot",
    [
        "I cannot sing, but I can say this: I dreamed of a crow in the snow and a nurse with a "
        "purse.",
        "I am sure. It cannot.",
    ],
)
def test_a_line_of_two_parts_is_read(bot: str) -> None:
    assert judge.is_answered(bot)


def test_single_lines_are_read() -> None:
    for _ in range(30):
        for you, bot in turns_of(talks.talk()):
            assert judge.is_asked(you), you
            assert judge.is_answered(bot), bot


@pytest.mark.parametrize(
    "bot", ["A cow says says.", "Hello, Blorp!", "I am summer in the hall.", "It is wirll!", ""]
)
def test_what_bot_would_never_say_is_not_read(bot: str) -> None:
    assert not judge.is_answered(bot)
