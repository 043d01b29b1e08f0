"""Tensors come back from bytes as they were, and those of another model are named."""

from __future__ import annotations

import pytest
import torch

from chargen.checkpoint.store import (
    blank_model,
    check_weights,
    load_weights,
    num_bytes,
    own_copies,
    tensors_from_bytes,
    tensors_to_bytes,
    weights_of,
)
from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel

TIED = ModelConfig(hidden_size=4, embedding_size=4, tie_weights=True)


def test_weights_come_back_from_bytes_and_a_tied_matrix_stays_one() -> None:
    weights = weights_of(LanguageModel(TIED, 5))
    assert "embedding.weight" not in weights
    found = tensors_from_bytes(tensors_to_bytes(own_copies(weights)))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    model = blank_model(TIED, 5)
    assert num_bytes(model) == sum(tensor.nbytes for tensor in weights.values())
    check_weights(model, found)
    load_weights(model, found)
    assert model.embedding.weight is model.head.weight
    assert torch.equal(model.head.bias, weights["head.bias"])


def test_tensors_that_share_memory_are_written_each() -> None:
    row = torch.ones(3)
    found = tensors_from_bytes(tensors_to_bytes(own_copies({"one": row, "other": row})))
    assert torch.equal(found["one"], found["other"])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100])
def test_bytes_that_are_no_tensors_are_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        tensors_from_bytes(content)


def test_weights_of_another_model_are_named() -> None:
    model, weights = blank_model(TIED, 5), own_copies(weights_of(LanguageModel(TIED, 5)))
    bias = weights["head.bias"]
    with pytest.raises(ValueError, match=r"head\.bias is missing"):
        check_weights(model, {n: t for n, t in weights.items() if n != "head.bias"})
    with pytest.raises(ValueError, match=r"head\.bias is missing, unknown or of another shape"):
        check_weights(model, weights | {"head.bias": bias[1:]})
    with pytest.raises(ValueError, match=r"head\.bias holds a number that is not finite"):
        check_weights(model, weights | {"head.bias": torch.full_like(bias, torch.nan)})
