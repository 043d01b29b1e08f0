"""What a guide lets through is what the expression matches, token by token and byte by byte."""

from __future__ import annotations

import math
import re
from contextvars import copy_context
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.automata import on_wait
from chargen.generation.constraints import NOWHERE, Automaton, Guide
from chargen.generation.logits import NEG_INF
from chargen.nn.weights import Bools
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.support.tiny import FewTokens, logprob_of, tiny


def guide_of(tokenizer: Tokenizer, seen: Bools | None = None, **options: Any) -> Guide:
    everything = np.ones(tokenizer.vocab_size, dtype=np.bool_)
    guide = Guide.of(SampleConfig(**options), tokenizer, everything if seen is None else seen)
    assert guide is not None
    return guide


def matches(automaton: Automaton, text: str) -> bool:
    state = 0
    for byte in text.encode():
        state = int(automaton.table[state, byte])
        if state == NOWHERE:
            return False
    return bool(automaton.final[state])


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "(ab|b)*",
        "a{2,3}b?",
        "[^a]+",
        "^ab$",
        "a\\$",
        ".a",
        "(?i)AB",
        "\\w+",
        "[é漢]a",
        "b|",
    ],
)
@given(text=st.text("abAB$\né漢🍓", max_size=4))
def test_an_automaton_matches_what_the_expression_does(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern, text) is not None
    assert matches(Automaton.of_expression(pattern), text) == expected


