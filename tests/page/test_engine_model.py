"""A model from its files: what the page says of it, and what is refused with a reason; the line
ends that it knows; and a network that has diverged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.config import ModelConfig
from chargen.generation.generator import TextGenerator
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import weights_of
from tests.support.browser import checkpoint_files, open_browser, open_engine
from tests.support.networks import random_generator
from tests.support.page_files import model_files
from tests.support.tokenizers import tokenizer
from tests.support.worker import EngineWorker, open_worker

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorker]:
    with open_browser() as browser, open_worker(browser) as worker:
        yield worker


@pytest.fixture(scope="module")
def files() -> Files:
    return model_files(random_generator(tokenizer("char"), "The straw"), user="Me:", bot="It:")


def test_what_the_page_says_of_it(engine: EngineWorker, files: Files) -> None:
    about = engine.open(files | {"README.md": "# Ä card".encode()})["value"]
    assert about["title"] == "LSTM, 2 layers of 24, characters"
    weights = random_generator(tokenizer("char"), "The straw").weights
    assert about["parameters"] == weights.num_parameters
    assert (about["card"], about["roles"]) == ("# Ä card", ["Me:", "It:"])
    assert (about["weights"], about["documents"]) == ("float32", "file")
    assert (about["gates"], about["memory"], about["cells"]) == (
        ["input", "forget", "output"],
        None,
        [],
    )


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_a_checkpoint_in_fewer_bits_is_opened_as_it_lies_there(
    engine: EngineWorker, checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    few = chargen.export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    about = engine.open(checkpoint_files(few))["value"]
    assert about["weights"] == about["config"]["weights"] == weights
    assert about["parameters"] == chargen.load(few).weights.num_parameters


def exported(files: Files, **extra: Any) -> Files:
    """The same files with what an export says of them."""
    hashes = {name: sha256(content).hexdigest() for name, content in files.items()}
    said = {"format": 1, "name": "straw", "weights": "float32", "sha256": hashes} | extra
    return files | {"export.json": json.dumps(said).encode()}


def test_what_an_export_says(engine: EngineWorker, files: Files) -> None:
    cells = [{"feature": "inside quotes", "layer": 0, "unit": 3, "correlation": 0.7}]
    about = engine.open(exported(files, cells=cells, text="Once", view=None))["value"]
    assert (about["name"], about["cells"], about["text"]) == ("straw", cells, "Once")


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Files], None]:
    def edit(files: Files) -> None:
        content = json.loads(files[name])
        change(content)
        files[name] = json.dumps(content).encode()

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda files: files.pop("config.json"), "config.json is missing"),
        (lambda files: files.pop("model.safetensors"), "model.safetensors is missing"),
        (lambda files: files.pop("tokenizer.json"), "tokenizer.json is missing"),
        (lambda files: files.update({"config.json": b"\xff"}), "config.json is damaged"),
        (lambda files: files.update({"config.json": b"[]"}), "config.json is damaged"),
        (lambda files: files.update({"config.json": b"{}"}), "not that of a chargen model"),
        (changed("config.json", lambda c: c.update(format=99)), "newer version of chargen"),
        (changed("config.json", lambda c: c.update(format=0)), "names no format"),
        (changed("config.json", lambda c: c["model"].update(cell="lemon")), "no cell “lemon”"),
        (changed("config.json", lambda c: c["model"].update(cell=["lstm"])), "no cell “lstm”"),
        (changed("config.json", lambda c: c["model"].update(hidden_size="a")), "sizes are none"),
        (changed("config.json", lambda c: c["model"].update(num_layers=65)), "sizes are none"),
        (
            changed("config.json", lambda c: c["corpus_options"].update(user=5)),
            "roles are no texts",
        ),
        (changed("config.json", lambda c: c.update(sampling={"mode": "sing"})), "can be sampled"),
        (changed("config.json", lambda c: c.update(sampling={"stop": "abc"})), "can be sampled"),
        (changed("config.json", lambda c: c.update(sampling={"stop": [1]})), "can be sampled"),
        (changed("config.json", lambda c: c.update(sampling={"temperature": "1"})), "be sampled"),
        (changed("config.json", lambda c: c.update(sampling={"min_p": "1"})), "can be sampled"),
        (changed("config.json", lambda c: c["model"].update(hidden_size=25)), "wrong shape"),
        (changed("config.json", lambda c: c.update(vocab_size=3)), "wrong shape"),
        (changed("config.json", lambda c: c.update(tokenizer="letter")), "no tokenizer “letter”"),
        (changed("config.json", lambda c: c.update(corpus_options={"documents": 1})), "documents"),
        (changed("config.json", lambda c: c.update(sha256={})), "not the one on record"),
        (lambda files: files.update({"tokenizer.json": b"{}"}), "tokenizer.json is damaged"),
        (changed("config.json", lambda c: c.pop("sha256")), "not the one on record"),
        (
            lambda files: files.update(
                {"model.safetensors": files["model.safetensors"][:-1] + b"x"}
            ),
            "model.safetensors is damaged",
        ),
    ],
)
def test_what_is_no_model_is_refused(
    engine: EngineWorker, files: Files, damage: Callable[[Files], object], message: str
) -> None:
    wrong = dict(files)
    damage(wrong)
    assert message in engine.open(wrong)["error"]["message"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"format": 2}, "newer version"),
        ({"format": "1"}, "not that of a chargen page"),
        ({"sha256": None}, "not that of a chargen page"),
        ({"sha256": {}}, "not the one on record"),
        ({"name": {}}, "export.json is damaged"),
        ({"text": 5}, "export.json is damaged"),
        ({"view": "x"}, "export.json is damaged"),
        ({"view": {"layer": 0, "unit": 24}}, "export.json is damaged"),
        ({"cells": "abc"}, "export.json is damaged"),
        ({"cells": [None]}, "export.json is damaged"),
        ({"cells": [{"layer": 2, "unit": 0, "correlation": 0.5}]}, "export.json is damaged"),
        ({"cells": [{"layer": 0, "unit": 0, "correlation": "1"}]}, "export.json is damaged"),
        ({"memory": "x"}, "export.json is damaged"),
        ({"memory": {"contexts": [1], "loss": [1], "distances": [1]}}, "export.json is damaged"),
    ],
)
def test_an_export_that_is_none_is_refused(
    engine: EngineWorker, files: Files, extra: dict[str, Any], message: str
) -> None:
    assert message in engine.open(exported(files, **extra))["error"]["message"]


def test_what_is_refused_leaves_the_model_that_is_open(engine: EngineWorker, files: Files) -> None:
    engine.open(files)
    engine.call("read", text="The")
    assert "error" in engine.open({})
    assert engine.call("read", text="The")["parts"] == []
    assert engine.call("likeliest", at=0, count=1)["actual"]["text"] == "T"


def test_formats_before_are_read(engine: EngineWorker, files: Files) -> None:
    def as_it_was(config: dict[str, Any]) -> None:
        config["format"] = 1
        for name in ("layer_norm", "residual", "layer_dropout", "weight_dropout"):
            del config["model"][name]
        config["corpus_options"] = {"documents": "file"}

    old = dict(files)
    changed("config.json", as_it_was)(old)
    assert engine.open(old)["value"]["roles"] == ["You:", "Bot:"]


def writer_of(tokens: dict[int, int], start: int) -> TextGenerator:
    """A network that after each token writes the one that is named; first of all the start."""
    sample = tokenizer("char")
    network = LanguageModel(
        ModelConfig(cell="rnn", hidden_size=32, embedding_size=32), sample.vocab_size
    )
    follow = {sample.end: start} | tokens
    known = [*follow]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.seen.fill_(False)
        for unit, token in enumerate(known):
            network.embedding.weight[token, unit] = 1.0
            network.head.weight[follow[token], unit] = 60.0
            network.seen[follow[token]] = True
        first: Any = network.layers[0]
        first.weight_ih_l0.copy_(torch.eye(32) * 5)
    return TextGenerator(network, sample)


def letters(text: str) -> list[int]:
    return list(text.encode())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_lf_on_the_page_and_the_models_own_in_the_network(
    engine: EngineWorker, end: str
) -> None:
    loop = letters("ab" + end)
    model = writer_of(dict(zip(loop, loop[1:] + loop[:1], strict=True)), loop[0])
    assert model.line_end == end
    engine.open(model_files(model))
    read = engine.call("read", text="ab\nab\n")
    assert [part["text"] for part in read["parts"]] == ["a", "b", "\n", "a", "b", "\n"]
    assert sum(part["bits"] for part in read["parts"]) < 0.01  # as the model itself would write it
    answer = engine.answer("write", options={"temperature": 0, "max_tokens": 8})
    text = "".join(part["text"] for event in answer["events"] for part in event["parts"])
    expected = model.generate("ab" + end + "ab" + end, temperature=0, max_tokens=8).text
    assert text == expected.replace("\r\n", "\n").replace("\r", "\n")
    stopped = engine.answer("write", options={"temperature": 0, "stop": ["b\na"]})
    assert stopped["value"]["reason"] == "stop"


def test_a_document_that_has_ended_is_followed_by_another(engine: EngineWorker) -> None:
    end = tokenizer("char").end
    model = writer_of({ord("a"): ord("b"), ord("b"): end}, ord("a"))
    for documents, text in [
        ("line", "ab\nab\nab"),
        ("paragraph", "ab\n\nab\n\nab"),
        ("file", "ababab"),
    ]:
        engine.open(model_files(model, documents=documents))
        engine.call("read", text="")
        parts: list[str] = []
        for _ in range(3):
            answer = engine.answer("write", options={"temperature": 0})
            assert answer["value"]["reason"] == "end"
            for event in answer["events"]:
                parts[event["from"] :] = [part["text"] for part in event["parts"]]
        assert "".join(parts) == text


def test_a_network_that_diverges_is_told_of(engine: EngineWorker) -> None:
    model = random_generator(tokenizer("char"), "abc", cell="rnn", nonlinearity="relu")
    arrays = {name: array.copy() for name, array in weights_of(model.model).arrays.items()}
    arrays["layers.0.weight_hh_l0"][:] = np.eye(24, dtype=np.float32) * 1e30
    arrays["layers.0.bias_hh_l0"][:] = 1
    network = model.model
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    engine.open(model_files(TextGenerator(network, model.tokenizer)))
    refused = engine.answer("write", options={"seed": 1})["error"]
    assert (
        "has diverged" in refused["message"]
        and refused["hint"] == "start over, or use another model"
    )
    assert "has diverged" in engine.answer("read", text="abc" * 9)["error"]["message"]


def test_before_a_model_is_open_there_is_nothing_to_do(engine: EngineWorker) -> None:
    with open_worker(engine.page.context.browser) as empty:  # type: ignore[arg-type]
        assert empty.answer("read", text="a")["error"]["message"] == "no model is open"


def test_sha256_is_pythons(engine: EngineWorker) -> None:
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]
    contents = [bytes(at * 7 % 256 for at in range(length)) for length in lengths]
    browser = engine.page.context.browser
    assert browser is not None
    with open_engine(browser) as page:
        found = page.evaluate(
            "every => every.map(content => sha256(Uint8Array.from(content)))",
            list(map(list, contents)),
        )
    assert found == [sha256(content).hexdigest() for content in contents]
