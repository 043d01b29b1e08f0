"""A reservoir is its equation, and its readout the solution of the normal equations."""

from __future__ import annotations

import pytest
import torch

from chargen.lab.echo_state import Reservoir, solve_ridge


def test_a_reservoir_has_the_spectral_radius_that_was_asked() -> None:
    random = torch.Generator().manual_seed(1)
    reservoir = Reservoir(5, 40, random=random, spectral_radius=0.9, density=0.2)
    weight = reservoir.weight.double()
    assert float(torch.linalg.eigvals(weight).abs().max()) == pytest.approx(0.9, abs=1e-5)
    assert 0.1 < float((weight != 0).double().mean()) < 0.3


def test_a_reservoir_is_its_equation() -> None:
    reservoir = Reservoir(5, 7, random=torch.Generator().manual_seed(1), density=0.5)
    tokens = torch.tensor([[0, 3, 1], [2, 2, 4]])
    for row, state in zip(tokens, reservoir.read(tokens), strict=True):
        h = torch.zeros(7)
        for token in row:
            h = (reservoir.weight @ h + reservoir.columns[token]).tanh()
        assert torch.allclose(state, h, atol=1e-6)


def test_the_ridge_solution_is_that_of_the_normal_equations() -> None:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(30, 4, generator=random, dtype=torch.float64)
    y = torch.randn(30, 2, generator=random, dtype=torch.float64)
    weight = solve_ridge(x, y, 0.5)
    # The gradient of |xw - y|^2 / 2 + ridge |w|^2 / 2 is nothing there.
    assert torch.allclose(x.T @ (x @ weight - y) + 0.5 * weight, torch.zeros(4, 2).double())
    assert torch.allclose(solve_ridge(torch.eye(2), torch.tensor([[3.0], [6.0]]), 2.0),
                          torch.tensor([[1.0], [2.0]]).double())  # fmt: skip
