"""Looking at a text: what was likely at a place, going on from there with something else, and what
is inside the network; all as Python has it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from chargen.config import SampleConfig
from chargen.generation.generator import TextGenerator
from chargen.insight.followers import find_followers
from chargen.insight.inspection import Probe, read_text
from chargen.insight.reading import CHUNK_TOKENS, parts_of, read_traces, tokens_of
from chargen.nn.cells import GATE_NAMES
from chargen.progress import no_progress
from chargen.tokenizers.base import spelled
from tests.support.browser import open_browser
from tests.support.networks import random_generator
from tests.support.page_files import model_files
from tests.support.tokenizers import tokenizer
from tests.support.worker import EngineWorker, open_worker

SEEN = "The strawberry is red.\nἄνθρωπος 漢字 🍓"
TEXT = "The 漢 is é red."
CELLS = list(GATE_NAMES)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorker]:
    with open_browser() as browser, open_worker(browser) as worker:
        yield worker


@cache
def generator(kind: str, cell: str = "lstm") -> TextGenerator:
    return random_generator(tokenizer(kind), SEEN, cell=cell)


def opened(engine: EngineWorker, kind: str, cell: str = "lstm", text: str = TEXT) -> TextGenerator:
    """The engine with a random network that has read the text, and the network in Python."""
    engine.open(model_files(generator(kind, cell)))
    engine.call("read", text=text)
    return generator(kind, cell)


@pytest.mark.parametrize("kind", ["char", "byte", "unigram"])
def test_the_likeliest_are_those_of_python(engine: EngineWorker, kind: str) -> None:
    model = opened(engine, kind)
    inspected = read_text(model, TEXT, top=4)
    at = 0
    for part in inspected.parts:
        for inside in range(len(utf16(part.text)) // 2):
            found = engine.call("likeliest", at=at + inside, count=4)
            assert found["at"] == at
            expected = [
                (one.text, pytest.approx(one.probability, abs=1e-4)) for one in part.most_likely
            ]
            assert [(one["text"], one["probability"]) for one in found["choices"]] == expected
            assert found["actual"]["text"] == part.text
            assert found["actual"]["probability"] == pytest.approx(np.exp(-part.nats), abs=1e-4)
        at += len(utf16(part.text)) // 2
    end = engine.call("likeliest", at=at, count=4)
    assert end["at"] == at and end["actual"] is None
    assert end == engine.call("likeliest", at=at + 100, count=4)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
def test_another_token_is_taken_and_completed_to_characters(
    engine: EngineWorker, kind: str
) -> None:
    model = opened(engine, kind)
    places = [0, 3, 7, len(TEXT)]
    for at in places:
        for choice in engine.call("likeliest", at=at, count=6)["choices"]:
            engine.call("read", text=TEXT)
            start = engine.call("likeliest", at=at, count=1)["at"]
            told = engine.call("take", at=at, token=choice["token"])
            piece = model.tokenizer.pieces[choice["token"]]
            new = "".join(part["text"] for part in told["parts"])
            assert new.encode().startswith(piece) or "\ufffd" in new
            read = engine.call("read", text=TEXT[:start] + new)  # nothing of it is new
            assert read["parts"] == [] or kind == "bpe"


@pytest.mark.parametrize(("kind", "text"), [("unigram", "The 漢"), ("bpe", "The strawb")])
def test_at_the_end_the_last_word_may_be_spelled_anew(
    engine: EngineWorker, kind: str, text: str
) -> None:
    model = opened(engine, kind, text=text)
    ways = model.continuation(text, SampleConfig()).decoding_start.spellings
    assert ways is not None
    totals: dict[str, float] = {}
    for token, inside, logprob in zip(ways.tokens, ways.inside, ways.logprobs, strict=True):
        beyond = spelled(model.tokenizer.pieces[token][inside:])
        totals[beyond] = totals.get(beyond, 0.0) + float(np.exp(logprob))
    del totals[""]  # says nothing of what comes
    found = engine.call("likeliest", at=len(text), count=5)["choices"]
    assert [one["probability"] for one in found] == [
        pytest.approx(share, abs=1e-4) for share in sorted(totals.values(), reverse=True)[:5]
    ]
    for choice in found:
        assert choice["probability"] == pytest.approx(totals[choice["text"]], abs=1e-4)
        engine.call("read", text="")
        parts = engine.call("read", text=text)["parts"]
        told = engine.call("take", at=len(text), token=choice["token"])
        parts[told["from"] :] = told["parts"]
        assert "".join(part["text"] for part in parts) == text + choice["text"]


def test_it_goes_on_from_what_was_taken(engine: EngineWorker) -> None:
    model = opened(engine, "char")
    engine.call("take", at=8, token=ord("T"))
    events = engine.answer("write", options={"temperature": 0, "max_tokens": 20})["events"]
    text = "".join(part["text"] for event in events for part in event["parts"])
    assert text == model.generate(TEXT[:8] + "T", temperature=0, max_tokens=20).text


def test_a_token_that_is_none_is_refused(engine: EngineWorker) -> None:
    opened(engine, "char")
    for token in (-1, 10**6, None):
        assert engine.answer("take", at=0, token=token)["error"]["message"].startswith(
            "there is no"
        )


def traces(model: TextGenerator, text: str) -> list[list[dict[str, Any]]]:
    """For each token what is in each layer after it."""
    tokens = tokens_of(model, text)
    found: list[list[dict[str, Any]]] = []
    for chunk, _, trace in read_traces(model, tokens, CHUNK_TOKENS, no_progress):
        for place in range(len(chunk)):
            layers = [
                {name: values[0, place].detach().numpy() for name, values in layer.items()}
                for layer in trace.layers
            ]
            found.append(layers)
    return found


@pytest.mark.parametrize("kind", ["char", "byte"])
@pytest.mark.parametrize("cell", CELLS)
def test_inside_is_what_python_traces(engine: EngineWorker, kind: str, cell: str) -> None:
    model = opened(engine, kind, cell)
    tokens = tokens_of(model, TEXT)
    steps = traces(model, TEXT)
    at = 0
    for index, (_, stop, text) in enumerate(parts_of(model.tokenizer, tokens)):
        found = engine.call("look", at=at)
        assert (found["part"], found["before"]) == (index, at)
        assert len(found["likeliest"]) == 5
        for layer, expected in zip(found["layers"], steps[stop - 1], strict=True):
            assert layer.keys() == expected.keys()
            for name, values in expected.items():
                np.testing.assert_allclose(np.array(layer[name]), values, atol=1e-4)
        if stop > 1:
            for layer, expected in zip(found["previous"], steps[stop - 2], strict=True):
                for name, values in layer.items():
                    np.testing.assert_allclose(np.array(values), expected[name], atol=1e-4)
        at += len(utf16(text)) // 2
    assert engine.call("look", at=10**6)["part"] == index


@pytest.mark.parametrize("cell", CELLS)
def test_values_and_strips_are_what_python_probes(engine: EngineWorker, cell: str) -> None:
    model = opened(engine, "byte", cell)
    gates = [None, *GATE_NAMES[cell]]
    probes = [Probe(layer, unit, gate) for layer in (0, 1) for unit in (None, 7) for gate in gates]
    views = read_text(model, TEXT, probes).views[1:]
    for probe, view in zip(probes, views, strict=True):
        fields: dict[str, Any] = {"layer": probe.layer, "gate": probe.gate}
        values = np.array(engine.call("values", unit=probe.unit, **fields)["values"])
        np.testing.assert_allclose(values, view.values, atol=1e-4)
        again = np.array(engine.call("values", unit=probe.unit, **fields)["values"])
        np.testing.assert_array_equal(values, again)
        strip = engine.call("strip", **fields, **{"from": 3, "to": 9})["values"]
        rows = np.array(strip).reshape(6, -1)
        column = rows.mean(1) if probe.unit is None else rows[:, probe.unit]
        np.testing.assert_allclose(column, view.values[3:9], atol=1e-4)
    wrong: list[dict[str, Any]] = [{"layer": 2}, {"layer": 0.5}, {"unit": 24}, {"unit": -1}]
    for fields in [*wrong, {"gate": "garden"}]:
        asked = {"layer": 0, "unit": 0, "gate": None} | fields
        message = engine.answer("values", **asked)["error"]["message"]
        assert "there is no" in message or "have no garden gate" in message


@pytest.mark.parametrize("cell", CELLS)
def test_gates_are_used_as_python_says(engine: EngineWorker, cell: str) -> None:
    model = opened(engine, "byte", cell)
    found = engine.call("gates")
    expected = [vars(use) for use in read_text(model, TEXT).gates]
    assert len(found) == len(expected)
    for use, other in zip(found, expected, strict=True):
        assert use == {
            name: value if isinstance(value, str) else pytest.approx(value, abs=1e-4)
            for name, value in other.items()
        }


def test_cells_are_found_in_the_text_or_in_the_models_own(engine: EngineWorker) -> None:
    text = 'The "strawberry" is red.\n(IS it?) ' * 40
    model = opened(engine, "char", text=text)
    found = engine.call("find")
    assert found["searched"] == "text"
    expected = find_followers(model, text)
    assert [(one["feature"], one["layer"], one["unit"]) for one in found["cells"]] == [
        (one.feature, one.layer, one.unit) for one in expected
    ]
    np.testing.assert_allclose(
        [one["correlation"] for one in found["cells"]],
        [one.correlation for one in expected],
        atol=1e-3,
    )
    engine.call("read", text="The")
    assert engine.call("find")["searched"] == "written"
    assert engine.call("read", text="The")["parts"] == []  # the text stays
