"""What a network knows of its tokens stays when others join them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel
from chargen.nn.new_tokens import start_new_tokens, with_more_tokens
from chargen.nn.transfer import load_tensors, tensors_of
from tests.support.networks import OPTIONS, VOCAB_SIZE, network

MORE = 7


def grown(options: dict[str, Any]) -> tuple[LanguageModel, LanguageModel]:
    """A network that has not seen two of its tokens, and the same with room for more tokens."""
    before = network(**options)
    before.seen[[3, 5]] = False
    sizes = {"hidden_size": 48, "embedding_size": 16, "num_layers": 3}
    after = LanguageModel(ModelConfig(**(sizes | options)), VOCAB_SIZE + MORE).eval()
    load_tensors(after, with_more_tokens(tensors_of(before), VOCAB_SIZE + MORE))
    return before, after


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@torch.inference_mode()
def test_tokens_that_join_change_nothing_for_those_that_were_known(options: dict[str, Any]) -> None:
    before, after = grown(options)
    counts = torch.ones(VOCAB_SIZE + MORE, dtype=torch.int64)
    counts[[5, -1]] = 0  # one of the old ones and one of the new ones do not stand in the text
    new = start_new_tokens(after, counts, seed=1)
    assert new.nonzero().flatten().tolist() == [3, *range(VOCAB_SIZE, VOCAB_SIZE + MORE - 1)]
    assert torch.equal(after.seen[:VOCAB_SIZE], before.seen | new[:VOCAB_SIZE])
    for name, tensor in tensors_of(before).items():
        there = tensors_of(after)[name]
        if len(tensor) == VOCAB_SIZE and name != "seen":
            assert torch.equal(there[:VOCAB_SIZE][before.seen], tensor[before.seen]), name
        elif name != "seen":
            assert torch.equal(there, tensor), name
    assert after.embedding.weight.isfinite().all() and after.head.bias.isfinite().all()
    tokens = torch.tensor([[7, 8, 9]])
    old, _ = before(tokens, before.initial_state(1))
    now, _ = after(tokens, after.initial_state(1))
    assert torch.allclose(now[..., :VOCAB_SIZE][..., before.seen], old[..., before.seen], atol=1e-5)


def test_new_tokens_begin_alike_but_not_equal_and_the_same_each_time() -> None:
    counts = torch.ones(VOCAB_SIZE + MORE, dtype=torch.int64)
    rows = []
    for _ in range(2):
        _, after = grown({})
        start_new_tokens(after, counts, seed=4)
        rows.append(after.head.weight[VOCAB_SIZE:])
    assert torch.equal(*rows)
    assert len({tuple(row) for row in rows[0].tolist()}) == MORE


def test_a_frequent_new_token_is_likelier() -> None:
    _, after = grown({})
    counts = torch.full((VOCAB_SIZE + MORE,), 10)
    counts[-1] = 1000
    start_new_tokens(after, counts, seed=4)
    assert after.head.bias[-1] > after.head.bias[-2]


def test_a_text_of_known_tokens_changes_nothing() -> None:
    before, after = grown({})
    counts = torch.zeros(VOCAB_SIZE + MORE, dtype=torch.int64)
    counts[:3] = 5
    assert not start_new_tokens(after, counts, seed=1).any()
    assert torch.equal(after.seen[:VOCAB_SIZE], before.seen)
