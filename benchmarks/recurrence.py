"""What a training step of one layer costs on this CPU, beside torch's layer of the same weights.

    python benchmarks/recurrence.py [--rounds 15] [--sizes 256 512 1024]

Forward and backward over batch 16, 64 places, 64 inputs. Torch's `nn.GRU`, `nn.RNN` and `nn.LSTM`,
ours, ours in bfloat16 and torch's in bfloat16 run in turn in one process; times are medians, ratios
medians over the rounds: how many times as fast as torch in the same precision. `taken` is what a
training takes by itself; an LSTM's layer is torch's where no gain is shown. `error`: how far the
gradients are from torch's in float32, as a share of them, ours and torch's in bfloat16.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from chargen.nn import recurrence
from chargen.runtime.device import describe
from chargen.runtime.precision import uses_bfloat16

BATCH_SIZE, BPTT, EMBEDDING = 16, 64, 64
LAYERS = {"gru": nn.GRU, "rnn": nn.RNN, "lstm": nn.LSTM}
FUNCTIONS = {"gru": "gru", "rnn": "rnn_tanh", "lstm": "lstm"}
Step = Callable[[], list[Tensor]]  # gives its gradients


def make_step(cell: str, layer: nn.RNNBase, is_own: bool, bfloat16: bool) -> Step:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH_SIZE, BPTT, EMBEDDING, generator=generator, requires_grad=True)
    weights = list(layer.parameters())
    zeros = torch.zeros(BATCH_SIZE, layer.hidden_size)
    before = (zeros, zeros) if cell == "lstm" else (zeros,)
    dy = torch.randn(BATCH_SIZE, BPTT, layer.hidden_size, generator=generator)

    def step() -> list[Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            if is_own:
                y, _ = recurrence.recur(FUNCTIONS[cell], x, before, weights)
            else:
                y, _ = layer(x)
        return list(torch.autograd.grad(y, [x, *weights], dy.to(y.dtype)))

    return step


def seconds_of(step: Step) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def error(gradients: list[Tensor], exact: list[Tensor]) -> float:
    """The largest, over inputs and weights."""
    pairs = zip(gradients, exact, strict=True)
    return max(float((one - other).norm() / other.norm()) for one, other in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024])
    arguments = parser.parse_args()
    cpu = torch.device("cpu")
    print(
        f"{describe(cpu)}, torch {torch.__version__}; batch {BATCH_SIZE}, bptt {BPTT}; ms a step\n"
    )
    print(f"{'':<10} {'float32':^24} {'bfloat16':^24} {'':<10} {'error in bfloat16':^16}")
    sides = f"{'torch':>8} {'ours':>8} {'ratio':>6} "
    print(f"{'':<10} {sides}{sides} {'taken':<10}{'torch':>7} {'ours':>8}")
    for cell, module in LAYERS.items():
        for hidden_size in arguments.sizes:
            layer = module(EMBEDDING, hidden_size, batch_first=True)
            kinds = [(own, half) for half in (False, True) for own in (False, True)]
            steps = [make_step(cell, layer, *kind) for kind in kinds]
            found = [step() for step in steps]
            for step in steps:
                step()
            taken = [[seconds_of(step) for step in steps] for _ in range(arguments.rounds)]
            times = [1000 * statistics.median(row[side] for row in taken) for side in range(4)]
            ratios = [statistics.median(row[k] / row[k + 1] for row in taken) for k in (0, 2)]
            half = uses_bfloat16(cpu, cell, hidden_size, "auto")
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                is_own = recurrence.is_own(cell, torch.zeros(1), hidden_size)
            choice = f"{'ours' if is_own else 'torch'} {'bf16' if half else 'f32'}"
            print(
                f"{cell:<5}{hidden_size:<5} {times[0]:8.1f} {times[1]:8.1f} {ratios[0]:6.2f} "
                f"{times[2]:8.1f} {times[3]:8.1f} {ratios[1]:6.2f}  {choice:<10}"
                f"{error(found[2], found[0]):7.0e} {error(found[3], found[0]):8.0e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