@given(text=st.text("abcz-é漢🍓", max_size=4))
def test_characters_and_ranges(text: str) -> None:
    guide = guide_of(ByteTokenizer(), charset="a-c漢-")
    assert (guide.begin(0, 1) == 0) and all(
        matches(guide._automaton, character) == (character in "abc漢-") for character in text
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"regex": "(?=a)b"}, "uses a construct that no finite automaton can match"),
        ({"regex": "a\\b"}, "uses a construct that no finite automaton can match"),
        ({"regex": "(a)\\1"}, "uses a construct that no finite automaton can match"),
        ({"regex": "(a"}, "is not a valid regular expression"),
        ({"regex": "a)|(b"}, "is not a valid regular expression"),
        (
            {"regex": "a{99999999999999}"},
            "is not a valid regular expression|nests too many repeats",
        ),
        ({"regex": ""}, "must not be empty"),
        ({"charset": "\ud800"}, "must contain a character"),
        ({"regex": "((a{100}){100}){100}"}, "nests too many repeats"),
        ({"regex": "\\w{2000}"}, "nests too many repeats"),
        ({"regex": "[^a]{2000}"}, "nests too many repeats"),
        ({"charset": "z-a"}, "a reversed range"),
        ({"charset": ""}, "must not be empty"),
        ({"regex": "a", "charset": "a"}, "cannot be combined"),
        ({"regex": "x"}, "cannot generate any text"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tiny(0, "a", "b").stream("", **options)
    with pytest.raises(ConfigError, match=says):
        tiny(0, "a", "b").generate("ab", beams=2, **options)


def test_counts_that_are_large_but_not_nested_are_fine() -> None:
    automaton = Automaton.of_expression("[a-z ,.\\n]{1000,1500}")
    assert [matches(automaton, "a" * length) for length in (999, 1000, 1500, 1501)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_expression_that_takes_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.generation.automata.SECONDS", 1)
    with pytest.raises(ConfigError, match="has too many states"):
        Automaton.of_expression("(a|b)*a(a|b){40}")


def test_an_expression_that_nobody_waits_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.generation.automata.SECONDS", 1000)

    def stop() -> None:
        raise KeyboardInterrupt

    def build() -> None:
        on_wait.set(stop)
        Automaton.of_expression("(a|b)*a(a|b){41}")

    with pytest.raises(KeyboardInterrupt):
        copy_context().run(build)


def test_the_empty_text_keeps_to_what_cannot_be_written() -> None:
    assert tiny(0, "a", "b").generate("ab", charset="x").text == ""


def test_the_texts_of_a_guide_are_all_that_match() -> None:
    """Every way through the tokens, until the end of the text is sampled."""
    tokenizer = FewTokens("a", "b", "ab", "ba", "aab")
    guide = guide_of(tokenizer, regex="(ab){1,2}|b")
    flat = np.zeros((1, tokenizer.vocab_size), dtype=np.float32)
    found: set[tuple[int, ...]] = set()
    edge: list[tuple[tuple[int, ...], int]] = [((), 0)]
    while edge:
        tokens, state = edge.pop()
        states = np.array([state], dtype=np.int32)
        left = np.flatnonzero(guide.limit(flat, states)[0] != NEG_INF).tolist()
        assert left, "no dead end"
        for token in left:
            if token == tokenizer.end:
                found.add(tokens)
            else:
                [after] = guide.advance(states, np.array([token])).tolist()
                edge.append(((*tokens, token), after))
    every = [tokens for size in range(5) for tokens in product(range(5), repeat=size)]
    assert found == {
        tokens for tokens in every if re.fullmatch("(ab){1,2}|b", tokenizer.decode(tokens))
    }


def test_a_dead_end_is_never_entered() -> None:
    tokenizer = FewTokens("a", "b", "c")
    seen = np.array([True, True, False, True])  # c is never sampled, so a leads nowhere
    guide = guide_of(tokenizer, seen, regex="ac|b")
    limited = guide.limit(np.zeros((1, 4), dtype=np.float32), np.zeros(1, dtype=np.int32))
    assert limited[0].tolist() == [NEG_INF, 0.0, NEG_INF, NEG_INF]
    assert guide.begin(0, 0) == NOWHERE
    assert guide.begin(1, 0) != NOWHERE


def test_a_text_ends_by_the_chance_of_all_that_may_not_follow() -> None:
    guide = guide_of(FewTokens("a", "b", "c"), regex="a*")
    logprobs = np.log([[0.4, 0.3, 0.2, 0.1]])
    limited = np.exp(guide.limit(logprobs, np.zeros(1, dtype=np.int32)))
    assert limited[0] == pytest.approx([0.4, 0.0, 0.0, 0.6])


@pytest.mark.parametrize("tokenizer", ["checkpoint", "subword_checkpoint", "word_checkpoint"])
@pytest.mark.parametrize("options", [{}, {"beams": 4}, {"num_samples": 10, "seed": 1}])
@pytest.mark.parametrize(
    ("prompt", "limit", "pattern"),
    [
        ("The strawberry is ", {"regex": "[a-z]+"}, "[a-z]+"),
        ("The straw", {"regex": "berry|ber"}, "berry|ber"),
        ("GRANN", {"regex": "Y'S [A-Z]+"}, "Y'S [A-Z]+"),
        ("", {"charset": "a-eT "}, "[a-eT ]*"),
    ],
)
def test_texts_keep_to_what_is_asked_for(
    request: pytest.FixtureRequest,
    tokenizer: str,
    options: dict[str, Any],
    prompt: str,
    limit: dict[str, Any],
    pattern: str,
) -> None:
    folder: Path = request.getfixturevalue(tokenizer)
    done = chargen.load(folder).generate(prompt, max_tokens=40, **options, **limit)
    texts = done if isinstance(done, list) else [done]
    for text in texts:
        if text.finish_reason == "length":
            assert len(text.tokens) == 40
        else:
            assert text.finish_reason == "stop"
            assert re.fullmatch(pattern, text.text)


def test_a_greedy_text_ends_where_the_model_would_go_on_otherwise(checkpoint: Path) -> None:
    done = chargen.load(checkpoint).generate("The sky is ", regex="[a-z]+", temperature=0)
    assert (done.text, done.finish_reason) == ("blue", "stop")
    assert done.logprob == pytest.approx(
        chargen.load(checkpoint).generate("The sky is ", max_tokens=4, temperature=0).logprob
    )


@given(text=st.text("aé漢🍓", max_size=5))
def test_characters_of_several_bytes_are_not_cut(text: str) -> None:
    for tokenizer in (ByteTokenizer(), CharTokenizer("é")):
        guide = guide_of(tokenizer, regex=f"({re.escape(text)})x")
        states = np.zeros(1, dtype=np.int32)
        for token in tokenizer.encode(text + "x"):
            left = guide.limit(np.zeros((1, tokenizer.vocab_size)), states)[0] != NEG_INF
            assert left[token] and not left[tokenizer.end]
            states = guide.advance(states, np.array([token]))
        assert guide.limit(np.zeros((1, tokenizer.vocab_size)), states)[0, tokenizer.end] > NEG_INF


def test_a_search_ends_where_the_model_would_go_on_otherwise() -> None:
    """Also where no document ever ended in training."""
    generator = tiny(1, "a", "b", "c", seen=range(3))
    found = generator.generate("b", regex="a{1,30}", beams=5, max_tokens=40)
    assert {done.finish_reason for done in found} == {"stop"}
    before = generator.tokenizer.encode("b")
    one = next(done for done in found if done.text == "a")
    leaves = sum(math.exp(logprob_of(generator, [*before, 0], [t])) for t in (1, 2, 3))
    assert one.score == pytest.approx(
        logprob_of(generator, before, [0]) + math.log(leaves), abs=1e-4
    )


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"num_samples": 16, "seed": 1}, {"beams": 3}]
)
@pytest.mark.parametrize("ban", [(), ("c",)])
def test_only_a_token_that_the_prompt_began_can_be_first(
    options: dict[str, Any], ban: tuple[str, ...]
) -> None:
    generator = tiny(2, "a", "b", "abc", "abd", seen=range(4))
    done = generator.generate("bab", regex="[cd]a*", max_tokens=12, ban=ban, **options)
    texts = done if isinstance(done, list) else [done]
    assert {text.text[0] for text in texts} <= ({"d"} if ban else {"c", "d"})
    with pytest.raises(ConfigError, match="cannot generate any text"):
        generator.stream("bab", regex="e.*")


def test_bans_and_guides_go_together() -> None:
    generator = tiny(1, "a", "b", "c")
    with pytest.raises(ConfigError, match="nor what is banned"):
        generator.generate("", regex="b", ban=("b",))
    for done in generator.generate("", regex="[abc]{4}", ban=("b",), num_samples=20, seed=1):
        assert re.fullmatch("[ac]{4}", done.text)


def test_no_default_cuts_a_match() -> None:
    generator = tiny(1, "a", "b", "c")
    done = generator.generate("", regex="[abc]{300}", seed=1)
    assert (len(done.text), done.finish_reason) == (300, "stop")
