"""The engine spells the end of a prompt anew in the ways, and with the chances, that Python has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import chargen
from chargen.generation.generator import TextGenerator
from chargen.generation.healing import spell, take_back
from chargen.nn.engine import initial_state
from tests.support.browser import checkpoint_files, open_browser, open_engine
from tests.support.engine import open_generator
from tests.support.tiny import tiny, tiny_over
from tests.support.tokenizers import SAMPLE, tokenizer
from tests.support.worker import EngineWorker, open_worker

PIECES = ("a", "b", "ab", "ba", "aba", " ", " a", " ab", "bb")
GENERATORS = {
    "few": tiny(1, *PIECES),
    "unseen": tiny(2, *PIECES, seen=[0, 1, 2, 5, 6]),
    **{kind: tiny_over(tokenizer(kind), 3) for kind in ("byte", "char", "unigram", "bpe")},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def engine(browser: Browser) -> Iterator[Page]:
    with open_engine(browser) as page:
        for name, generator in GENERATORS.items():
            open_generator(page, name, generator)
        yield page


@pytest.fixture(scope="module")
def worker(browser: Browser) -> Iterator[EngineWorker]:
    with open_worker(browser) as worker:
        yield worker


def prompts(name: str) -> list[str]:
    random = Random(1)
    if name in ("few", "unseen"):
        return ["".join(random.choices("ab ", k=random.randrange(12))) for _ in range(40)]
    starts = [random.randrange(len(SAMPLE) - 40) for _ in range(40)]
    texts = [SAMPLE[start : start + random.randrange(40)] for start in starts]
    return [*texts, "\U0001f98a", "The st\u0416", "a" * 50, "The \n", "\u00e9" * 20]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_last_word_is_taken_back_as_in_python(engine: Page, name: str) -> None:
    made = GENERATORS[name].tokenizer
    rows = [made.encode(prompt) for prompt in prompts(name)]
    found = engine.evaluate(
        f"""(rows) => rows.map((tokens) => {{
            const {{kept, word}} = takeBack({name}.tokenizer, tokens);
            return [kept, [...word]];
        }})""",
        rows,
    )
    expected = [take_back(made, tokens) for tokens in rows]
    assert found == [[kept, list(word)] for kept, word in expected]


@pytest.mark.parametrize("name", ["few", "unseen", "unigram", "bpe"])
def test_the_ways_to_spell_a_word_are_those_of_python(engine: Page, name: str) -> None:
    generator = GENERATORS[name]
    made = generator.tokenizer
    words = {take_back(made, made.encode(prompt))[1] for prompt in prompts(name)} - {b""}
    assert len(words) > 1
    found = engine.evaluate(
        f"""(words) => words.map((word) => {{
            const {{network, tokenizer}} = {name};
            const {{logits, state}} = network.step(tokenizer.end, network.initialState());
            const found = spell(network, tokenizer, Uint8Array.from(word), logits.slice(), state);
            const bytes = (way) =>
                [...found.paths[found.parents[way]], found.tokens[way]].flatMap(
                    (token) => [...tokenizer.pieces[token]]);
            return {{
                ...found,
                states: found.states.map((one) => [...one]),
                logprobs: [...found.logprobs],
                spelled: found.tokens.map((_, way) => bytes(way)),
            }};
        }})""",
        [list(word) for word in sorted(words)],
    )
    for word, ways in zip(sorted(words), found, strict=True):
        check_ways(generator, word, ways)


def check_ways(generator: TextGenerator, word: bytes, ways: dict[str, Any]) -> None:
    engine, made = generator.engine, generator.tokenizer
    stepper = engine.start(initial_state(engine.config))
    logits = stepper.step(np.array([made.end]))
    expected = spell(engine, made, word, logits, stepper.state)
    assert ways["tokens"] == expected.tokens.tolist()
    assert ways["parents"] == expected.parents.tolist()
    assert ways["inside"] == expected.inside
    np.testing.assert_allclose(ways["logprobs"], expected.logprobs, atol=1e-4)
    np.testing.assert_allclose(ways["logprob"], expected.logprob, atol=1e-4)
    rows = expected.state.reshape(len(expected.state), -1)
    np.testing.assert_allclose(ways["states"], rows, atol=1e-4)
    for spelled in ways["spelled"]:
        assert bytes(spelled)[: len(word)] == word


def test_a_word_that_grows_is_spelled_as_if_it_came_at_once(engine: Page) -> None:
    """And no step is taken twice."""
    found = engine.evaluate(
        """() => {
            const {network, tokenizer} = bpe;
            const {logits, state} = network.step(tokenizer.end, network.initialState());
            const first = logits.slice();
            const known = new Map();
            let steps = 0;
            const counted = {seen: network.seen, step(...given) {
                steps++;
                return network.step(...given);
            }};
            const plain = ({tokens, paths, logprobs}) => [tokens, paths, [...logprobs]];
            const word = utf8.encode(" strawberry");
            return Array.from(word, (_, at) => {
                const begun = word.slice(0, at + 1);
                steps = 0;
                const grown = spell(counted, tokenizer, begun, first, state, known);
                const more = steps;
                const whole = spell(counted, tokenizer, begun, first, state);
                return {grown: plain(grown), whole: plain(whole), more, all: steps - more};
            });
        }"""
    )
    assert [row["grown"] for row in found] == [row["whole"] for row in found]
    assert sum(row["more"] for row in found) == found[-1]["all"] > 50


@pytest.mark.parametrize("prompt", ["GRANN", "The strawb", "UNCLE JO", "", "The \U0001f353 GRANN"])
def test_a_word_goes_on_as_in_python(
    subword_checkpoint: Path, worker: EngineWorker, prompt: str
) -> None:
    """Also where the prompt has tokens that were never seen; and by a seed: ways are sampled."""
    generator = chargen.load(subword_checkpoint)
    worker.open(checkpoint_files(subword_checkpoint))
    choices: list[dict[str, Any]] = [{"temperature": 0}, {"seed": 3}, {"seed": 4, "top_p": 0.9}]
    for options in choices:
        worker.call("read", text="")
        parts = worker.call("read", text=prompt)["parts"]
        answer = worker.answer("write", options={**options, "max_tokens": 20})
        for event in answer["events"]:
            parts[event["from"] :] = event["parts"]  # the last word is cut into other tokens
        done = generator.generate(prompt, **options, max_tokens=20)
        assert "".join(part["text"] for part in parts) == prompt + done.text
        assert answer["value"]["reason"] == done.finish_reason
