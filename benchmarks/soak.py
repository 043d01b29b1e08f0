"""Train, kill, resume, sample and verify, again and again; what was lost is counted.

    python benchmarks/soak.py [--minutes 10] [--seed 1]

Each round draws a run (cell, layers, regularisers, tokens, length) and trains it twice: once left
alone, once killed at random moments and resumed until it is done. It saves all the time, so that
kills fall among its writing. Most are SIGKILL; some are SIGTERM, SIGHUP, SIGINT, or SIGINT twice,
which must leave a state to go on from. After each kill the folder is opened, its state read, a text
drawn from its model; now and then a second run is started beside the first, which must be refused.
In the end both are compared tensor by tensor, bit for bit, with all numbers that are no times.

The runs are forked from here, so that a kill costs no import of torch. One thread, Linux or macOS.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # a process that has threads cannot be forked

import numpy as np
import torch

import chargen
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.snapshot import Snapshot
from chargen.cli.main import main as run_command
from chargen.nn.weights import Arrays

TEXT = Path(__file__).resolve().parent.parent / "corpora" / "everyday.txt"
TIMES = ("seconds", "step_seconds", "schedule_start", "reserve", "evaluation_seconds")
LONGEST = 0.6  # seconds from a start to a kill; after some 0.1 of them it is trained
SIGNALS = ("KILL",) * 7 + ("TERM", "HUP", "INT", "INT INT")


def draw_flags(draw: random.Random) -> list[str]:
    """The flags of a run that takes some seconds."""
    some: dict[str, Any] = {
        "cell": draw.choice(["lstm", "gru", "rnn"]),
        "tokenizer": draw.choice(["char", "byte", "subword"]),
        "vocab-size": 300,
        "documents": draw.choice(["file", "line"]),
        "hidden-size": draw.choice([8, 24]),
        "embedding-size": 8,
        "num-layers": draw.choice([1, 2]),
        "batch-size": draw.choice([2, 5]),
        "bptt": draw.choice([7, 16]),
        "dropout": draw.choice([0, 0.3]),
        "weight-dropout": draw.choice([0, 0.3]),
        "embedding-dropout": draw.choice([0, 0.2]),
        "token-dropout": draw.choice([0, 0.1]),
        "activation-penalty": draw.choice([0, 1]),
        "temporal-penalty": draw.choice([0, 1]),
        "average": draw.choice([0, 0.9]),
        "reset": draw.choice([0.02, 0.3]),
        "evaluations": draw.choice([3, 17]),
        "seed": draw.randrange(1000),
    }
    switches = [f"--{name}" for name in ("random-bptt", "layer-norm", "residual")]
    length = draw.choice([["--steps", str(draw.randint(200, 400))], ["--epochs", "0.05"]])
    flags = [text for name, value in some.items() for text in (f"--{name}", str(value))]
    return flags + [switch for switch in switches if draw.random() < 0.5] + length


def start(arguments: list[str], told: Path) -> int:
    """Run the command line in a process of its own; its number."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # none comes before it can be caught
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return pid
    code = 130  # of Ctrl-C before the command is there to take it, or after
    try:
        code = _run(arguments, told, signals)
    finally:
        os._exit(code)


