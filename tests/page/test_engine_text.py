"""A text in the engine: what it reads costs what Python says, what it writes is what Python writes,
and however it came to be, it is the same text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from chargen.config import CorpusConfig, SampleConfig
from chargen.data.documents import EncodedText, encode_text
from chargen.generation.generator import TextGenerator
from chargen.generation.sampling import RandomStream
from chargen.insight.reading import parts_of
from chargen.scoring.scores import token_nats
from chargen.scoring.units import NATS_PER_BIT
from tests.support.browser import as_base64, open_browser, open_engine
from tests.support.networks import random_generator
from tests.support.page_files import model_files
from tests.support.tokenizers import MAKERS, tokenizer
from tests.support.worker import EngineWorker, open_worker

KINDS = list(MAKERS)
SEEN = "The strawberry is red.\nἄνθρωπος 漢字 🍓"
PROMPT = "The strawb"


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorker]:
    with open_browser() as browser, open_worker(browser) as worker:
        yield worker


@pytest.fixture(scope="module")
def page(engine: EngineWorker) -> Iterator[Page]:
    """With the engine itself, without its worker: its steps can be counted."""
    browser = engine.page.context.browser
    assert browser is not None
    with open_engine(browser) as page:
        yield page


@cache
def generator(kind: str, **options: Any) -> TextGenerator:
    return random_generator(tokenizer(kind), SEEN, **options)


def opened(
    engine: EngineWorker, kind: str, documents: str = "file", **options: Any
) -> TextGenerator:
    """The engine with a random network over such tokens, and the same network in Python."""
    model = generator(kind, **options)
    found = engine.open(model_files(model, documents=documents))
    assert "error" not in found, found
    return model


def read_all(engine: EngineWorker, text: str) -> list[dict[str, Any]]:
    """The parts of a text that nothing was read of before."""
    engine.call("read", text="")
    parts: list[dict[str, Any]] = engine.call("read", text=text)["parts"]
    return parts


def written(engine: EngineWorker, text: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """What the engine adds to a text that a person wrote, and why it ends."""
    parts = read_all(engine, text)
    answer = engine.answer("write", options=options)
    assert "error" not in answer, answer
    for event in answer["events"]:
        assert event["from"] <= len(parts)
        parts[event["from"] :] = event["parts"]
    whole = "".join(part["text"] for part in parts)
    assert whole.startswith(text)
    return whole[len(text) :], answer["value"]


def expected_parts(model: TextGenerator, text: str, documents: str) -> list[tuple[str, float]]:
    """The text of each part, and what it costs in bits."""
    config = CorpusConfig(documents=documents)
    encoded = list(encode_text([text], model.tokenizer, config))
    nats = np.concatenate([n for _, n in token_nats(model.engine, model.tokenizer, encoded)])
    tokens = EncodedText.joined(encoded).tokens
    parts = parts_of(model.tokenizer, tokens)
    return [(shown, nats[start:stop].sum() / NATS_PER_BIT) for start, stop, shown in parts]


TEXTS = [
    "The strawberry is red.\n",
    " Zażółć ἄνθρωπος 漢 🍓 é\t ",
    "\ufffd\u2581  \u2028x",
    "red " * 300,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_parts_cost_what_python_says(engine: EngineWorker, kind: str, text: str) -> None:
    model = opened(engine, kind)
    parts = read_all(engine, text)
    expected = expected_parts(model, text, "file")
    assert [part["text"] for part in parts] == [shown for shown, _ in expected]
    np.testing.assert_allclose(
        [part["bits"] for part in parts], [bits for _, bits in expected], atol=1e-3
    )


@pytest.mark.parametrize("documents", ["line", "paragraph"])
@pytest.mark.parametrize("text", ["red\nis\n\n\nred", "\n \nThe red.\n\n  is\nred\n", "red\n", " "])
def test_what_separates_documents_is_a_part(
    engine: EngineWorker, documents: str, text: str
) -> None:
    model = opened(engine, "char", documents)
    parts = read_all(engine, text)
    assert "".join(part["text"] for part in parts) == text
    expected = expected_parts(model, text, documents)
    np.testing.assert_allclose(
        [part["bits"] for part in parts], [bits for _, bits in expected], atol=1e-3
    )


@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
@pytest.mark.parametrize("kind", KINDS)
def test_edits_come_to_what_the_text_is_when_it_is_read_at_once(
    engine: EngineWorker, kind: str, documents: str
) -> None:
    opened(engine, kind, documents)
    dice = random.Random(kind + documents)
    letters = ["T", "he", " ", " ", "\n", "\n", "straw", "b", "é", "漢", "🍓"]
    text = ""
    parts: list[dict[str, Any]] = []
    for _ in range(40):
        start = dice.randint(0, len(text))
        stop = min(len(text), start + dice.choice([0, 0, 0, 1, 5]))
        text = text[:start] + "".join(dice.choices(letters, k=dice.randint(0, 4))) + text[stop:]
        told = engine.call("read", text=text)
        parts[told["from"] :] = told["parts"]
        assert "".join(part["text"] for part in parts) == text
    fresh = read_all(engine, text)
    assert [part["text"] for part in parts] == [part["text"] for part in fresh]
    np.testing.assert_allclose([p["bits"] for p in parts], [p["bits"] for p in fresh], atol=1e-9)


OPTIONS: list[dict[str, Any]] = [
    {"temperature": 0},
    {"seed": 1},
    {"seed": 2**62 + 1, "temperature": 0.7, "top_p": 0.9},
    {"seed": 3, "top_k": 5, "repetition_penalty": 1.4, "penalty_window": 8},
    {"seed": 4, "typical_p": 0.8, "frequency_penalty": 0.8, "presence_penalty": 0.4},
    {"seed": 5, "no_repeat_ngram": 2, "min_p": 0.01},
    {"seed": 6, "stop": ["e", "\n"]},
    {"seed": 7, "stop": ["red"], "min_chars": 12},
    {"seed": 8, "max_chars": 9},
    {"seed": 9, "until": "word"},
    {"seed": 10, "until": "line", "max_tokens": 60},
    {"seed": 11, "ban": ["e"]},
    {"seed": 12, "heal": False},
    {"seed": 13, "min_chars": 90},
    {"seed": 14, "relevance": 0.5},
    {"temperature": 0, "relevance": 0.8, "repetition_penalty": 1.2},
    {"seed": 15, "relevance": 0.3, "heal": False, "ban": ["e"]},
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_is_what_python_writes(engine: EngineWorker, kind: str) -> None:
    model = opened(engine, kind)
    prompts = ["", "red. é", "is 漢"]
    for number, options in enumerate(OPTIONS):
        is_limited = not options.keys().isdisjoint({"max_chars", "until"})
        limits: dict[str, Any] = {} if is_limited else {"max_tokens": 40}
        for prompt in [PROMPT, prompts[number % 3]]:
            text, value = written(engine, prompt, **limits, **js(options))
            completion = model.generate(prompt, **limits, **options)
            assert (text, value["reason"]) == (completion.text, completion.finish_reason), options


def js(options: dict[str, Any]) -> dict[str, Any]:
    """As a page sends them: a number past 2^53 as a string."""
    large = options.get("seed", 0) > 2**53
    return options | ({"seed": str(options["seed"])} if large else {})


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_write_what_python_writes(engine: EngineWorker, cell: str) -> None:
    model = opened(engine, "unigram", cell=cell, layer_norm=True, residual=True)
    for options in OPTIONS[:3]:
        text, _ = written(engine, PROMPT, max_tokens=40, **js(options))
        assert text == model.generate(PROMPT, max_tokens=40, **options).text


@pytest.mark.parametrize("kind", KINDS)
def test_several_are_the_samples_of_python(engine: EngineWorker, kind: str) -> None:
    model = opened(engine, kind)
    read_all(engine, PROMPT)
    options: dict[str, Any] = {"seed": 3, "max_tokens": 20, "stop": ["\n"]}
    answer = engine.answer("several", count=5, options=options)
    completions = model.generate(PROMPT, num_samples=5, **options)
    for row, (found, completion) in enumerate(zip(answer["value"], completions, strict=True)):
        assert (found["text"], found["reason"]) == (completion.text, completion.finish_reason)
        assert found["logprob"] == pytest.approx(completion.logprob, abs=1e-3)
        shown = [event["text"] for event in answer["events"] if event["row"] == row]
        assert all(completion.text.startswith(text) for text in shown)
    assert engine.call("read", text=PROMPT)["parts"] == []  # the text stays


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", ["", "A: is\nB: red.\n"])
def test_a_turn_is_compared_as_in_python(engine: EngineWorker, kind: str, before: str) -> None:
    model = opened(engine, kind)
    turn, label = "A: The strawb?\n", "B:"
    options: dict[str, Any] = {"seed": 2, "max_tokens": 30, "relevance": 0.6}
    config = SampleConfig(**options)
    place = model.prefill(model.document_start, before, replace(config, heal=False))
    start = model.prefill(place, turn + label, config, kept=label)
    [completion] = model.generate_batch(start, "", config, [RandomStream(2)])
    [plain] = model.generate_batch(replace(start, unprompted=None), "", config, [RandomStream(2)])
    assert completion.text != plain.text
    prompt = [len(before), len(before + turn)]
    text, _ = written(engine, before + turn + label, prompt=prompt, **options)
    assert text == completion.text
    text, _ = written(engine, before + turn + label, prompt=[0, 0], **options)
    assert text == plain.text, "without a prompt there is nothing to compare"


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_goes_on_is_one_that_was_not_interrupted(engine: EngineWorker, kind: str) -> None:
    opened(engine, kind)
    for seed in range(5):
        once, _ = written(engine, PROMPT, temperature=0, max_tokens=30)
        first, value = written(engine, PROMPT, temperature=0, max_tokens=12 + seed)
        assert value["reason"] == "length"
        events = engine.answer("write", options={"temperature": 0, "max_tokens": 25})["events"]
        more = "".join(part["text"] for event in events for part in event["parts"])
        assert (first + more).startswith(once[: len(first) + 8])
        assert more


TREE = """async ([files, texts, maxBytes]) => {
  const model = openModel(Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, fromBase64(text)])));
  const text = new Text(model);
  if (maxBytes) text.tree.maxBytes = maxBytes;
  const network = model.network;
  const step = network.step.bind(network);
  let steps = 0;
  network.step = (...given) => (steps++, step(...given));
  const read = [];
  for (const wanted of texts) {
    steps = 0;
    await text.read(wanted);
    const kept = text.path.filter(place => place.state).length;
    read.push({ steps, kept, bits: text.parts.map(part => part.bits) });
  }
  return read;
}"""


def test_what_two_texts_begin_with_is_read_once(page: Page) -> None:
    files = as_base64(model_files(generator("char")))
    texts = ["The straw", "The straw", "The strap", "The", "The straw", "The strap", "A"]
    steps = [read["steps"] for read in page.evaluate(TREE, [files, texts, 0])]
    assert steps[0] == len("The straw")  # nothing is foretold after the last
    assert max(steps[1:]) <= 1


def test_states_are_given_up_where_there_are_too_many(page: Page) -> None:
    files = as_base64(model_files(generator("char")))
    long = "the straw is red " * 100
    at = 700
    other = long[:at] + "A" + long[at:]
    state_bytes = 4 * 24 * 4
    found = page.evaluate(TREE, [files, [long, other, long], 100 * state_bytes])
    every = page.evaluate(TREE, [files, [long, other, long], 0])
    for read, full in zip(found, every, strict=True):
        assert read["kept"] < 200 + len(long) / 64 + 2 < full["kept"]
        assert read["bits"] == full["bits"]
    assert found[1]["steps"] <= every[1]["steps"] + 64  # from the nearest state that is left


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_asked_at_once_the_page_knows_the_text(engine: EngineWorker, kind: str) -> None:
    """Nothing waits for an answer: reads and takes end what is being written."""
    opened(engine, kind)
    dice = random.Random(kind)
    calls: list[tuple[str, dict[str, Any]]] = []
    for number in range(60):
        calls += dice.choice(
            [
                [("read", {"text": "The strawb"[: dice.randint(0, 10)]})],
                [("read", {"text": "red is " * dice.randint(1, 60)})],
                [("write", {"options": {"seed": number, "max_tokens": dice.randint(1, 80)}})],
                [("take", {"at": dice.randint(0, 20), "token": dice.randint(32, 120)})],
                [("stop", {})],
                [("likeliest", {"at": dice.randint(0, 20), "count": 3})],
                [("several", {"count": 3, "options": {"seed": 1, "max_tokens": 20}})],
                [("look", {"at": 3}), ("values", {"layer": 0, "unit": None, "gate": "forget"})],
            ]
        )
    told, last = engine.page.evaluate(
        """async calls => {
             let parts = [];
             const hear = told => {
               if (told?.from > parts.length) throw new Error(`${told.from} of ${parts.length}`);
               if (told?.parts) parts.splice(told.from, Infinity, ...told.parts);
             };
             await Promise.all(calls.map(async ([type, fields]) => {
               const { value, error } = await call(type, fields, event => hear(event));
               if (error) throw new Error(error.message);
               if (!value?.superseded) hear(value);
             }));
             const text = () => parts.map(part => part.text).join("");
             const told = text();
             hear((await call("read", { text: told })).value);
             return [told, text()];
           }""",
        calls,
    )
    assert told == last
    assert engine.call("read", text=told)["parts"] == []
