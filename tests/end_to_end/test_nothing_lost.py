"""Whenever a run ends, and however: what was saved is there, and goes on as if it had not ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.checkpoint.folder import load_checkpoint, load_snapshot, save
from chargen.checkpoint.snapshot import Snapshot
from chargen.display.numbers import clock
from chargen.errors import ChargenError, CheckpointError
from chargen.runtime.files import Lock
from chargen.scoring.scores import Score
from chargen.training.events import EvalReport, Rollback, Saved
from chargen.training.request import RunRequest
from chargen.training.run import Run
from chargen.training.train import prepare
from tests.support.command import Chargen
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL, TEXT
from tests.support.seals import edit_training
from tests.training.test_trainer import EVERY_REGULARISER, Clock, equal, make_trainer

TIMES = ("seconds", "step_seconds", "schedule_start", "reserve", "evaluation_seconds")
RUN: dict[str, Any] = SMALL | EVERY_REGULARISER | {
    "steps": 20, "dropout": 0.2, "reset": 0.2, "evaluations": 3, "num_layers": 2,
    "precision": "float32",
}  # fmt: skip


class KilledError(BaseException):
    """The process ends here: nothing else of it is done, no cleaning up either."""


def assert_same(one: Snapshot, other: Snapshot) -> None:
    """All that two runs have come to, but for their times."""
    assert equal(one.weights, other.weights)
    assert equal(one.best, other.best)
    assert equal(one.learner, other.learner)
    left, right = (
        {name: value for name, value in snapshot.progress.items() if name not in TIMES}
        for snapshot in (one, other)
    )
    assert left == right
    histories = [[{**line, "seconds": 0} for line in s.metrics] for s in (one, other)]
    assert histories[0] == histories[1]


@pytest.fixture
def whole(tmp_path: Path, corpus_file: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """A run that nothing happened to."""
    monkeypatch.setattr("chargen.training.trainer.CHECK_STEPS", 7)
    # it is read in several parts
    monkeypatch.setattr("chargen.scoring.validation.VALIDATION_BURN_IN", 4)
    list(prepare(RunRequest([corpus_file], out=tmp_path / "whole", options=RUN)).events())
    return load_snapshot(tmp_path / "whole")


def resume(folder: Path, **options: Any) -> Run:
    torch.manual_seed(99)  # another process would not have the same global state
    return prepare(RunRequest([], out=folder, resume=True, options=options))


# -- at any moment ----------------------------------------------------------------------------


def test_a_run_goes_on_from_each_of_its_events(
    tmp_path: Path, corpus_file: Path, whole: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left after each event in turn, those in the midst of an evaluation among them."""
    monkeypatch.setattr("chargen.training.trainer.REPORT_SECONDS", 0)
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN))
    kinds = []
    while not run.trainer.finished:
        events = run.events()
        for count, event in enumerate(events):
            kinds.append((event.kind, event.step))
            if count == len(kinds) % 3:  # the next one, the one after it ...
                events.close()
        run = resume(tmp_path / "run")
    run.release()
    assert len({step for _, step in kinds}) == RUN["steps"]
    assert kinds.count(("step", 20)) > 1, "the evaluation was left in its midst"
    assert_same(load_snapshot(tmp_path / "run"), whole)


OPERATIONS = ("fsync", "replace", "unlink")


