"""The cells that the engine finds, and what they follow, are those that Python finds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from chargen.insight.followers import FEATURES, features, find_followers
from chargen.insight.reading import tokens_of
from tests.insight.test_inspection import untrained
from tests.support.browser import open_browser, open_engine
from tests.support.engine import open_generator
from tests.support.networks import CELL_NAMES
from tests.support.tokenizers import tokenizer

TEXT = "".join(f"{'ab' * (n % 7)} C{'d' * (n % 5)} (é{'🍓' * (n % 2)}).\n" for n in range(120))
LETTERS = 'aB \n\r.!\u3002"\u201c\u201d([)]\u0301_\U0001f353\u01c5\u0416'


@pytest.fixture(scope="module")
def engine() -> Iterator[Page]:
    with open_browser() as browser, open_engine(browser) as page:
        yield page


@given(texts=st.lists(st.text(LETTERS, max_size=25), max_size=20))
def test_features_are_those_of_python(engine: Page, texts: list[str]) -> None:
    found = engine.evaluate(
        """(texts) => texts.map((text) => {
            const rows = Object.entries(features(text));
            return Object.fromEntries(rows.map(([name, values]) => [name, [...values]]));
        })""",
        texts,
    )
    for text, columns in zip(texts, found, strict=True):
        expected = features(text) if text else dict.fromkeys(FEATURES, np.empty(0))
        assert columns == {name: values.tolist() for name, values in expected.items()}


@pytest.mark.parametrize("kind", ["char", "bpe"])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_cells_are_those_that_python_finds(engine: Page, cell: str, kind: str) -> None:
    generator = untrained(tokenizer(kind), num_layers=2, cell=cell)
    open_generator(engine, "generator", generator)
    tokens = tokens_of(generator, TEXT).tolist()
    found = engine.evaluate(
        """(tokens) => {
            const {network, tokenizer} = generator;
            const decoder = new StreamDecoder(tokenizer);
            let {state} = network.step(tokenizer.end, network.initialState());
            const parts = [];
            let text = "";
            tokens.forEach((token, place) => {
                ({state} = network.step(token, state));
                text += decoder.feed(token);
                if (decoder.pending.length) return;
                parts.push({text, end: place + 1, state});
                text = "";
            });
            const search = findFollowers(network.config, parts, (index) => parts[index].state);
            const shares = [];
            for (;;) {
                const {value, done} = search.next();
                if (done) return [value, shares, parts.length];
                shares.push(value);
            }
        }""",
        tokens,
    )
    followers, shares, count = found
    assert shares == sorted(shares) and len(shares) == count and shares[-1] == 1
    expected = find_followers(generator, TEXT)
    assert [(row["feature"], row["layer"], row["unit"]) for row in followers] == [
        (one.feature, one.layer, one.unit) for one in expected
    ]
    for row, one in zip(followers, expected, strict=True):
        assert row["correlation"] == pytest.approx(one.correlation, abs=1e-4)
        assert row["chosenBy"] == pytest.approx(one.chosen_by, abs=1e-4)
