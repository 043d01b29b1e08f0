"""The engine behind its messages: what a page gets is what Python gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.generation.generator import TextGenerator
from tests.support.browser import checkpoint_files, open_browser
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


@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 7, "top_p": 0.9}])
def test_the_text_is_that_of_python(
    engine: EngineWorker, generator: TextGenerator, options: dict[str, float]
) -> None:
    read = engine.call("read", text=PROMPT)
    assert PROMPT.endswith("".join(part["text"] for part in read["parts"]))
    written = engine.answer("write", options={"max_tokens": 50, **options})
    text = "".join(part["text"] for event in written["events"] for part in event["parts"])
    assert text == generator.generate(PROMPT, max_tokens=50, **options).text
    assert written["value"]["reason"] == "length"


def test_a_read_that_another_ends_leaves_no_gap(engine: EngineWorker) -> None:
    """What the page is told fits what it was told before, however fast somebody types."""
    long = "What color is a banana? It is yellow. " * 100
    told = engine.page.evaluate(
        """async long => {
          const { value: first } = await call("read", { text: "Once upon a time" });
          const begun = new Promise(begin => call("read", { text: long }, begin));
          await begun; // some of it is read
          const { value: second } = await call("read", { text: long.slice(0, -1) + "!" });
          const kept = first.parts.slice(0, second.from);
          if (kept.length < second.from) return `${kept.length} parts, then from ${second.from} on`;
          return [...kept, ...second.parts].map(part => part.text).join("");
        }""",
        long,
    )
    assert told == long[:-1] + "!"