def killed_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From that operation on files on, each raises."""
    count = 0

    def watched(operation: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > moment:
                raise KilledError
            return operation(*arguments, **options)

        return act

    for name in OPERATIONS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))


def test_a_kill_between_any_two_operations_leaves_one_state_or_the_next(
    tmp_path: Path, corpus_file: Path, whole: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    run = prepare(RunRequest([corpus_file], out=folder, options=RUN))
    events = run.events()
    next(event for event in events if isinstance(event, EvalReport))
    run.trainer.save()
    before = load_snapshot(folder)
    next(event for event in events if isinstance(event, EvalReport))
    moments = 0
    while True:
        with monkeypatch.context() as patch:
            killed_at(moments, patch)
            with suppress(KilledError):
                run.trainer.save()
                break  # this time it came to its end
        found, loaded = load_snapshot(folder), load_checkpoint(folder)
        assert found.scores.steps in (before.scores.steps, run.trainer.step)
        # The first rename is the move from one state to the next.
        assert (found.scores.steps == run.trainer.step) == (moments >= 2)
        assert loaded.metadata.scores == found.scores
        assert equal(loaded.weights.arrays, found.best)
        moments += 1
    assert moments >= 15, "five files, each of them synced, renamed, and the folder synced"
    run.release()
    list(resume(folder).events())
    assert_same(load_snapshot(folder), whole)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_what_a_kill_left_half_written_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {path.name for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        killed_at(0, patch)
        with pytest.raises(KilledError):
            save(folder, load_snapshot(folder))
    assert len(list(folder.iterdir())) == len(names) + 1
    resume(folder)
    assert {path.name for path in folder.iterdir()} == names


def test_a_run_that_is_done_stays_as_it_is(run_chargen: Chargen, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run_chargen("train", "--resume", "--out", folder)
    assert done.returncode == 0
    assert f"{folder} is already finished; extend it with --steps N" in done.stdout
    assert f", {clock(load_snapshot(folder).scores.seconds)}\n" in done.stdout, "no time went by"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_clock_that_was_set_back_makes_no_state_older(
    tmp_path: Path, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN))
    run.trainer.train_step()
    monkeypatch.setattr(
        "chargen.checkpoint.folder.time.strftime", lambda *_: "2001-01-01T00:00:00Z"
    )
    with monkeypatch.context() as patch:
        killed_at(2, patch)
        with pytest.raises(KilledError):
            run.trainer.save()
    run.release()
    assert load_checkpoint(tmp_path / "run").metadata.scores.steps == 1
    assert resume(tmp_path / "run").trainer.step == 1


def test_a_network_that_can_write_nothing_is_the_guards_matter(
    tmp_path: Path, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample that comes with an evaluation does not end a run."""
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN))
    monkeypatch.setattr("chargen.generation.decoding.check_finite", refused)
    reports = [event for event in run.events() if isinstance(event, EvalReport)]
    assert [report.sample for report in reports] == ["", "", ""]
    assert run.trainer.step == RUN["steps"]


def refused(*_: object) -> None:
    raise ChargenError("it can say nothing")


def test_a_training_state_of_another_time_is_not_believed(
    folder: Path, tmp_path: Path, corpus_file: Path
) -> None:
    """An older one than what lies beside it was put there by somebody."""
    expected = load_checkpoint(folder).weights.arrays
    other = tmp_path / "other"
    list(prepare(RunRequest([corpus_file], out=other, options=RUN)).events())
    edit_training(other, lambda s: s["config"].update(saved_at="2001-01-01T00:00:00Z"))
    (other / "training.safetensors").replace(folder / "training.safetensors")
    assert equal(load_checkpoint(folder).weights.arrays, expected)
    with pytest.raises(CheckpointError, match=r"is older than config.json .* remove config.json"):
        resume(folder, steps=400)
    (folder / "config.json").unlink()
    assert resume(folder, steps=30).trainer.step == RUN["steps"]


def test_a_folder_that_a_kill_left_without_a_state_can_be_used(
    tmp_path: Path, corpus_file: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".chargen-123-456.part").write_bytes(b"half a state")
    with pytest.raises(CheckpointError, match="exists; it is empty: overwrite=True takes it"):
        prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN))
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", overwrite=True, options=RUN))
    run.release()
    assert not list((tmp_path / "run").glob(".*"))


def test_a_resumed_run_remembers_the_files_that_it_was_given(
    tmp_path: Path, corpus_file: Path
) -> None:
    list(prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN)).events())
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "tiny.txt").write_bytes(corpus_file.read_bytes())
    for steps, given in ((21, [folder]), (22, [])):
        list(
            prepare(
                RunRequest(given, out=tmp_path / "run", resume=True, options={"steps": steps})
            ).events()
        )
    assert load_snapshot(tmp_path / "run").paths == [str(folder / "tiny.txt")]
    assert load_snapshot(tmp_path / "run").corpus.name == "tiny"


