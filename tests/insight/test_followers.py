"""What a cell follows is what it was made for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.generation.generator import TextGenerator
from chargen.insight import followers as module
from chargen.insight.followers import (
    FEATURES,
    CorrelationSums,
    Follower,
    features,
    find_followers,
)
from chargen.nn.trace import trace
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.insight.test_inspection import untrained


def test_a_cell_that_hardly_moves_is_correlated_as_well() -> None:
    """tanh of a cell that counts is near 1, in float32."""
    x = np.tile(np.arange(100.0), 200)[:, None]
    for amplitude in (0.1, 0.01, 0.001):
        sums = CorrelationSums(1, 2)
        y = (1 - amplitude + amplitude * x / 100).astype(np.float32)
        sums.add(x, np.concatenate([y, np.ones_like(y) - 0.1], axis=1))
        [[found, constant]] = sums.correlations()
        assert found == pytest.approx(1, abs=1e-3)
        assert constant == 0


def test_a_cell_that_turns_round_follows_nothing() -> None:
    assert Follower("", 0, 0, -0.8, -0.5).follows
    assert not Follower("", 0, 0, -0.8, 0.9).follows
    assert not Follower("", 0, 0, 0.2, 0.9).follows


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
    hindi = features(
        "\u092a\u0940\u0924\u093e \u0939\u0948\u0964 \r\n"
    )  # two words, their vowel signs, a danda
    assert hindi["position in word"].tolist() == [1, 2, 3, 4, 0, 1, 2, 0, 0, 0, 0]
    assert hindi["position in sentence"].tolist() == [1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
    assert hindi["position in line"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]


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


def test_the_cell_that_counts_is_found_across_documents() -> None:
    """What lies between two paragraphs is read as one token, and no cell falls out of step."""
    tokenizer = CharTokenizer.train([LINES])
    generator = counter(tokenizer)
    generator.corpus_options = CorpusConfig(documents="paragraph")
    with torch.no_grad():
        generator.model.embedding.weight[tokenizer.end] = -1e6
    text = "\n\n".join(LINES.splitlines()) + "\n"
    found = {follower.feature: follower for follower in find_followers(generator, text)}
    assert found["position in line"].unit == 3
    assert found["position in line"].correlation == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("chunk", [100, 512])
def test_correlations_are_those_of_the_second_half(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_TOKENS", chunk)
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


def test_a_text_that_is_too_short_is_rejected() -> None:
    generator = untrained(ByteTokenizer())
    with pytest.raises(CorpusError, match=r"holds 999 characters.*must be 1,000 long"):
        find_followers(generator, "a" * 999)
