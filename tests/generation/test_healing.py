"""A prompt that ends inside a token goes on as if the model had been asked by characters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chargen
from chargen.generation.generator import TextGenerator
from chargen.generation.healing import spell, take_back
from chargen.nn.engine import initial_state, read_tokens
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.word import WordTokenizer
from tests.support.tiny import logprob_of, tiny

PIECES = ("a", "b", "ab", "ba", "aba", " ", " a", " ab", "bb")


def ways(generator: TextGenerator, word: str) -> Iterator[tuple[tuple[int, ...], int]]:
    """All rows of tokens that begin with the word and do so with their last token alone, with the
    bytes of that which stand in the word."""
    pieces = generator.tokenizer.pieces
    edge: list[tuple[tuple[int, ...], bytes]] = [((), word.encode())]
    while edge:
        tokens, left = edge.pop()
        for token, piece in enumerate(pieces):
            if piece and piece.startswith(left):
                yield (*tokens, token), len(left)
            elif piece and left.startswith(piece):
                edge.append(((*tokens, token), left[len(piece) :]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("word", ["a", "ab", " aba", "abab"])
def test_the_chances_are_those_of_all_ways_to_spell_the_word(seed: int, word: str) -> None:
    generator = tiny(seed, *PIECES)
    before = generator.tokenizer.encode("ba b")
    expected = {
        (tokens[-1], inside, round(logprob_of(generator, before, tokens), 3))
        for tokens, inside in ways(generator, word)
    }
    engine = generator.engine
    read = np.array([generator.tokenizer.end, *before])
    top, state = read_tokens(engine, read, initial_state(engine.config))
    found = spell(engine, generator.tokenizer, word.encode(), engine.output_logits(top), state)
    assert float(np.exp(found.logprobs).sum()) == pytest.approx(1)
    total = math.log(
        sum(math.exp(logprob_of(generator, before, tokens)) for tokens, _ in ways(generator, word))
    )
    assert expected == {
        (token, inside, round(logprob + total, 3))
        for token, inside, logprob in zip(
            found.tokens.tolist(), found.inside, found.logprobs.tolist(), strict=True
        )
    }


def test_the_state_is_that_of_the_way() -> None:
    """Drawn texts follow the chances of the characters, added up over all ways to spell them."""
    generator = tiny(2, *PIECES, seen=range(len(PIECES)))
    samples = generator.generate("ba ab", num_samples=4000, seed=1, max_chars=2)
    counts: dict[str, int] = {}
    for done in samples:
        counts[done.text] = counts.get(done.text, 0) + 1
    before = generator.tokenizer.encode("ba")
    chances: dict[str, float] = {}
    for text in [first + second for first in "ab " for second in "ab "]:
        chances[text] = sum(
            math.exp(logprob_of(generator, before, tokens))
            for tokens, _ in ways(generator, " ab" + text)
        )
    total = sum(chances.values())
    for text, chance in chances.items():
        # The end of the document is not sampled here, so shares differ a little from the model's.
        assert counts.get(text, 0) / 4000 == pytest.approx(chance / total, abs=0.04)


@pytest.mark.parametrize(
    ("prompt", "kept", "word"),
    [
        ("ba a", [3], b" a"),
        ("ba", [], b"ba"),
        ("", [], b""),
        ("ba ", [3], b" "),
        ("bb", [], b"bb"),  # a token begins with its last letter
    ],
)
def test_the_last_word_is_taken_back(prompt: str, kept: list[int], word: bytes) -> None:
    tokenizer = tiny(0, *PIECES).tokenizer
    assert take_back(tokenizer, tokenizer.encode(prompt)) == (kept, word)


@pytest.mark.parametrize(
    "word",
    [" strawb", " it'", " свекло", " विश्वविद्याल", " "],
    ids=["en", "join", "ru", "hi", "blank"],
)
def test_a_word_is_taken_back_with_its_space_in_any_script(word: str) -> None:
    text = "The strawberry it's свекловодство विश्वविद्यालय " * 3
    tokenizer = WordTokenizer.train([text], vocab_size=400)
    before = tokenizer.encode("The strawberry")
    assert take_back(tokenizer, tokenizer.encode("The strawberry" + word)) == (
        before,
        word.encode(),
    )


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("é漢")])
@pytest.mark.parametrize("prompt", ["GRANN", "caf\u00e9", "\U0001f353", "a\n"])
def test_characters_and_bytes_need_no_healing(
    tokenizer: ByteTokenizer | CharTokenizer, prompt: str
) -> None:
    tokens = tokenizer.encode(prompt)
    assert take_back(tokenizer, tokens) == (tokens, b"")


@pytest.mark.parametrize("name", ["subword_checkpoint", "word_checkpoint"])
@pytest.mark.parametrize(
    ("prompt", "rest"), [("GRANN", "Y'S"), ("The strawb", "erry is "), ("UNCLE JO", "E'S")]
)
def test_a_word_goes_on_that_would_break_without_healing(
    request: pytest.FixtureRequest, name: str, prompt: str, rest: str
) -> None:
    model = chargen.load(request.getfixturevalue(name))
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    healed = model.generate(prompt, **options)
    assert healed.text.startswith(rest)
    assert not model.generate(prompt, heal=False, **options).text.startswith(rest)
    assert "".join(piece.text for piece in model.stream(prompt, **options)) == healed.text
    [best, *_] = model.generate(prompt, beams=4, max_tokens=6)
    assert best.text[:3] == rest[:3]


def test_a_prompt_of_tokens_that_were_never_seen_is_spelled_all_the_same(
    subword_checkpoint: Path,
) -> None:
    model = chargen.load(subword_checkpoint)
    done = model.generate("The \U0001f353 GRANN", temperature=0, max_tokens=6)
    assert done.text.startswith("Y")
    assert len(model.generate("GRANN\u6f22", temperature=0, max_tokens=6).tokens) == 6