def _run(arguments: list[str], told: Path, signals: set[signal.Signals]) -> int:
    with open(told, "ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return run_command(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def wait(pid: int, seconds: float) -> int | None:
    """The exit code of the process, minus the signal that ended it; None while it lives."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.002)


def import_all(folder: Path) -> None:
    """Import what a run imports where it is first used; a process that has trained cannot fork."""
    pid = os.fork()
    if not pid:
        chargen.train(
            TEXT, out=folder / "warm", steps=2, hidden_size=8, tokenizer="subword", quiet=True
        )
        (folder / "modules").write_text("\n".join(sys.modules), encoding="utf-8")
        os._exit(0)
    os.waitpid(pid, 0)
    for name in (folder / "modules").read_text(encoding="utf-8").split():
        with contextlib.suppress(Exception):
            importlib.import_module(name)


class Soak:
    """Counts what is done, and what is found."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.lost: list[str] = []

    def round(self, folder: Path) -> None:
        """One run left alone, and the same one killed."""
        flags = ["train", str(TEXT), *draw_flags(self.draw), "--json"]
        print(" ".join(flags[2:-1]), flush=True)
        told = folder / "told.txt"
        code = wait(start([*flags, "--out", str(folder / "alone")], told), 300)
        if code != 0:
            self.fail(f"left alone it ended with {code}: {_tail(told)}")
            return
        victim = folder / "killed"
        while not self.life(flags, victim, told):
            self.look(victim)
        self.done["runs"] += 1
        self.compare(folder / "alone", victim)

    def life(self, flags: list[str], folder: Path, told: Path) -> bool:
        """One process of the run that is killed; whether it came to its end."""
        again = (folder / "training.safetensors").exists()
        mode = ["--resume"] if again else ["--overwrite"] if folder.exists() else []
        command = ["train", "--resume"] if again else [*flags[:-1], *mode]
        self.done["resumes" if again else "starts"] += 1
        pid = start([*command, "--out", str(folder), "--save-every", "0.001", "--json"], told)
        code = None
        if again and self.draw.random() < 0.1:
            code = wait(pid, 0.3)
            if code is None:
                self.check_refused(pid, folder, told)
        if code is None:
            code = wait(pid, self.draw.uniform(0, LONGEST))
        if code is None:
            kind = self.draw.choice(SIGNALS)
            for name in kind.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, getattr(signal, f"SIG{name}"))
                time.sleep(0.001)
            code = wait(pid, 60)
            self.done[f"kills: {kind}"] += 1
            # A signal may come when all is done; before Python is ready, it ends the process.
            expected = {"KILL": {-9}, "TERM": {143, -15}, "HUP": {129, -1}, "INT": {130, -2}}[
                kind.split()[0]
            ]
            if code not in expected | {0}:
                self.fail(f"after SIG{kind} it ended with {code}: {_tail(told)}")
        elif code:
            self.fail(f"it ended by itself with {code}: {_tail(told)}")
        return code == 0

    def check_refused(self, pid: int, folder: Path, told: Path) -> None:
        """Start a second run on the folder while the first one is stopped in the midst of it."""
        os.kill(pid, signal.SIGSTOP)
        code = wait(start(["train", "--resume", "--out", str(folder)], told), 60)
        os.kill(pid, signal.SIGCONT)
        if code == 1 and "in use by another chargen" in _tail(told):
            self.done["second runs refused"] += 1
        elif code == 0:
            # The first one had not come as far as the lock, so the second had it.
            self.done["second runs that were first"] += 1
        else:
            self.fail(f"a second run ended with {code}: {_tail(told)}")

    def look(self, folder: Path) -> None:
        """The folder as a kill has left it."""
        if not (folder / "training.safetensors").exists():
            self.done["killed before the first save"] += 1
            return
        try:
            snapshot = load_snapshot(folder)
            model = chargen.load(folder)
            model.generate("The color of", max_tokens=3, seed=1)
            best = load_checkpoint(folder).weights.arrays
        except Exception as error:
            self.fail(f"{folder} does not open: {type(error).__name__}: {error}")
            return
        self.done["folders opened"] += 1
        if not _equal(best, snapshot.best):
            self.fail(f"{folder}: the model is not the best one of its training state")
        if any(np.isnan(array).any() for array in snapshot.weights.values()):
            self.fail(f"{folder}: a weight is no number")

    def compare(self, alone: Path, killed: Path) -> None:
        """All that the two runs have come to, but for their times."""
        one, other = load_snapshot(alone), load_snapshot(killed)
        for group in ("weights", "best", "learner"):
            left, right = getattr(one, group), getattr(other, group)
            self.done["tensors compared"] += len(left)
            if not _equal(left, right):
                self.fail(f"{killed}: {group} differ")
        if _numbers(one) != _numbers(other):
            self.fail(f"{killed}: {_numbers(one)} became {_numbers(other)}")
        left, right = (load_checkpoint(path).weights.arrays for path in (alone, killed))
        if not _equal(left, right):
            self.fail(f"{killed}: the models differ")
        parts = [path.name for path in killed.iterdir() if path.name.startswith(".")]
        if parts:
            self.fail(f"{killed}: left behind: {parts}")

    def fail(self, what: str) -> None:
        self.lost.append(what)
        print(f"LOST: {what}", flush=True)


def _equal(left: Arrays, right: Arrays) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)


def _numbers(snapshot: Snapshot) -> dict[str, Any]:
    kept = {n: v for n, v in snapshot.progress.items() if n not in TIMES}
    lines = [{n: v for n, v in line.items() if n != "seconds"} for line in snapshot.metrics]
    return kept | {"metrics": lines}


def _tail(told: Path) -> str:
    return told.read_text(encoding="utf-8", errors="replace")[-600:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    soak = Soak(arguments.seed)
    until = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        import_all(Path(cache))
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory() as folder:
                soak.round(Path(folder))
    print()
    for what, count in sorted(soak.done.items()):
        print(f"{what:<32} {count:>7,}")
    print(f"{'lost':<32} {len(soak.lost) or 'nothing':>7}")
    sys.exit(bool(soak.lost))


if __name__ == "__main__":
    main()
