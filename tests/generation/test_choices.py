"""Choices: their chances are the model's own, whatever tokens spell them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import chargen
from chargen.errors import ConfigError, TokenizerError
from tests.support.tiny import logprob_of, tiny


@pytest.mark.parametrize("rows", [1, 2, 256])
def test_the_chances_are_the_models_own(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.generation.choices.ROWS_AT_ONCE", rows)
    generator = tiny(1, "a", "b")
    before = generator.tokenizer.encode("ab")
    given = ["a", "bb", "abab"]
    expected = {c: logprob_of(generator, before, generator.tokenizer.encode(c)) for c in given}
    found = generator.choose("ab", given)
    assert {choice.choice: choice.logprob for choice in found} == pytest.approx(expected, abs=1e-5)
    assert [choice.choice for choice in found] == sorted(given, key=lambda c: -expected[c])
    assert sum(choice.probability for choice in found) == pytest.approx(1)
    total = sum(map(math.exp, expected.values()))
    for rank, choice in enumerate(found, start=1):
        assert choice.rank == rank
        assert choice.probability == pytest.approx(math.exp(choice.logprob) / total)
        assert choice.logprob_per_token == pytest.approx(choice.logprob / len(choice.choice))
    by_token = sorted(found, key=lambda choice: -choice.logprob_per_token)
    assert [choice.rank_per_token for choice in by_token] == [1, 2, 3]


def test_a_token_that_reaches_from_the_prompt_into_a_choice_counts() -> None:
    generator = tiny(1, "a", "b", "ab")
    [first, second] = generator.choose("ba", ["b", "a"])
    joined = {"b": (2,), "a": (0, 0)}  # b, ab and b, a, a
    given = sum(math.exp(logprob_of(generator, [1], [token])) for token in (0, 2))  # a or ab
    for choice in (first, second):
        whole = joined[choice.choice]
        assert choice.tokens == whole[-1:]  # an a of the prompt is no part of the choice
        expected = logprob_of(generator, [1], whole) - math.log(given)
        assert choice.logprob == pytest.approx(expected, abs=1e-5)


def test_a_choice_may_be_all_that_comes() -> None:
    generator = tiny(1, "a", "b", "ab")
    end = generator.tokenizer.end
    found = generator.choose("b", ["a", "ab"], ends=True)
    for choice in found:
        tokens = (*generator.tokenizer.encode(choice.choice), end)
        expected = logprob_of(generator, [1], tokens)
        assert choice.tokens == tokens
        assert choice.logprob == pytest.approx(expected, abs=1e-5)
        assert choice.logprob_per_token == pytest.approx(expected / len(tokens), abs=1e-5)


@pytest.mark.parametrize("name", ["checkpoint", "subword_checkpoint"])
def test_the_most_likely_is_first(request: pytest.FixtureRequest, name: str) -> None:
    generator = chargen.load(request.getfixturevalue(name))
    found = generator.choose("The strawberry is", [" green", " red", " blue", " redundant"])
    assert found[0].choice == " red"
    assert found[0].probability > 0.5
    assert generator.choose("", ["GRANNY", "xyz"])[0].choice == "GRANNY"
    [begun, _] = generator.choose("GRANN", ["Y", "E"])
    assert begun.choice == "Y"
    assert begun.logprob > -1  # nothing is left to guess of the word


@pytest.mark.parametrize(
    ("choices", "says"),
    [([], "must not be empty"), (["a", ""], "must not be empty"), (["a", "a"], "differ")],
)
def test_what_cannot_be_chosen_from(checkpoint: Path, choices: list[str], says: str) -> None:
    generator = chargen.load(checkpoint)
    with pytest.raises(ConfigError, match=says):
        generator.choose("", choices)
    with pytest.raises(TokenizerError):
        generator.choose("", ["\ud800"])
