"""Several processes learn as one does, stop together, go on in other numbers, and tell things once.

They are started by torchrun, which is how people start them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from chargen.checkpoint.folder import load_snapshot
from chargen.checkpoint.metadata import read_metadata
from chargen.errors import ConfigError
from chargen.runtime.distributed import ALONE, Ranks
from chargen.runtime.memory import is_out_of_memory
from tests.support.command import Chargen
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL
from tests.support.steps import stepper_of, take_steps

SMALL_FLAGS = [
    flag
    for name, value in (SMALL | {"precision": "float32"}).items()
    for flag in (f"--{name.replace('_', '-')}", str(value))
]


def torchrun(ranks: int, *command: object) -> list[str]:
    if ranks == 1:
        return [sys.executable, *map(str, command)]
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(ranks),
        *map(str, command),
    ]


def run(ranks: int, *command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        torchrun(ranks, *command), capture_output=True, encoding="utf-8", timeout=120, cwd=folder
    )


def told(stderr: str) -> list[str]:
    """What chargen says, among what torchrun does."""
    return [line for line in stderr.splitlines() if line.startswith("chargen: ")]


HOUSE = Path(__file__).parents[2]


# -- the mathematics --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranks", "options"),
    [
        (2, []),
        (4, ['cell="gru"', "activation_penalty=0.5", "temporal_penalty=0.5", "accumulate=2"]),
        (2, ['loss_after="is "', "accumulate=2"]),
        (4, ['documents="line"', 'network={"fresh_state": true}', "accumulate=2", "bptt=9"]),
    ],
)
def test_ranks_learn_as_one_process_does(
    corpus_file: Path, tmp_path: Path, ranks: int, options: list[str]
) -> None:
    """Six streams: three each of two, one or two each of four, whose counts differ."""
    out = tmp_path / "losses.json"
    done = run(ranks, "-m", "tests.support.steps", corpus_file, out, 50, *options, folder=HOUSE)
    assert done.returncode == 0, done.stderr
    named = {name: json.loads(value) for name, value in (o.split("=") for o in options)}
    alone, _ = take_steps(stepper_of(corpus_file, **named | {"accumulate": 1}), 53)
    together = json.loads(out.read_text(encoding="utf-8"))
    assert together == pytest.approx(alone, abs=1e-5)
    assert together[-1] < together[0] - 0.5


@pytest.mark.parametrize("parts", [2, 4, 6, 100])
@pytest.mark.parametrize(
    ("cell", "after"), [*((cell, None) for cell in CELL_NAMES), ("lstm", "s ")]
)
def test_streams_that_are_read_in_parts_give_the_same_steps(
    corpus_file: Path, cell: str, after: str | None, parts: int
) -> None:
    options: dict[str, Any] = {
        "cell": cell,
        "loss_after": after,
        "reset": 0.3,
        "random_bptt": True,
        "temporal_penalty": 0.5,
    }
    whole, in_parts = (
        take_steps(stepper_of(corpus_file, **options, accumulate=count), 50)[0]
        for count in (1, parts)
    )
    assert in_parts == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(("ranks", "streams"), [(1, 5), (2, 5), (3, 16), (7, 7), (8, 1000)])
def test_every_stream_has_one_rank(ranks: int, streams: int) -> None:
    found = []
    for rank in range(ranks):
        one = Ranks()
        one.rank, one.world_size = rank, ranks
        found += list(one.rows(streams))
        assert len(one.rows(streams)) - streams // ranks in (0, 1)
    assert found == list(range(streams))
    assert list(ALONE.rows(streams)) == found


def test_more_ranks_than_streams_are_refused() -> None:
    one = Ranks()
    one.world_size = 3
    with pytest.raises(ConfigError, match="3 ranks cannot share 2 streams"):
        one.rows(2)


# -- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 2, 4])
def test_where_memory_ends_the_same_steps_are_taken_in_smaller_parts(
    corpus_file: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that has room for so many streams at once."""
    plain, _ = take_steps(stepper_of(corpus_file, reset=0.3), 20)
    tight = stepper_of(corpus_file, reset=0.3)
    read = tight.model.read

    def read_some(tokens: torch.Tensor, state: object) -> object:
        if len(tokens) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(tokens, state)  # type: ignore[arg-type]

    monkeypatch.setattr(tight.model, "read", read_some)
    losses, _ = take_steps(tight, 20)
    assert losses == pytest.approx(plain, abs=1e-5)
    assert tight.parts == {1: 6, 2: 4, 4: 2}[room]


