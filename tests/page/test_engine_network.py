"""The network in JavaScript is the one in Python: logits, state and every gate, for each cell with
each of its options; the files that it is made of are read, or refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

from chargen.checkpoint.store import arrays_to_bytes
from chargen.nn.engine import initial_state
from chargen.nn.fresh_engine import FreshEngine
from chargen.nn.model import LanguageModel
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.trace import trace
from chargen.nn.transfer import weights_of
from tests.support.browser import open_browser, open_engine
from tests.support.networks import CELLS, OPTIONS, VOCAB_SIZE, network

TOKENS = [5, 0, 59, 5, 5, 17, 33, 2, 1, 58]
RUN = """([config, vocabSize, file, tokens]) => {
  const network = new Network(config, vocabSize, readSafetensors(fromBase64(file)));
  let state = network.initialState();
  const steps = [];
  for (const token of tokens) {
    const layers = [];
    const found = network.step(token, state, layers);
    state = found.state;
    const plain = layers.map(layer =>
      Object.fromEntries(Object.entries(layer).map(([name, values]) => [name, [...values]])));
    steps.push({ logits: [...found.logits], state: [...state], layers: plain });
  }
  return steps;
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_browser() as browser, open_engine(browser) as page:
        yield page


def config_of(model: LanguageModel) -> dict[str, Any]:
    names = model.config.__dataclass_fields__
    return {name: getattr(model.config, name) for name in names}


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_logits_state_and_gates_are_those_of_python(
    page: Page, cell: dict[str, Any], options: dict[str, Any]
) -> None:
    model = network(**cell, **options)
    weights = weights_of(model)
    file = as_text(arrays_to_bytes(weights.arrays))
    steps = page.evaluate(RUN, [config_of(model), VOCAB_SIZE, file, TOKENS])
    engine = NumpyEngine(weights)
    stepper = engine.start(initial_state(model.config))
    with torch.no_grad():
        traced = trace(model, torch.tensor([TOKENS]), model.initial_state(1))
    for place, (token, found) in enumerate(zip(TOKENS, steps, strict=True)):
        logits = stepper.step(np.array([token]))
        np.testing.assert_allclose(found["logits"], logits[0], atol=1e-4)
        np.testing.assert_allclose(found["state"], stepper.state.ravel(), atol=1e-4)
        for layer, values in zip(found["layers"], traced.layers, strict=True):
            assert layer.keys() == values.keys()
            for name, numbers in values.items():
                np.testing.assert_allclose(layer[name], numbers[0, place], atol=1e-4)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_where_a_document_ends_all_is_forgotten(page: Page, cell: dict[str, Any]) -> None:
    model = network(**cell, fresh_state=True)
    weights = weights_of(model)
    file = as_text(arrays_to_bytes(weights.arrays))
    run = RUN.replace("let state", "network.freshAt = 5; let state")
    steps = page.evaluate(run, [config_of(model), VOCAB_SIZE, file, TOKENS])
    stepper = FreshEngine(NumpyEngine(weights), 5).start(initial_state(model.config))
    for token, found in zip(TOKENS, steps, strict=True):
        logits = stepper.step(np.array([token]))
        np.testing.assert_allclose(found["logits"], logits[0], atol=1e-4)
        np.testing.assert_allclose(found["state"], stepper.state.ravel(), atol=1e-4)


def test_a_step_leaves_the_state_before_it(page: Page) -> None:
    model = network()
    file = as_text(arrays_to_bytes(weights_of(model).arrays))
    again = page.evaluate(
        """([config, vocabSize, file]) => {
             const network = new Network(config, vocabSize, readSafetensors(fromBase64(file)));
             const { state } = network.step(3, network.initialState());
             const once = [...network.step(4, state).logits];
             return [once, [...network.step(4, state).logits]];
           }""",
        [config_of(model), VOCAB_SIZE, file],
    )
    assert again[0] == again[1]


# -- numbers in fewer bits -------------------------------------------------------------------------


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A file as the format has it, of any types."""
    header, content = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        content += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def test_float16_is_read_as_numpy_reads_it(page: Page) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    found = page.evaluate(
        """() => {
             const numbers = Float32Array.from({ length: 1 << 16 }, (_, bits) => fromHalf(bits));
             const bytes = Array.from(new Uint8Array(numbers.buffer));
             return btoa(bytes.map(byte => String.fromCharCode(byte)).join(""));
           }"""
    )
    numbers = np.frombuffer(base64.b64decode(found), np.float32)
    np.testing.assert_array_equal(numbers, every.astype(np.float32))


@pytest.mark.parametrize("dtype", ["F16", "I8"])
def test_fewer_bits_are_what_python_makes_of_them(page: Page, dtype: str) -> None:
    model = network(cell="gru", num_layers=2)
    arrays = dict(weights_of(model).arrays)
    tensors: dict[str, tuple[str, list[int], bytes]] = {}
    for name, array in arrays.items():
        shape = list(array.shape)
        if name == "seen":
            tensors[name] = ("BOOL", shape, array.tobytes())
        elif array.ndim == 1:
            tensors[name] = ("F32", shape, array.tobytes())
        elif dtype == "F16":
            half = array.astype(np.float16)
            tensors[name] = ("F16", shape, half.tobytes())
            arrays[name] = half.astype(np.float32)
        else:
            scale = (np.abs(array).max(axis=1) / 127).astype(np.float32)
            whole = np.rint(array / scale[:, None]).astype(np.int8)
            tensors[name] = ("I8", shape, whole.tobytes())
            tensors[f"{name}.scale"] = ("F32", [len(scale)], scale.tobytes())
            arrays[name] = whole.astype(np.float32) * scale[:, None]
    file = as_text(safetensors(tensors))
    found = page.evaluate(
        """([config, vocabSize, file]) => {
             const tensors = readSafetensors(fromBase64(file));
             const weights = readWeights(config, vocabSize, tensors);
             return Object.fromEntries([...weights].map(([name, numbers]) => [name, [...numbers]]));
           }""",
        [config_of(model), VOCAB_SIZE, file],
    )
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.array(found[name], array.dtype), array.ravel())


# -- damage ----------------------------------------------------------------------------------------

REFUSED = """([config, vocabSize, file]) => {
  try {
    new Network(config, vocabSize, readSafetensors(fromBase64(file)));
    return null;
  } catch (error) {
    if (!(error instanceof PageError)) throw error;
    return error.message;
  }
}"""


def refusal(page: Page, content: bytes, **options: Any) -> str:
    model = network(cell="rnn", num_layers=1)
    config = config_of(model) | options
    found = page.evaluate(REFUSED, [config, VOCAB_SIZE, as_text(content)])
    return str(found)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return dict(weights_of(network(cell="rnn", num_layers=1)).arrays)


def test_whole_files_are_taken(page: Page, small: dict[str, Any]) -> None:
    assert refusal(page, arrays_to_bytes(small)) == "None"


def test_a_file_that_is_cut_off_anywhere_is_refused(page: Page, small: dict[str, Any]) -> None:
    content = arrays_to_bytes(small)
    for length in [0, 7, 8, 100, len(content) // 2, len(content) - 1]:
        assert "model.safetensors is damaged" in refusal(page, content[:length])
    assert "goes on" in refusal(page, content + b"\0")


def test_other_bytes_in_a_header_are_refused_or_change_nothing(
    page: Page, small: dict[str, Any]
) -> None:
    content = arrays_to_bytes(small)
    length = int.from_bytes(content[:8], "little")
    for at in range(8, 8 + length, 11):
        changed = content[:at] + bytes([content[at] ^ 3]) + content[at + 1 :]
        refused = refusal(page, changed)
        assert refused == "None" or refused.startswith("model.safetensors"), refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("head.bias"), "head.bias is missing"),
        (lambda arrays: arrays.update(extra=arrays["head.bias"]), "extra is unknown"),
        (lambda arrays: arrays.update({"head.bias": arrays["head.bias"][1:]}), "wrong shape"),
        (lambda arrays: arrays["head.bias"].__setitem__(3, np.nan), "not finite"),
        (lambda arrays: arrays["seen"].fill(False), "seen names no token"),
        (lambda arrays: arrays.update(seen=arrays["head.bias"]), "seen has the wrong type"),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(
    page: Page, small: dict[str, Any], change: Any, message: str
) -> None:
    arrays = {name: array.copy() for name, array in small.items()}
    change(arrays)
    assert message in refusal(page, arrays_to_bytes(arrays))


def test_scales_must_be_of_each_row(page: Page, small: dict[str, Any]) -> None:
    head = small["head.weight"]
    kinds = {"seen": "BOOL"}
    tensors = {
        name: (kinds.get(name, "F32"), list(array.shape), array.tobytes())
        for name, array in small.items()
    }
    tensors["head.weight"] = ("I8", list(head.shape), bytes(head.size))
    assert "scale for each row" in refusal(page, safetensors(tensors))
    tensors["head.weight.scale"] = ("F32", [1], bytes(4))
    assert "scale for each row" in refusal(page, safetensors(tensors))
