"""Whether training stays sound at the corners of what can be asked for.

    python benchmarks/stability.py TEXT [--steps 300]

Trains each cell at each corner for some steps, with every other option as the planner chooses it,
and prints: the largest mean |c| and |h| of a layer after any step, the largest rise of the
validation loss between two evaluations, how far training and validation end apart, and how often
the run went back. What breaks a bound is marked.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from chargen.training import trainer as training
from chargen.training.events import EvalReport, Rollback, StepReport
from chargen.training.request import RunRequest
from chargen.training.train import prepare

CELLS, SIZES, LAYERS = ("lstm", "gru", "rnn"), (64, 512, 1024), (1, 4)
MAX_STATE, MAX_RISE, MAX_GAP = 5.0, 0.1, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=CELLS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--layers", type=int, nargs="+", default=LAYERS)
    arguments = parser.parse_args()
    print(f"{'cell':<5} {'hidden':>6} {'layers':>6} {'|c|':>6} {'|h|':>6} {'rise':>7} {'gap':>7} "
          f"{'valid':>7} {'back':>5}")  # fmt: skip
    training.REPORT_SECONDS = 0  # look at the state after every step
    sound = True
    for cell, hidden_size, num_layers in itertools.product(
        arguments.cells, arguments.sizes, arguments.layers
    ):
        options = {"cell": cell, "hidden_size": hidden_size, "num_layers": num_layers,
                   "steps": arguments.steps, "evaluations": 6}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            run = prepare(RunRequest([arguments.text], out=f"{folder}/run", options=options))
            trainer = run.trainer
            largest = {"c": 0.0, "h": 0.0}
            rollbacks = 0
            for event in trainer.run():
                rollbacks += isinstance(event, Rollback)
                if isinstance(event, StepReport | EvalReport):
                    for layer in trainer.stepper.state.layers:
                        for name, part in zip("hc", layer, strict=False):
                            largest[name] = max(largest[name], float(part.abs().mean()))
        losses = [report.valid_loss or 0.0 for report in trainer.history]
        rise = max((later - earlier for earlier, later in itertools.pairwise(losses)), default=0.0)
        gap = losses[-1] - (trainer.history[-1].train_loss or 0.0)
        broken = largest["c"] > MAX_STATE or rise > MAX_RISE or abs(gap) > MAX_GAP or rollbacks > 0
        sound &= not broken
        print(
            f"{cell:<5} {hidden_size:>6} {num_layers:>6} {largest['c']:6.2f} {largest['h']:6.2f} "
            f"{rise:+7.3f} {gap:+7.3f} {losses[-1]:7.3f} {rollbacks:>5}{'  <<' * broken}",
            flush=True,
        )
    print("all within bounds" if sound else "some break a bound (<<)")


if __name__ == "__main__":
    main()