def test_where_there_is_no_room_for_one_stream_it_is_reported(
    corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepper = stepper_of(corpus_file)

    def read(tokens: torch.Tensor, state: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried too much")

    monkeypatch.setattr(stepper.model, "read", read)
    with pytest.raises(RuntimeError) as raised:
        stepper.step(0.01)
    assert is_out_of_memory(raised.value)


FAILS_IN_A_STEP = """
import os, signal, sys, torch
from chargen.cli.main import main
from chargen.nn.model import LanguageModel
from chargen.runtime.signals import Interrupts
leave = Interrupts.__exit__
def leave_and_hear(*given):
    leave(*given)
    os.kill(os.getpid(), signal.SIGTERM)  # as torchrun does once another has ended
Interrupts.__exit__ = leave_and_hear
read, left = LanguageModel.read, [6]
def read_some(*given):
    left[0] -= 1
    if os.environ["RANK"] == "NUMBER" and not left[0]:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return read(*given)
LanguageModel.read = read_some
sys.exit(main(["train", sys.argv[1], "--steps", "1000", "--hidden-size", "16",
               "--out", sys.argv[2]]))
"""


# -- a run ------------------------------------------------------------------------------------


def test_a_run_of_two_goes_on_as_one_and_as_three(corpus_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train: list[object] = ["-m", "chargen", "train", "--out", out, "--json"]
    steps = (20, 30, 40)
    first: list[object] = [corpus_file, *SMALL_FLAGS, "--dropout", "0.2", "--average", "0.9"]
    first += ["--reset", "0"]  # after one nothing is remembered
    again: list[object] = ["--resume", "--accumulate", "2"]
    for ranks, count, flags in zip((2, 1, 3), steps, (first, again, again), strict=True):
        done = run(ranks, *train, "--steps", count, *flags, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["event"] for line in lines].count("done") == 1  # rank 0 alone shows
        assert lines[-1]["steps"] == count
    assert read_metadata(out).scores.steps == 40
    snapshot = load_snapshot(out)
    streams = SMALL["batch_size"]
    assert snapshot.learner["state.0.0"].shape == (streams, SMALL["hidden_size"])
    assert all(row.any() for row in snapshot.learner["state.0.0"])
    losses = [line["valid_loss"] for line in snapshot.metrics]
    assert losses[-1] < losses[0]


@contextmanager
def learning(text: Path, out: Path, event: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A long run of two that has told of an event after its first step."""
    command = torchrun(
        2,
        "-m",
        "chargen",
        "train",
        text,
        "--out",
        out,
        "--json",
        "--steps",
        100_000,
        *SMALL_FLAGS,
        *flags,
    )
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=out.parent
    ) as process:
        assert process.stdout is not None
        for line in map(json.loads, process.stdout):
            if line["event"] == event and line["step"] > 0:
                break
        yield process


def ranks_of(parent: int) -> dict[int, int]:
    """The process of each rank that a torchrun has started, by Linux's /proc."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = {}
    for child in children:
        environment = Path(f"/proc/{child}/environ").read_text().split("\0")
        for name, _, value in (entry.partition("=") for entry in environment):
            if name == "RANK":
                found[int(value)] = int(child)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_a_rank_that_dies_ends_the_run_and_the_last_save_goes_on(
    corpus_file: Path, tmp_path: Path, killed: int
) -> None:
    out = tmp_path / "run"
    with learning(corpus_file, out, "saved", "--save-every", "0.01") as process:
        os.kill(ranks_of(process.pid)[killed], signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    [line] = told(stderr)
    assert "one of the 2 ranks has ended" in line and f"--resume and --out {out}" in line
    assert stderr.count("Traceback (most recent call last)") == 1  # torchrun's own
    reached = load_snapshot(out).scores.steps
    assert reached > 0
    done = run(
        1,
        "-m",
        "chargen",
        "train",
        "--resume",
        "--out",
        out,
        "--steps",
        reached + 5,
        "--json",
        folder=tmp_path,
    )
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == reached + 5


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_in_a_step_ends_the_others(
    corpus_file: Path, tmp_path: Path, rank: int
) -> None:
    """They wait for its gradients then. That torchrun ends a rank as well hides no line."""
    script = tmp_path / "failing.py"
    script.write_text(FAILS_IN_A_STEP.replace("NUMBER", str(rank)), encoding="utf-8")
    out = tmp_path / "run"
    done = run(2, script, corpus_file, out, folder=tmp_path)
    assert done.returncode != 0
    [line] = told(done.stderr)
    assert "do not fit into memory" in line
    assert load_snapshot(out).scores.steps == 0


def test_ranks_do_not_go_on_with_another_text(checkpoint: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(checkpoint, tmp_path / "run"))
    other = tmp_path / "other.txt"
    other.write_text("another text, and long enough. " * 40, encoding="utf-8")
    command = ["-m", "chargen", "train", other, "--resume", "--out", out, "--steps", 400]
    done = run(2, *command, folder=tmp_path)
    assert done.returncode != 0
    [line] = told(done.stderr)
    assert "this is not the text that" in line


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("who", ["rank 1", "torchrun"])
def test_where_one_is_told_to_stop_or_torchrun_dies_all_stop_and_save(
    corpus_file: Path, tmp_path: Path, who: str
) -> None:
    out = tmp_path / "run"
    with learning(corpus_file, out, "step") as process:
        if who == "torchrun":
            process.kill()
        else:
            os.kill(ranks_of(process.pid)[1], signal.SIGTERM)
        # Both ends of these are closed when the last rank has ended.
        rest, stderr = process.communicate(timeout=60)
    [line] = told(stderr)
    assert ("torchrun has ended" if who == "torchrun" else "rank 1 was stopped") in line
    saved = [json.loads(line) for line in rest.splitlines()][-1]
    assert load_snapshot(out).scores.steps >= saved["step"] > 0


def test_a_stopped_run_is_saved_by_all(corpus_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with learning(corpus_file, out, "step") as process:
        process.send_signal(signal.SIGINT)
        rest, stderr = process.communicate(timeout=60)
    last = json.loads(rest.splitlines()[-1])
    assert last["event"] == "interrupted"
    assert load_snapshot(out).scores.steps == last["steps"]
    assert told(stderr) == []


# -- mistakes ---------------------------------------------------------------------------------

OTHER_TEXTS = """
import os, sys
from chargen.cli.main import main
text = f"{sys.argv[1]}{os.environ['RANK']}.txt"
sys.exit(main(["train", text, "--steps", "4", "--out", sys.argv[2]]))
"""


def test_a_mistake_is_told_once(corpus_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["-m", "chargen", "train", corpus_file, "--out", out, "--batch-size", 1]
    done = run(2, *command, folder=tmp_path)
    assert done.returncode != 0
    [line] = told(done.stderr)
    assert "2 ranks cannot share 1 streams" in line and "no more than 1" in line
    assert not out.exists()


@pytest.mark.parametrize("local_rank", [0, 1])
@pytest.mark.parametrize("flags", [["--steps", 0], ["--nonsense"], ["--vocab-size", "x"]])
def test_what_is_wrong_by_itself_is_told_by_one_rank_of_a_machine(
    run_chargen: Chargen, local_rank: int, flags: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "WORLD_SIZE": 2,
        "LOCAL_RANK": local_rank,
    }.items():
        monkeypatch.setenv(name, str(value))
    done = run_chargen("train", "text.txt", *flags)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 - local_rank


@pytest.mark.parametrize("second", ["another text, and long enough. " * 40, None])
def test_ranks_with_different_texts_are_told_apart(tmp_path: Path, second: str | None) -> None:
    (tmp_path / "t0.txt").write_text("a text that is long enough. " * 40, encoding="utf-8")
    if second is not None:
        (tmp_path / "t1.txt").write_text(second, encoding="utf-8")
    script = tmp_path / "other_texts.py"
    script.write_text(OTHER_TEXTS, encoding="utf-8")
    done = run(2, script, tmp_path / "t", tmp_path / "run", folder=tmp_path)
    assert done.returncode != 0
    [line] = told(done.stderr)
    expected = "is not the same text on rank 1" if second else "no such text"
    assert re.search(expected, line)
    assert not (tmp_path / "run").exists()
