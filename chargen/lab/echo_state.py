"""A recurrent network that is never trained, and a linear output layer that is solved (Jaeger
2001).

Shapes: B rows, T tokens, H hidden, F features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Reservoir:
    """An echo state network without its output layer: h = tanh(W h + the token's column of U).

    W (H, H) is drawn sparse and scaled to a spectral radius just under 1, so that what was read
    fades, slowly. U is small: near 0 a tanh is nearly linear, and mixes least what it holds.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        *,
        random: torch.Generator,
        spectral_radius: float = 0.99,
        density: float = 0.1,
        input_scale: float = 0.1,
    ) -> None:
        weight = torch.randn(hidden_size, hidden_size, generator=random, dtype=torch.float64)
        kept = torch.rand(hidden_size, hidden_size, generator=random) < density
        weight = weight * kept
        largest = torch.linalg.eigvals(weight).abs().max()
        self.weight = (weight * (spectral_radius / largest)).float()
        signs = torch.rand(vocab_size, hidden_size, generator=random) * 2 - 1
        self.columns = signs * input_scale  # (V, H)

    def read(self, tokens: Tensor) -> Tensor:
        """The state after the last of (B, T) tokens, from zeros: (B, H)."""
        state = torch.zeros(len(tokens), len(self.weight))
        transposed = self.weight.T.contiguous()
        for column in tokens.T:
            state = torch.addmm(self.columns[column], state, transposed).tanh()
        return state


def solve_ridge(features: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """The W (F, K) that minimises |features W - targets|^2 + ridge |W|^2, in double precision: the
    normal equations, (X'X + ridge I) W = X'Y (Hoerl and Kennard 1970). (N, F) and (N, K)."""
    x, y = features.double(), targets.double()
    gram = x.T @ x + ridge * torch.eye(x.shape[1], dtype=torch.float64)
    weight: Tensor = torch.linalg.solve(gram, x.T @ y)
    return weight
