"""Beams find what searching through all texts finds, and never take back what they said."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.beam_search import BeamResult, _most_likely
from chargen.generation.generator import TextGenerator
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.tiny import logprob_of, tiny, tiny_over


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


def every_text(length: int, vocab_size: int = 3) -> list[tuple[int, ...]]:
    """All rows of tokens of at most this length, ended by the last token where they are shorter."""
    end = vocab_size - 1
    return [
        tokens
        for size in range(1, length + 1)
        for tokens in itertools.product(range(vocab_size), repeat=size)
        if end not in tokens[:-1] and (size == length or tokens[-1] == end)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_wide_beams_find_the_best_of_all_texts(seed: int) -> None:
    generator, length = tiny(seed, "a", "b"), 4
    texts = [
        tokens
        for size in range(1, length + 1)
        for tokens in itertools.product(range(3), repeat=size)
        if 2 not in tokens[:-1] and (size == length or tokens[-1] == 2)
    ]
    scored = sorted(((logprob_of(generator, [0, 1], text), text) for text in texts), reverse=True)
    found = generator.generate("ab", beams=len(texts), max_tokens=length)
    assert [done.tokens for done in found] == [text for _, text in scored]
    assert [done.logprob for done in found] == pytest.approx([s for s, _ in scored], abs=1e-4)
    best = generator.generate("ab", beams=8, max_tokens=length)
    assert best[0].tokens == scored[0][1]
    assert len(best) == 8


def test_a_beam_that_its_length_ends_inside_a_character_ends_before_it() -> None:
    generator = tiny_over(ByteTokenizer(), 1, seen="\u6f22a".encode())
    found = generator.generate("", beams=40, max_tokens=3)
    texts = [done.text for done in found]
    assert len(set(texts)) == len(texts)
    assert {"aa", "a"} <= set(texts), "of which the last bytes began a character"
    for done in found:
        assert generator.tokenizer.decode(done.tokens) == done.text
        assert done.score == pytest.approx(done.logprob, abs=1e-4)


def test_one_beam_is_greedy(model: TextGenerator) -> None:
    greedy = model.generate("The ", max_tokens=15, temperature=0)
    [beam] = model.generate("The ", max_tokens=15, beams=1)
    assert beam.text == greedy.text
    assert beam.logprob == pytest.approx(greedy.logprob, abs=1e-4)
    pieces = list(model.stream("The ", max_tokens=15, beams=1))
    assert "".join(piece.text for piece in pieces) == beam.text


def test_beams_give_no_text_twice(model: TextGenerator) -> None:
    found = model.generate("The ", beams=6, max_tokens=6, stop=tuple("aeiourstln"))
    assert len({done.text for done in found}) == len(found) == 6


def test_beams_stop_at_stop_texts(model: TextGenerator) -> None:
    for done in model.generate("The strawberry is", beams=3, max_tokens=30, stop=(".",)):
        assert done.finish_reason == "length" or "." not in done.text
    assert model.generate("The sky is", beams=3, stop=(".",))[0].text == " blue"


@pytest.mark.parametrize("penalty", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_length_penalty_ranks_by_the_mean(seed: int, penalty: float) -> None:
    generator, length = tiny(seed, "a", "b"), 4
    texts = every_text(length)
    scored = sorted(
        (logprob_of(generator, [0, 1], text) / len(text) ** penalty, text) for text in texts
    )[::-1]
    found = generator.generate("ab", beams=len(texts), max_tokens=length, length_penalty=penalty)
    assert [done.tokens for done in found] == [text for _, text in scored]
    ranks = [(done.score or 0.0) / len(done.tokens) ** penalty for done in found]
    assert ranks == pytest.approx([rank for rank, _ in scored], abs=1e-4)
    assert (
        generator.generate("ab", beams=20, max_tokens=length, length_penalty=penalty)[0] == found[0]
    )


def test_early_stopping_ends_the_search_sooner() -> None:
    generator = tiny(3, "a", "b")
    early = generator.generate("ab", beams=3, max_tokens=40, early_stopping=True)
    best = generator.generate("ab", beams=3, max_tokens=40)
    assert len(early) == len(best) == 3
    assert best[0].logprob >= early[0].logprob
    assert max(len(done.tokens) for done in early) <= max(len(done.tokens) for done in best)


def test_more_beams_than_tokens(model: TextGenerator) -> None:
    found = tiny(1, "a").generate("", beams=50, max_tokens=6)
    assert len(found) == 6 + 1  # after each of 0 to 5 letters the text can end, and after six
    assert len(model.generate("The ", beams=400, max_tokens=2)) == 400


@pytest.mark.parametrize(
    "options",
    [{}, {"stop": (".",)}, {"until": "word"}, {"length_penalty": 1.0}, {"early_stopping": True}],
)
@pytest.mark.parametrize("prompt", ["GRANN", "The strawberry is", ""])
@pytest.mark.parametrize("name", ["checkpoint", "subword_checkpoint"])
def test_what_is_said_at_once_is_the_beginning_of_the_best(
    request: pytest.FixtureRequest, name: str, prompt: str, options: dict[str, Any]
) -> None:
    generator = chargen.load(request.getfixturevalue(name))
    config = SampleConfig(beams=4, max_tokens=25, **options)
    *pieces, found = generator.search(prompt, config)
    assert isinstance(found, BeamResult)
    best = found.completions[0]
    assert "".join(piece.text for piece in pieces if not isinstance(piece, BeamResult)) == best.text
    assert list(generator.stream(prompt, config)) == pieces
    assert found.completions == list(generator.complete(prompt, config))
    power = options.get("length_penalty", 0.0)
    ranks = [(done.score or 0.0) / len(done.tokens) ** power for done in found.completions]
    assert ranks == sorted(ranks, reverse=True)


def test_some_is_said_before_the_search_is_over(model: TextGenerator) -> None:
    pieces = list(model.stream("The ", beams=3, max_tokens=40))
    assert len(pieces) > 10
    assert all(len(piece.tokens) == 1 for piece in pieces)


def test_the_next_words_and_their_exact_chances() -> None:
    """A word's chance is that of its letters and then of anything that ends it."""
    generator = tiny(4, "a", "b", " ", ".")
    [a, b, space, dot, end] = range(5)
    longest = 3
    chances: dict[str, float] = {}
    for size in range(1, longest):
        for letters in itertools.product((a, b), repeat=size):
            chances[generator.tokenizer.decode(letters)] = sum(
                math.exp(logprob_of(generator, [a, space], [*letters, ender]))
                for ender in (space, dot, end)
            )
    found = generator.generate("a ", beams=200, max_tokens=longest, until="word")
    words = {done.text: done.score for done in found if done.finish_reason != "length"}
    for word, chance in chances.items():
        assert math.exp(words[word] or 0.0) == pytest.approx(chance, abs=1e-4)


