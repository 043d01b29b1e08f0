"""The draws in JavaScript are those of Python: the same random numbers, the same tokens left by
each processor, ties included, and the same token of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from chargen.config import SampleConfig
from chargen.generation.logits import processors
from chargen.generation.sampling import RandomStream, sample_tokens, uniform_numbers
from tests.support.browser import open_browser, open_engine
from tests.support.tokenizers import tokenizer

V = 40


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_browser() as browser, open_engine(browser) as page:
        yield page


def test_random_numbers_are_numpys_to_the_last_bit(page: Page) -> None:
    keys = [(0, 0), (1, 0), (1, 1), (7, 100_000), (2**53 + 1, 3), (2**63 - 1, 2**31)]
    found = page.evaluate(
        """keys => keys.map(([seed, row]) => {
             const stream = new RandomStream(BigInt(seed), row);
             return Array.from({ length: 64 }, () => stream.next());
           })""",
        [[str(seed), row] for seed, row in keys],
    )
    for (seed, row), numbers in zip(keys, found, strict=True):
        assert numbers == uniform_numbers(RandomStream(seed, row).generator()).tolist()


OPTIONS: list[dict[str, Any]] = [
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.7},
    {"presence_penalty": 0.6},
    {"frequency_penalty": 0.4},
    {"no_repeat_ngram": 1},
    {"no_repeat_ngram": 2},
    {"top_k": 1},
    {"top_k": 5},
    {"top_k": 1000},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"top_p": 1.0},
    {"min_p": 0.0},
    {"min_p": 0.2},
    {"typical_p": 0.5},
    {"typical_p": 1.0},
    {"temperature": 0.5},
    {"temperature": 0.01},
    {"temperature": 1e-40},
    {"temperature": 3.0},
    {"temperature": 0.7, "top_k": 20, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.1},
    {"typical_p": 0.9, "frequency_penalty": -0.5, "presence_penalty": 1.0, "no_repeat_ngram": 3},
]


def cases() -> list[tuple[dict[str, Any], Any, list[int], Any]]:
    """Options, logits (V), tokens before, which are banned (V) or None. Some have few distinct
    values, so that many are equal; some are minus infinity."""
    random = np.random.default_rng(5)
    found = []
    for number, options in enumerate(OPTIONS * 12):
        kind = number // len(OPTIONS) % 3
        logits = random.normal(size=V) * 4
        if kind == 1:
            logits = np.round(logits)
        if kind == 2:
            logits[random.random(V) < 0.5] = -np.inf
            logits[3] = 1.0
        before = random.integers(0, V, random.integers(0, 30)).tolist()
        banned = (random.random(V) < 0.3) if number % 4 == 0 else None
        found.append((options, logits.astype(np.float32), before, banned))
    return found


def test_processors_leave_what_pythons_leave(page: Page) -> None:
    every = cases()
    found = page.evaluate(
        """cases => cases.map(([options, logits, before, banned]) => {
             let left = Float32Array.from(logits);
             for (const process of processors(options, banned)) left = process(left, before);
             return [...left];
           })""",
        [
            [options, logits.tolist(), before, None if banned is None else banned.tolist()]
            for options, logits, before, banned in every
        ],
    )
    for (options, logits, before, banned), left in zip(every, found, strict=True):
        expected = logits[None]
        for process in processors(SampleConfig(**options), banned):
            expected = process(expected, np.array([before], dtype=np.int64))
        np.testing.assert_array_equal(np.isinf(left), np.isinf(expected[0]), err_msg=str(options))
        np.testing.assert_allclose(left, expected[0], rtol=1e-6, err_msg=str(options))


def test_the_same_number_draws_the_same_token(page: Page) -> None:
    random = np.random.default_rng(6)
    every = [
        ((random.normal(size=V) * 3).astype(np.float32), float(random.random())) for _ in range(300)
    ]
    logits = every[0][0]
    every += [(logits, 0.0), (logits, 1 - 2.0**-53)]
    found = page.evaluate(
        """cases => cases.map(([logits, uniform]) =>
             sampleToken(Float32Array.from(logits), uniform))""",
        [[logits.tolist(), uniform] for logits, uniform in every],
    )
    expected = [sample_tokens(row[None], np.array([[uniform]])).item() for row, uniform in every]
    assert found == expected


def test_what_is_banned_or_was_never_seen_is_never_sampled(page: Page) -> None:
    sample = tokenizer("char")
    seen = [byte in list(b"abcdef") for byte in range(sample.vocab_size)]
    found = page.evaluate(
        """([file, seen]) => {
             const tokenizer = openTokenizer("char", fromBase64(file));
             const options = sampleOptions({ ban: ["b", "d"], min_chars: 3, seed: 4 });
             const sampler = new Sampler(options, tokenizer, seen, new RandomStream(4));
             const logits = new Float32Array(tokenizer.vocabSize);
             const draw = () => sampler.choose(logits, [], false);
             return String.fromCharCode(...new Set(Array.from({ length: 200 }, draw)));
           }""",
        [base64.b64encode(sample.serialize()).decode(), seen],
    )
    assert sorted(found) == list("acef")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 to 1000000, not -1"),
        ({"temperature": "warm"}, "temperature must be"),
        ({"top_p": 0}, "top p must be above 0 and at most 1, not 0"),
        ({"top_k": 1.5}, "top k must be"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": str(2**63)}, "seed must be a whole number"),
        ({"seed": "abc"}, "seed must be a whole number"),
        ({"stop": [""]}, "stop must be texts"),
        ({"until": "chapter"}, "until must be one of"),
        ({"no_repeat_ngram": 300}, "must not be more than penalty window"),
        ({"min_chars": 9, "max_chars": 8}, "must not be more than max chars"),
    ],
)
def test_options_that_cannot_be_are_refused(
    page: Page, options: dict[str, Any], message: str
) -> None:
    refused = page.evaluate(
        """options => {
             try { sampleOptions(options); return ""; } catch (error) { return error.message; }
           }""",
        options,
    )
    assert message in refused


def test_a_seed_is_kept_to_its_last_digit(page: Page) -> None:
    seed = str(2**63 - 1)
    assert page.evaluate("seed => String(sampleOptions({ seed }).seed)", seed) == seed
