"""Log-probabilities are exact, and each is that of its own token."""

from __future__ import annotations

import pytest
import torch

from chargen.nn.logprobs import log_probabilities, logprobs_of


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_each_token_costs_what_the_model_says(shape: tuple[int, ...]) -> None:
    shares = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.double)
    logits = (shares.log() + 7).float().expand(*shape, 4)
    found = log_probabilities(logits)
    assert found.dtype == torch.double
    assert found.exp().sum(-1).allclose(torch.ones(shape, dtype=torch.double))
    tokens = torch.randint(4, shape, generator=torch.Generator().manual_seed(0))
    costs = logprobs_of(found, tokens)
    assert costs.shape == shape
    assert costs.exp().allclose(shares[tokens], atol=1e-6)
