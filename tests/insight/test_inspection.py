"""What is shown of a text is what the network did."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from chargen.config import ModelConfig
from chargen.errors import CheckpointError, CorpusError, TokenizerError
from chargen.generation.generator import TextGenerator
from chargen.insight import inspection as insight
from chargen.insight.inspection import Probe, read_text
from chargen.nn.model import LanguageModel
from chargen.nn.trace import trace
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.support.networks import CELLS
from tests.support.tiny import FewTokens, logprob_of

SOME = "Ab ñ🍓\n(c)"


def untrained(tokenizer: Any, **options: Any) -> TextGenerator:
    torch.manual_seed(1)
    config = ModelConfig(**{"hidden_size": 5, "embedding_size": 3} | options)
    model = LanguageModel(config, tokenizer.vocab_size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 2)
    return TextGenerator(model, tokenizer)


TOKENIZERS = [
    ByteTokenizer(),
    CharTokenizer.train(["Ab \n(c) Ab \n(c)"]),
    FewTokens("Ab", " ñ", "\n(", "🍓", "c", ")"),
]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: type(tokenizer).__name__)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_parts_are_whole_characters_with_what_they_cost(
    cell: dict[str, Any], tokenizer: Any
) -> None:
    generator = untrained(tokenizer, **cell)
    found = read_text(generator, SOME, top=2)
    assert found.text == SOME
    before: list[int] = []
    for part in found.parts:
        tokens = tokenizer.encode_array(found.text)[len(before) :]
        count = next(n for n in range(1, 9) if tokenizer.decode(tokens[:n]) == part.text)
        assert part.nats == pytest.approx(-logprob_of(generator, before, tokens[:count]), abs=1e-5)
        assert len(part.most_likely) == 2
        assert part.most_likely[0].probability >= part.most_likely[1].probability
        before += tokens[:count].tolist()
    np.testing.assert_allclose(
        found.views[0].values, [part.nats / math.log(2) for part in found.parts]
    )


@pytest.mark.parametrize("chunk", [1, 3, 512])
def test_views_are_the_trace_after_each_part(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight, "CHUNK_TOKENS", chunk)
    generator = untrained(FewTokens("a", "b"), num_layers=2)
    probes = [Probe(1, 4), Probe(0, 2, "forget"), Probe(1, None, "output")]
    found = read_text(generator, "abbab", probes, titles=["one", "two", "three"])
    with torch.inference_mode():
        layers = trace(
            generator.model, torch.tensor([[2, 0, 1, 1, 0, 1]]), generator.model.initial_state(1)
        ).layers
    expected = [
        layers[1]["cell"][0, 1:, 4].tanh(),
        layers[0]["forget"][0, 1:, 2],
        layers[1]["output"][0, 1:].mean(-1),
    ]
    assert [view.title for view in found.views] == ["surprise", "one", "two", "three"]
    for view, values in zip(found.views[1:], expected, strict=True):
        np.testing.assert_allclose(view.values, values.numpy(), atol=1e-6)
    uses = {(use.layer, use.gate): use for use in found.gates}
    assert len(uses) == 6
    forget = layers[1]["forget"][0, 1:]
    assert uses[1, "forget"].mean == pytest.approx(forget.mean().item(), abs=1e-6)
    assert uses[1, "forget"].open == pytest.approx((forget > 0.9).double().mean().item())
    assert uses[1, "forget"].shut == pytest.approx((forget < 0.1).double().mean().item())


def test_where_lines_are_documents_a_line_ends_with_the_document() -> None:
    generator = untrained(FewTokens("a", "b", "\n"))
    generator.model.seen[2] = False
    found = read_text(generator, "ab\na")
    assert [part.text for part in found.parts] == ["a", "b", "\n", "a"]
    end = generator.tokenizer.end
    costs = [part.nats for part in found.parts]
    assert costs[2] == pytest.approx(-logprob_of(generator, [0, 1], [end]), abs=1e-5)
    assert costs[3] == pytest.approx(-logprob_of(generator, [0, 1, end], [0]), abs=1e-5)


def test_shades_go_from_nothing_to_full() -> None:
    view = insight.View("", "", np.array([-9.0, -1, 0, 1, 9]), -2.0, 2.0)
    assert view.shades.tolist() == [-1, -0.5, 0, 0.5, 1]
    view = insight.View("", "", np.array([-9.0, 1, 2, 9]), 1.0, 3.0)
    assert view.shades.tolist() == [0, 0, 0.5, 1]
    assert view.scale == [(0, 1), (0.25, 1.5), (0.5, 2), (0.75, 2.5), (1, 3)]
    flat = insight.View("", "", np.array([1.0, 1]), 1.0, 1.0)
    assert flat.shades.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("cell", "probe", "says"),
    [
        ("lstm", Probe(2, 0), "no cell 2:0; it has layers 0 to 1, with cells 0 to 4"),
        ("lstm", Probe(0, 5), "no cell 0:5; it has layers 0 to 1, with cells 0 to 4"),
        ("gru", Probe(0, 0, "forget"), "a gru have no forget gate; they have reset, update"),
        ("rnn", Probe(0, None, "input"), "no input gate; they have no gates at all"),
        ("lstm", Probe(0, 0, "update"), "no update gate; they have input, forget, output"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(cell: str, probe: Probe, says: str) -> None:
    generator = untrained(FewTokens("a"), cell=cell, num_layers=2)
    with pytest.raises(CheckpointError, match=says):
        read_text(generator, "a", [probe])


def test_texts_that_cannot_be_read_are_refused() -> None:
    generator = untrained(ByteTokenizer())
    with pytest.raises(CorpusError, match="the text is empty"):
        read_text(generator, "")
    with pytest.raises(TokenizerError):
        read_text(generator, "\ud800")
