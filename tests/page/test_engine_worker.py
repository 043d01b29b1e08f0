"""The engine behind its messages: what a page gets is what Python gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.generation.generator import TextGenerator
from tests.support.browser import as_base64, checkpoint_files, open_browser
from tests.support.worker import EngineWorker, open_worker

PROMPT = "The color of a strawberry is"


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorker]:
    """With the bundled model."""
    with open_browser() as browser, open_worker(browser) as worker:
        worker.open(checkpoint_files(BUNDLED))
        yield worker


@pytest.fixture(scope="module")
def generator() -> TextGenerator:
    return chargen.load(BUNDLED)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 7, "top_p": 0.9, "min_p": 0.05}])
def test_the_text_is_that_of_python(
    engine: EngineWorker, generator: TextGenerator, options: dict[str, Any]
) -> None:
    engine.call("read", text="")
    parts = engine.call("read", text=PROMPT)["parts"]
    assert "".join(part["text"] for part in parts) == PROMPT
    written = engine.answer("write", options={"max_tokens": 50, **options})
    for event in written["events"]:  # the first may spell the prompt's last token anew
        parts[event["from"] :] = event["parts"]
    expected = generator.generate(PROMPT, max_tokens=50, **options)
    assert "".join(part["text"] for part in parts) == PROMPT + expected.text
    assert written["value"]["reason"] == expected.finish_reason


def test_what_a_page_was_told_is_the_text_however_quickly_it_changes(engine: EngineWorker) -> None:
    texts = ["ab", "a", "aXYZ" * 100, "aXYW", "aX", "aXYW" * 50, "bXYW", "bXYW." * 70]
    told = engine.page.evaluate(
        """async texts => {
             const parts = [];
             const hear = ({ value }) => value.superseded ||
               parts.splice(value.from, Infinity, ...value.parts.map(part => part.text));
             await Promise.all(texts.map(text => call("read", { text }).then(hear)));
             return parts.join("");
           }""",
        texts,
    )
    assert told == texts[-1]


def test_another_model_is_opened_while_a_text_is_read(engine: EngineWorker) -> None:
    files = as_base64(checkpoint_files(BUNDLED))
    read = engine.page.evaluate(
        """async ([long, files]) => {
          let read;
          await new Promise(begin => { read = call("read", { text: long }, begin); });
          const refused = await openFiles({ "config.json": files["config.json"] });
          const { value } = await openFiles(files);
          return [refused.error.message, value.name, (await read).value];
        }""",
        ["What color is a banana? It is yellow. " * 400, files],
    )
    assert read == ["model.safetensors is missing", "everyday", {"superseded": True}]
    told = engine.call("read", text=PROMPT)
    assert (told["from"], "".join(part["text"] for part in told["parts"])) == (0, PROMPT)


def test_nothing_is_told_of_a_text_once_another_model_is_open(engine: EngineWorker) -> None:
    told = engine.page.evaluate(
        """async files => {
             await call("read", { text: "Once" });
             let isOpen = false;
             const late = [];
             const writing = new Promise(begin => {
               const hear = event => isOpen ? late.push(event) : begin(call);
               call("write", { options: { max_tokens: 5000, min_chars: 5000 } }, hear);
             });
             await writing; // some of it is written
             await openFiles(files).then(() => isOpen = true);
             await call("read", { text: "A" });
             return late;
           }""",
        as_base64(checkpoint_files(BUNDLED)),
    )
    assert told == []
