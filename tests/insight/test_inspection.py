"""What is told of a text is what the network did, and what a cell follows is what it was made
for."""

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
from chargen.insight.inspection import FEATURES, Probe, features, find_followers, read_text
from chargen.nn.model import LanguageModel
from chargen.nn.trace import trace
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.nn.test_trace import CELLS
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


def test_a_cell_that_hardly_moves_is_correlated_as_well() -> None:
    """tanh of a cell that counts is near 1, in float32."""
    x = np.tile(np.arange(100.0), 200)[:, None]
    for amplitude in (0.1, 0.01, 0.001):
        sums = insight._Sums(1, 2)
        y = (1 - amplitude + amplitude * x / 100).astype(np.float32)
        sums.add(x, np.concatenate([y, np.ones_like(y) - 0.1], axis=1))
        [[found, constant]] = sums.correlations()
        assert found == pytest.approx(1, abs=1e-3)
        assert constant == 0


def test_a_cell_that_turns_round_follows_nothing() -> None:
    assert insight.Follower("", 0, 0, -0.8, -0.5).follows
    assert not insight.Follower("", 0, 0, -0.8, 0.9).follows
    assert not insight.Follower("", 0, 0, 0.2, 0.9).follows


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


def test_features_are_what_is_so_after_each_character() -> None:
    found = features('AB c"d\n"\n\n(e) x. “y”')
    assert set(found) == set(FEATURES)
    assert found["position in line"].tolist()[:9] == [1, 2, 3, 4, 5, 6, 0, 1, 0]
    assert found["position in word"].tolist()[:6] == [1, 2, 0, 1, 0, 1]
    assert found["position in sentence"].tolist()[-4:] == [1, 2, 3, 4]
    assert found["inside quotes"].tolist() == [0] * 4 + [1, 1, 1] + [0] * 10 + [1, 1, 0]
    assert found["inside brackets"].tolist() == [0] * 10 + [1, 1] + [0] * 8
    assert found["after a capital"].tolist() == [1, 1] + [0] * 18
    assert found["inside capitals"].tolist() == [0, 1] + [0] * 18
    assert features('"a\n\nb')["inside quotes"].tolist() == [1, 1, 1, 0, 0]


def counter(tokenizer: CharTokenizer) -> TextGenerator:
    """A network whose unit 3 counts the characters of a line; others do what they happen to."""
    generator = untrained(tokenizer, cell="rnn", nonlinearity="relu", embedding_size=1)
    [newline] = tokenizer.encode("\n")
    with torch.no_grad():
        generator.model.embedding.weight.zero_()
        generator.model.embedding.weight[newline] = -1e6
        read, recurrent, bias, recurrent_bias = generator.model.layers[0].parameters()
        recurrent.mul_(0.3)
        read[3], bias[3], recurrent_bias[3] = 1, 1, 0
        recurrent[3] = torch.tensor([0.0, 0, 0, 1, 0])
    return generator


LINES = "".join(f"{'ab' * (n % 7)} C{'d' * (n % 5)}.\n" for n in range(200))


def test_the_cell_that_counts_is_found() -> None:
    generator = counter(CharTokenizer.train([LINES]))
    found = {follower.feature: follower for follower in find_followers(generator, LINES)}
    line = found["position in line"]
    assert (line.layer, line.unit) == (0, 3)
    assert line.correlation == pytest.approx(1.0, abs=1e-4)
    assert line.follows
    assert "inside quotes" not in found  # there are none to be followed


@pytest.mark.parametrize("chunk", [100, 512])
def test_correlations_are_those_of_the_second_half(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "CHUNK_TOKENS", chunk)
    generator = untrained(CharTokenizer.train([LINES]), num_layers=2)
    tokens = torch.tensor([[generator.tokenizer.end, *generator.tokenizer.encode(LINES)]])
    with torch.inference_mode():
        layers = trace(generator.model, tokens, generator.model.initial_state(1)).layers
    memory = torch.cat([values["cell"].tanh() for values in layers], dim=-1)[0, 1:].double().numpy()
    middle, columns = len(LINES) // 2, features(LINES)
    followers = find_followers(generator, LINES)
    strengths = [abs(follower.correlation) for follower in followers]
    assert strengths == sorted(strengths, reverse=True)
    for follower in followers:
        feature = columns[follower.feature]
        first = [abs(np.corrcoef(feature[:middle], cell[:middle])[0, 1]) for cell in memory.T]
        unit = int(np.argmax(first))
        assert divmod(unit, 5) == (follower.layer, follower.unit)
        second = np.corrcoef(feature[middle:], memory[middle:, unit])[0, 1]
        assert follower.correlation == pytest.approx(second, abs=1e-5)


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
    with pytest.raises(CorpusError, match=r"holds 999 characters.*must be 1,000 long"):
        find_followers(generator, "a" * 999)