def test_the_most_likely_next_words(model: TextGenerator) -> None:
    found = model.generate("The strawberry is", beams=5, until="word")
    assert found[0].text == " red"
    assert math.exp(found[0].score or 0.0) > 0.5
    assert sum(math.exp(done.score or 0.0) for done in found) <= 1
    assert len({done.text for done in found}) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"beams": 2, "temperature": 0.5}, "`beams` and `temperature` cannot be combined"),
        ({"beams": 2, "typical_p": 0.5}, "`beams` and `typical_p` cannot be combined"),
        ({"beams": 2, "no_repeat_ngram": 2}, "`beams` and `no_repeat_ngram` cannot be combined"),
        ({"length_penalty": 1.0}, "`length_penalty` needs `beams`"),
        ({"early_stopping": True}, "`early_stopping` needs `beams`"),
    ],
)
def test_what_cannot_go_together(model: TextGenerator, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        model.generate("", **options)


levels = st.sampled_from([float("-inf"), -3.0, -2.0, -0.5])


@given(logprobs=st.lists(levels, min_size=1, max_size=12), count=st.integers(1, 14))
def test_the_most_likely_are_the_first_of_a_stable_order(logprobs: list[float], count: int) -> None:
    order = sorted(range(len(logprobs)), key=lambda place: -logprobs[place])
    expected = [place for place in order if logprobs[place] > float("-inf")][:count]
    assert _most_likely(np.array(logprobs), count).tolist() == expected