def test_a_crash_between_the_files_is_mended_though_the_run_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_checkpoint(folder)
    names = ("model.safetensors", "config.json", "metrics.jsonl", "tokenizer.json")
    for name in names:
        (folder / name).unlink()
        run = resume(folder)
        assert run.trainer.finished and (folder / name).exists()
        run.release()
    for name in names:
        (folder / name).write_bytes(b"of another time")
    assert resume(folder).trainer.finished
    (folder / "training.safetensors").unlink()
    mended = load_checkpoint(folder)
    assert equal(mended.weights.arrays, expected.weights.arrays)
    assert mended.metadata.scores.valid_loss == expected.metadata.scores.valid_loss


def json_events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def flags(options: dict[str, Any]) -> list[str]:
    spelled: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        spelled += [flag] if value is True else [flag, str(value)]
    return spelled


def start(tmp_path: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chargen", "train", *map(str, arguments), "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("length", [{"steps": 60}, {"epochs": 0.3}])
def test_a_killed_process_is_resumed_bit_for_bit(
    tmp_path: Path, corpus_file: Path, cell: str, length: dict[str, Any]
) -> None:
    options = {k: v for k, v in RUN.items() if k != "steps"} | length | {"cell": cell}
    list(prepare(RunRequest([corpus_file], out=tmp_path / "whole", options=options)).events())
    saves = ["--save-every", "1e-6"]
    with start(tmp_path, corpus_file, "--out", "run", *flags(options), *saves) as process:
        for event in json_events(process):
            if event["event"] == "saved" and event["step"] > 7:
                process.kill()
        assert process.wait(60) == -signal.SIGKILL
    done = load_snapshot(tmp_path / "run").scores.steps
    assert 7 < done < load_snapshot(tmp_path / "whole").scores.steps
    list(resume(tmp_path / "run").events())
    assert_same(load_snapshot(tmp_path / "run"), load_snapshot(tmp_path / "whole"))


def test_a_second_ctrl_c_ends_at_once_and_tears_no_file(tmp_path: Path, corpus_file: Path) -> None:
    options = SMALL | {"steps": 100_000, "save_every": 1e-6}
    with start(tmp_path, corpus_file, "--out", "run", *flags(options)) as process:
        next(e for e in json_events(process) if e["event"] == "saved" and e["step"] > 0)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert load_snapshot(tmp_path / "run").scores.steps > 0
    assert chargen.load(tmp_path / "run")


def test_what_nohup_has_ignored_stays_ignored(tmp_path: Path, corpus_file: Path) -> None:
    options = SMALL | {"steps": 100_000, "save_every": 1e-6}
    words = " ".join(["-m", "chargen", "train", str(corpus_file), "--json", *flags(options)])
    with subprocess.Popen(
        ["bash", "-c", f"trap '' HUP; exec {sys.executable} {words} --out run"],
        cwd=tmp_path, stdout=subprocess.PIPE, encoding="utf-8",
    ) as process:  # fmt: skip
        events = json_events(process)
        first = next(event for event in events if event["event"] == "saved")
        process.send_signal(signal.SIGHUP)
        assert any(e["event"] == "saved" and e["step"] > first["step"] + 20 for e in events)
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


# -- what the state holds ---------------------------------------------------------------------


def test_a_gradient_that_was_no_number_is_not_forgotten(
    tmp_path: Path, corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard looks at the last gradient, which may be the last thing before a kill."""
    monkeypatch.setattr("chargen.training.trainer.CHECK_STEPS", 5)
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN))
    run.trainer._check()
    while run.trainer.step < 5:
        run.trainer.train_step()
    run.trainer.stepper.gradient_norm = torch.tensor(float("inf"))
    run.trainer.save()
    run.release()
    events = resume(tmp_path / "run").events()
    rollback = next(events)
    assert isinstance(rollback, Rollback) and rollback.back_to == 0
    events.close()


def test_no_broken_state_is_saved_between_two_checks(tmp_path: Path, corpus_file: Path) -> None:
    run = prepare(
        RunRequest([corpus_file], out=tmp_path / "run", options=RUN | {"save_every": 1e-6})
    )
    saved = []
    for event in run.events():
        if isinstance(event, Saved):
            saved.append(event.step)
            if event.step == 3 and saved.count(3) == 1:
                with torch.no_grad():
                    run.model.head.bias.fill_(float("nan"))
            snapshot = load_snapshot(tmp_path / "run")
            assert all(np.isfinite(array).all() for array in snapshot.weights.values())
    assert {1, 2, 3, 20} <= set(saved)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.update(step=-1), "step"),
        (lambda p: p.update(place=2**70), "place"),
        (lambda p: p.update(place="1"), "place"),
        (lambda p: p.update(colour=1), "colour"),
        (lambda p: p.pop("ceiling"), "ceiling"),
        (lambda p: p["good"].update(step=None), "step"),
        (lambda p: p["good"].update(x=1), "x"),
        (lambda p: p.update(plan=[1, 2]), "plan"),
        (lambda p: p.update(progress=1e308), "progress"),
        (lambda p: p.update(seconds=-1), "seconds"),
    ],
)
def test_numbers_that_cannot_be_are_named(
    folder: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    edit_training(folder, lambda state: change(state["progress"]))
    with pytest.raises(CheckpointError, match=f"training state in .* is damaged.*{says}"):
        resume(folder)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("learner.state.0.0", torch.zeros(3, 3)),
        ("learner.optimizer.0.exp_avg", torch.zeros(1)),
        ("learner.optimizer.99.exp_avg", torch.zeros(1)),
        ("learner.random.torch", torch.zeros(5056)),
        ("learner.random.resets", torch.zeros(1, dtype=torch.uint8)),
        ("learner.good.state.0.1", torch.zeros(3, 3)),
        ("learner.mood", torch.zeros(3)),
        ("learner.good.random.torch", torch.zeros(5056, dtype=torch.uint8)),
        ("learner.good.random.resets", torch.zeros(5056)),
        ("model.head.bias", torch.full((258,), float("nan"))),
        ("model.head.bias", torch.zeros(3)),
        ("best.head.bias", torch.zeros(257, dtype=torch.float64)),
        ("other.head.bias", torch.zeros(257)),
        ("learner.optimizer.0.step", None),
        ("learner.random.torch", None),
        ("learner.good.model.head.bias", None),
        ("best.head.weight", None),
    ],
)
def test_tensors_that_cannot_be_are_named(
    folder: Path, name: str, tensor: torch.Tensor | None
) -> None:
    def put(tensors: dict[str, torch.Tensor]) -> None:
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor

    edit_training(folder, change_tensors=put)
    with pytest.raises(CheckpointError, match=r"damaged"):
        resume(folder)


# -- often enough -----------------------------------------------------------------------------


def test_no_more_is_lost_than_was_asked_for(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation that takes long finds all saved that could be too old after it."""
    clock = Clock()

    def slow(*_: object) -> Iterator[Score]:
        clock.now += 20
        yield Score(1.0, 1, 1, 1)

    monkeypatch.setattr("chargen.training.evaluator.validation", slow)
    corpus = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=RUN)).corpus
    trainer = make_trainer(corpus, steps=2000, evaluations=8, save_every=30, clock=clock)
    saved = 0.0
    evaluated = 0
    for event in trainer.run():
        if isinstance(event, Saved):
            saved = event.seconds
        elif isinstance(event, EvalReport):
            evaluated += 1
        assert event.seconds - saved < 30.2
    assert evaluated == 8


