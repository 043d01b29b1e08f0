"""What could come next, and what it cost: as brute force over the plain model says."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import ModelConfig, SampleConfig
from chargen.evaluation.surprisal import TokenProbability, next_characters, next_words, surprisals
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream
from chargen.nn.model import LanguageModel
from chargen.progress import no_progress
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.support.tiny import logprob_of, tiny

PIECES = ("a", "b", "ab", "ba", "aba", " ", " a", " ab", "bb")
EVERYTHING = 1000
HEALED, UNHEALED = SampleConfig(), SampleConfig(heal=False)


def probability_of(generator: TextGenerator, before: list[int], *tokens: int) -> float:
    return math.exp(logprob_of(generator, before, tokens))


def as_dict(chances: list[TokenProbability]) -> dict[str, float]:
    assert [c.probability for c in chances] == sorted(c.probability for c in chances)[::-1]
    assert len({chance.text for chance in chances}) == len(chances)
    return {chance.text: chance.probability for chance in chances}


def spellings(generator: TextGenerator, word: bytes) -> Iterator[tuple[tuple[int, ...], int]]:
    """All rows of tokens that spell the word and end with it or go beyond it by their last token
    alone, with the bytes of that which stand in the word."""
    edge: list[tuple[tuple[int, ...], bytes]] = [((), word)]
    while edge:
        tokens, left = edge.pop()
        for token, piece in enumerate(generator.tokenizer.pieces):
            if piece and piece.startswith(left):
                yield (*tokens, token), len(left)
            elif piece and left.startswith(piece):
                edge.append(((*tokens, token), left[len(piece) :]))


# -- next characters --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prompt", ["", "a", "ba b", "abab"])
def test_characters_are_added_up_over_tokens(seed: int, prompt: str) -> None:
    generator = tiny(seed, *PIECES)
    before = generator.tokenizer.encode(prompt)
    expected: dict[str, float] = defaultdict(float)
    for token, piece in enumerate(generator.tokenizer.pieces):
        expected[piece.decode()[:1]] += probability_of(generator, before, token)
    place = generator.prefill(generator.document_start, prompt, UNHEALED)
    found = as_dict(next_characters(generator, place, EVERYTHING))
    assert found == pytest.approx(dict(expected), abs=1e-6)
    assert sum(found.values()) == pytest.approx(1)
    assert len(next_characters(generator, place, 2)) == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prompt", ["ba a", "ab", "ba  ab", "abab"])
def test_after_a_healed_prompt_over_all_ways_to_spell_it(seed: int, prompt: str) -> None:
    generator = tiny(seed, *PIECES)
    pieces = generator.tokenizer.pieces
    place = generator.prefill(generator.document_start, prompt, HEALED)
    assert place.tail
    before = generator.tokenizer.encode(prompt.removesuffix(place.tail.decode()))
    expected: dict[str, float] = defaultdict(float)
    for tokens, inside in spellings(generator, place.tail):
        if beyond := pieces[tokens[-1]][inside:]:
            expected[beyond.decode()[0]] += probability_of(generator, before, *tokens)
            continue
        for token, piece in enumerate(pieces):
            expected[piece.decode()[:1]] += probability_of(generator, before, *tokens, token)
    found = as_dict(next_characters(generator, place, EVERYTHING))
    total = sum(expected.values())
    assert found == pytest.approx({text: p / total for text, p in expected.items()}, abs=1e-6)


def test_the_end_and_parts_of_characters_are_told_apart() -> None:
    generator = of_bytes(3)
    chances = as_dict(next_characters(generator, generator.document_start, EVERYTHING))
    assert len(chances) == 257
    assert chances[""] == pytest.approx(probability_of(generator, [], 256), abs=1e-6)
    assert chances["<E4>"] == pytest.approx(probability_of(generator, [], 0xE4), abs=1e-6)
    assert chances["a"] == pytest.approx(probability_of(generator, [], ord("a")), abs=1e-6)


# -- next words -------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "b", "a b"])
def test_words_are_those_of_an_exhaustive_search(prompt: str) -> None:
    generator = tiny(1, "a", "b", " ")
    generator.model.head.bias.data[2:] += 3  # words are short
    place = generator.prefill(generator.document_start, prompt, HEALED)
    found = next_words(generator, place, 4, no_progress)
    before = generator.tokenizer.encode(prompt)
    expected: dict[str, float] = {}
    for size in range(7):
        for tokens in itertools.product(range(3), repeat=size):
            text = generator.tokenizer.decode(tokens)
            if re.fullmatch(" *[ab]*", text):
                ends = (2, 3) if text.strip() else (3,)  # a space or the document's end
                expected[text] = sum(probability_of(generator, before, *tokens, e) for e in ends)
    best = sorted(expected, key=lambda text: -expected[text])[:4]
    assert [chance.text for chance in found] == best
    assert as_dict(found) == pytest.approx({text: expected[text] for text in best}, abs=1e-6)


def test_words_of_the_text(checkpoint: Path) -> None:
    generator = chargen.load(checkpoint)
    heard: list[float] = []
    place = generator.prefill(generator.document_start, "The sky is", HEALED)
    found = next_words(generator, place, 5, heard.append)
    assert found[0].text == " blue"
    assert heard
    [best, *_] = generator.generate("The sky is", beams=5, until="word", max_tokens=40)
    assert found[0].probability == pytest.approx(math.exp(best.score or 0))

    def interrupted(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next_words(generator, place, 5, interrupted)


# -- surprisals --------------------------------------------------------------------------------


def of_bytes(seed: int, tokenizer: Tokenizer | None = None) -> TextGenerator:
    """An untrained network: most of what it writes is no UTF-8."""
    tokenizer = tokenizer or ByteTokenizer()
    torch.manual_seed(seed)
    config = ModelConfig(hidden_size=6, embedding_size=3)
    return TextGenerator(LanguageModel(config, tokenizer.vocab_size), tokenizer)


def written(
    generator: TextGenerator, prompt: str, config: SampleConfig, seed: int, pieces: int | None
) -> tuple[PromptState, tuple[int, ...], str, float]:
    """Where a text began, its tokens, the text, and its log-probability."""
    passage = generator.continue_from(generator.document_start, prompt, config, RandomStream(seed))
    given = list(islice(passage, pieces))
    tokens = tuple(token for piece in given for token in piece.tokens)
    text = "".join(piece.text for piece in given)
    return passage.start, tokens, text, sum(piece.logprob for piece in given)


@given(
    seed=st.integers(0, 2**32),
    prompt=st.sampled_from(["", "a", "ba b", "abab", " a"]),
    heal=st.booleans(),
    max_chars=st.sampled_from([None, 1, 2, 5]),
    stop=st.sampled_from([(), ("b",), ("ba", "a a")]),
    pieces=st.sampled_from([None, 1, 3]),
)
def test_what_was_written_is_shown_whole(
    seed: int,
    prompt: str,
    heal: bool,
    max_chars: int | None,
    stop: tuple[str, ...],
    pieces: int | None,
) -> None:
    """Even where its end cuts a token, or its first token began in the prompt."""
    generator = tiny(2, *PIECES)
    config = SampleConfig(heal=heal, max_chars=max_chars, stop=stop, max_tokens=8)
    place, tokens, text, _ = written(generator, prompt, config, seed, pieces)
    rows = surprisals(generator, place, tokens, text, 4)
    assert "".join(row.text for row in rows) == text
    assert len(rows) == len(tokens)
    if not place.tail:
        before = generator.tokenizer.encode(prompt)
        expected = logprob_of(generator, before, tokens) if tokens else 0.0
        assert sum(row.nats for row in rows) == pytest.approx(-expected, abs=1e-4)


@given(
    seed=st.integers(0, 2**32),
    known=st.booleans(),
    max_chars=st.sampled_from([None, 3]),
    pieces=st.sampled_from([None, 2, 5]),
)
def test_bytes_are_shown_by_characters(
    seed: int, known: bool, max_chars: int | None, pieces: int | None
) -> None:
    generator = of_bytes(seed % 7, CharTokenizer("\u00e9\u6f22") if known else None)
    config = SampleConfig(max_tokens=20, max_chars=max_chars)
    place, tokens, text, logprob = written(generator, "a\u00e9", config, seed, pieces)
    rows = surprisals(generator, place, tokens, text, 3)
    assert "".join(row.text for row in rows) == text
    assert sum(row.nats for row in rows) == pytest.approx(-logprob, abs=1e-3)


def test_a_character_of_several_bytes_is_one_row() -> None:
    generator = of_bytes(1)
    text = "a\u00e9\u6f22\U0001f353b"
    tokens = generator.tokenizer.encode(text)
    rows = surprisals(generator, generator.document_start, tokens, text, 300)
    assert [row.text for row in rows] == list(text)
    at = 0
    for row in rows:
        spelled = row.text.encode()
        expected = logprob_of(generator, tokens[:at], list(spelled))
        assert row.nats == pytest.approx(-expected, abs=1e-5)
        first = {chance.text: chance.probability for chance in row.most_likely}
        shown = chr(spelled[0]) if spelled[0] < 128 else f"<{spelled[0]:02X}>"
        chance = probability_of(generator, tokens[:at], spelled[0])
        assert first[shown] == pytest.approx(chance, abs=1e-6)
        at += len(spelled)


def test_bytes_that_are_no_character() -> None:
    generator = of_bytes(1)
    for tokens in ([0xC3, 0xE4, 0xBD, 0xA0, ord("a")], [0x80, 0x80], [0xC3, 256], [0xE4, 0xBD]):
        text = generator.tokenizer.decode(tokens)
        rows = surprisals(generator, generator.document_start, tokens, text, 2)
        assert "".join(row.text for row in rows) == text
        total = sum(row.nats for row in rows)
        assert total == pytest.approx(-logprob_of(generator, [], tokens), abs=1e-5)


@pytest.mark.parametrize("count", [1, 3, 99])
def test_the_most_likely_are_those_of_the_plain_model(count: int) -> None:
    generator = tiny(4, *PIECES)
    tokens, size = generator.tokenizer.encode("ba ababb"), generator.tokenizer.vocab_size
    rows = surprisals(generator, generator.document_start, tokens, "ba ababb", count)
    for at, (row, token) in enumerate(zip(rows, tokens, strict=True)):
        chances = [probability_of(generator, tokens[:at], other) for other in range(size)]
        best = sorted(zip(chances, generator.tokenizer.texts, strict=True), reverse=True)[:count]
        assert [chance.text for chance in row.most_likely] == [text for _, text in best]
        shares = [chance.probability for chance in row.most_likely]
        assert shares == pytest.approx([share for share, _ in best], abs=1e-6)
        assert row.nats == pytest.approx(-math.log(chances[token]), abs=1e-5)


def test_the_end_of_a_document_is_a_row_without_text() -> None:
    generator = tiny(1, "a", "b")
    rows = surprisals(generator, generator.document_start, (0, 1, 2), "ab", 1)
    assert [row.text for row in rows] == ["a", "b", ""]
    assert rows[2].nats == pytest.approx(-logprob_of(generator, [0, 1], [2]), abs=1e-5)


def test_a_first_token_that_began_in_the_prompt_costs_its_share_of_the_ways() -> None:
    generator = tiny(2, "a", "b", "ab")
    model = replace(HEALED, max_tokens=1)
    place = generator.prefill(generator.document_start, "a", model)
    assert place.tail == b"a"
    alone, beyond = (probability_of(generator, [], token) for token in (0, 2))
    [row] = surprisals(generator, place, (2,), "b", 3)
    assert row.text == "b"
    assert row.nats == pytest.approx(-math.log(beyond / (alone + beyond)), abs=1e-6)
    # The same token, but the prompt had been spelled before it.
    [row] = surprisals(generator, place, (2,), "ab", 3)
    assert row.text == "ab"
    assert row.nats == pytest.approx(-logprob_of(generator, [0], [2]), abs=1e-6)


def test_a_cut_token_is_shown_as_far_as_it_goes(subword_checkpoint: Path) -> None:
    generator = chargen.load(subword_checkpoint)
    config = SampleConfig(temperature=0, max_chars=3)
    place, tokens, text, _ = written(generator, "The str", config, 1, None)
    assert text == "awb"
    rows = surprisals(generator, place, tokens, text, 2)
    assert "".join(row.text for row in rows) == text
    heard: list[float] = []
    assert not surprisals(generator, place, (), "", 2, heard.append)
    surprisals(generator, place, tokens, text, 2, heard.append)
    assert heard == sorted(heard)
