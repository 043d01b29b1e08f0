"""What is exported, in a real browser: a file by itself, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

import chargen
from chargen.export import measurements
from chargen.nn.packing import rounded
from tests.support.browser import PATIENCE, open_browser, open_page

PROMPT = "GRANN"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with open_browser() as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurements, "TOKENS", 1000)
        yield found


@pytest.mark.parametrize(
    ("trained", "weights"),
    [
        ("checkpoint", "float32"),
        ("checkpoint", "float16"),
        ("subword_checkpoint", "int8"),
        ("word_checkpoint", "float32"),
    ],
)
def test_the_file_writes_what_python_writes(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path, trained: str, weights: Any
) -> None:
    folder: Path = request.getfixturevalue(trained)
    target = chargen.export_html(folder, tmp_path / "a page.html", weights=weights)
    link = {"text": PROMPT, "mode": "complete", "temperature": "0", "max_tokens": "40"}
    with open_page(browser, f"{target.as_uri()}#{urlencode(link)}") as page:
        expect(page.locator("#choices-list li")).to_have_count(10)
        expect(page).to_have_title(folder.name)
        page.locator("#write-button").click()
        expect(page.locator("#status")).to_have_text(re.compile("seed"))
        expect(page.locator("#write-button")).to_have_text("again")
        text = page.locator("#text").input_value()
    model = chargen.load(folder)
    same = chargen.TextGenerator(rounded(model.weights, weights), model.tokenizer, model.metadata)
    expected = same.generate(PROMPT, temperature=0, max_tokens=40)
    assert text == PROMPT + expected.text