def test_a_loss_that_is_no_number_is_beaten_by_any(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has no word for it, so a resumed run must judge it as the one that saw it."""
    losses = {7: float("nan"), 14: 3.0, 20: 4.0}
    current: list[Run] = []

    def scored(*_: object) -> list[Score]:
        return [Score(losses[current[-1].trainer.step], 1, 1, 1)]

    monkeypatch.setattr("chargen.training.evaluator.validation", scored)
    best = []
    for out, stop in (("whole", 99), ("one", 7), ("two", 14)):
        current.append(prepare(RunRequest([corpus_file], out=tmp_path / out, options=RUN)))
        events = current[-1].events()
        for event in events:
            if isinstance(event, EvalReport) and event.step == stop:
                events.close()
        current.append(resume(tmp_path / out))
        list(current[-1].events())
        best.append([line["best"] for line in load_snapshot(tmp_path / out).metrics])
    assert best == [[True, True, False]] * 3


# -- one at a time ----------------------------------------------------------------------------


def test_a_folder_is_one_runs_own_until_it_ends(
    run_chargen: Chargen, tmp_path: Path, corpus_file: Path
) -> None:
    options = SMALL | {"steps": 100_000, "save_every": 1e-6}
    with start(tmp_path, corpus_file, "--out", "run", *flags(options)) as process:
        next(event for event in json_events(process) if event["event"] == "saved")
        for mode in (["--resume"], [corpus_file, "--overwrite"]):
            done = run_chargen("train", *mode, "--out", "run", "--steps", 1)
            assert done.returncode == 1
            assert "run is in use by another chargen" in done.stderr
            assert done.stderr.count("\n") == 1
        assert run_chargen("sample", "run", "--max-tokens", 1).returncode == 0
        process.kill()
    steps = load_snapshot(tmp_path / "run").scores.steps
    done = run_chargen("train", "--resume", "--out", "run", "--steps", steps + 1)
    assert done.returncode == 0, "the lock went with the process"


def test_a_lock_is_let_go_when_the_run_is_over_or_was_none(
    tmp_path: Path, corpus_file: Path
) -> None:
    out = tmp_path / "run"
    list(prepare(RunRequest([corpus_file], out=out, options=RUN)).events())
    Lock(out).release()
    with pytest.raises(CheckpointError, match="`hidden_size` is 48 in this run"):
        resume(out, hidden_size=5)
    held = Lock(out)
    with pytest.raises(BlockingIOError):
        Lock(out)
    held.release()
    run = resume(out)
    with pytest.raises(CheckpointError, match="is in use by another chargen"):
        resume(out)
    del run
    Lock(out).release()


# -- where nothing can be written -------------------------------------------------------------


def test_a_full_disk_ends_a_run_with_its_last_good_state(
    tmp_path: Path, corpus_file: Path, whole: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each file in turn."""
    folder = tmp_path / "run"
    run = prepare(RunRequest([corpus_file], out=folder, options=RUN | {"save_every": 1e-6}))
    replace, full, before = os.replace, "", 0

    def move(source: Path, target: Path) -> None:
        if Path(target).name == full and run.trainer.step >= before + 2:
            raise OSError(28, "No space left on device")
        replace(source, target)

    for name in ("training.safetensors", "model.safetensors", "metrics.jsonl", "config.json"):
        full, before = name, run.trainer.step
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", move)
            with pytest.raises(CheckpointError, match=r"No space.*resume=True") as raised:
                list(run.events())
            assert "what was saved before is kept" in str(raised.value)
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        assert load_snapshot(folder).scores.steps >= before + 1
        assert equal(load_checkpoint(folder).weights.arrays, load_snapshot(folder).best)
        run = resume(folder)
    list(run.events())
    assert_same(load_snapshot(folder), whole)


def test_a_file_that_may_not_grow_is_reported(tmp_path: Path, corpus_file: Path) -> None:
    """A limit of the system itself, met in the midst of writing."""
    (tmp_path / "tiny.txt").write_text(TEXT, encoding="utf-8")
    words = " ".join(flags(SMALL | {"steps": 5}))
    command = f"ulimit -f 64; {sys.executable} -m chargen train tiny.txt --out run {words}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 1
    assert "cannot save to run: File too large; once that is fixed, start again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_folder_that_may_not_be_written_is_told_before_a_step(folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(CheckpointError, match=r"cannot save to .*Permission denied"):
        resume(folder, steps=310)
