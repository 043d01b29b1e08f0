"""Which checkpoint is meant where none is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED_MODELS
from chargen.checkpoint.recent import (
    DefaultCheckpoint,
    default_checkpoint,
    remember_move,
    remember_talk,
    remember_training,
)
from chargen.display.checkpoints import default_in_words
from chargen.runtime.files import Lock
from tests.support.command import Chargen
from tests.support.seals import edit_config, edit_training

Make = Callable[[str, int], Path]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and a state of one's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "state"


@pytest.fixture
def make(checkpoint: Path) -> Make:
    """A checkpoint in a folder, saved so many minutes ago."""

    def make(folder: str, minutes_ago: int) -> Path:
        made = Path(shutil.copytree(checkpoint, folder))
        saved_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60 * minutes_ago))
        edit_config(made, lambda config: config.update(saved_at=saved_at))
        edit_training(made, lambda state: state["config"].update(saved_at=saved_at))
        return made

    return make


def stop(folder: Path) -> None:
    """As if the run had been stopped at its half."""
    edit_training(folder, lambda state: state["progress"].update(progress=0.5, evaluated=1))


def test_it_is_the_one_that_was_last_trained_or_talked_to(make: Make) -> None:
    old = make("checkpoints/old", 20)
    make("checkpoints/new", 5)
    assert default_in_words(default_checkpoint()) == (
        "opening checkpoints/new (finished training 5 minutes ago)"
    )
    remember_talk(old)
    assert (default_checkpoint().folder, default_checkpoint().reason) == (old, "talked to")
    make("checkpoints/newest", -1)
    assert default_checkpoint().folder.name == "newest", "trained since"


def test_a_run_that_has_not_ended_is_passed_over(make: Make) -> None:
    done, half = make("checkpoints/done", 20), make("checkpoints/half", 5)
    stop(half)
    assert default_checkpoint().folder == done
    assert default_in_words(default_checkpoint()).startswith(
        "checkpoints/half was stopped before its end: opening checkpoints/done (finished"
    )
    lock = Lock(half)
    assert default_in_words(default_checkpoint()).startswith(
        "checkpoints/half is still being trained: opening checkpoints/done (finished"
    )
    shutil.rmtree(done)
    assert default_in_words(default_checkpoint()) == (
        "checkpoints/half is still being trained: opening the bundled model everyday"
    )
    lock.release()
    assert default_checkpoint() == DefaultCheckpoint(half, "stopped"), "it is one's own"
    remember_talk(half)
    assert default_checkpoint().reason == "talked to"


def test_a_run_out_of_patience_has_ended(make: Make) -> None:
    folder = make("checkpoints/tired", 5)
    edit_training(folder, lambda state: state["config"]["training"].update(patience=2))
    edit_config(folder, lambda config: config["training"].update(patience=2))
    stop(folder)
    edit_training(folder, lambda state: state["metrics"][-1].update(best=True))
    assert default_checkpoint().reason == "stopped"
    edit_training(folder, lambda state: [line.update(best=False) for line in state["metrics"][-2:]])
    assert default_checkpoint().reason == "trained"


def test_what_lies_elsewhere_is_remembered_where_it_was_used(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = make("checkpoints/near", 20), make("../far", 5)
    assert default_checkpoint().folder == near
    remember_training(far)
    assert default_checkpoint().folder == far.resolve()
    assert default_checkpoint().reason == "trained"
    moved = far.resolve().rename(tmp_path / "farther")
    assert default_checkpoint().folder == near
    remember_move(far.resolve(), moved)
    assert default_checkpoint().folder == moved
    remember_talk(moved)
    for bundled in BUNDLED_MODELS:
        remember_talk(bundled)  # which every folder has
    monkeypatch.chdir(tmp_path)
    assert default_checkpoint().reason == "bundled"
    assert default_in_words(default_checkpoint()) == (
        f"opening the bundled model everyday (in another folder you last talked to {moved})"
    )


@pytest.mark.parametrize("name", ["everyday", "facts"])
def test_a_bundled_model_is_meant_where_it_was_asked_for(make: Make, name: str) -> None:
    own = make("checkpoints/own", 5)
    for bundled in BUNDLED_MODELS:
        Path("checkpoints", bundled.name).symlink_to(bundled)
    assert default_checkpoint().folder == own
    shutil.rmtree(own)
    assert default_checkpoint() == DefaultCheckpoint(Path("checkpoints/everyday"), "bundled")
    remember_talk(Path("checkpoints", name))
    assert default_checkpoint().folder == Path("checkpoints", name)


def test_nothing_is_remembered_where_nothing_can_be(
    make: Make, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make("checkpoints/old", 20), make("checkpoints/new", 5)
    state.write_text("a file")
    remember_talk(old)
    assert default_checkpoint().folder == new
    state.unlink()
    (state / "chargen").mkdir(parents=True)
    for damaged in ("", "{}", '{"visits": [1]}'):
        (state / "chargen" / "recent.json").write_text(damaged)
        assert default_checkpoint().folder == new
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "~")  # as for a user whom the system does not know
    remember_talk(old)
    assert default_checkpoint().folder == new
    assert not Path("~").exists()


@pytest.mark.parametrize("in_clone", [False, True])
def test_a_damaged_checkpoint_is_told_and_not_passed_over(in_clone: bool) -> None:
    """Also in a clone, where the bundled models lie beside those of one's own."""
    Path("checkpoints/it").mkdir(parents=True)
    Path("checkpoints/it/config.json").write_text("nonsense", encoding="utf-8")
    if in_clone:
        for bundled in BUNDLED_MODELS:
            Path("checkpoints", bundled.name).symlink_to(bundled)
    assert default_checkpoint() == DefaultCheckpoint(Path("checkpoints/it"), "damaged")


def test_python_and_commands_take_it_too(
    make: Make, tmp_path: Path, run_chargen: Chargen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make("checkpoints/old", 20)
    own = make("checkpoints/own", 5)
    loaded = chargen.load().metadata
    assert loaded is not None
    assert loaded.folder == own
    for command in (["info"], ["sample", "--max-tokens", 1]):
        done = run_chargen(*command)
        assert done.returncode == 0
        assert "opening checkpoints/own (finished training 5 minutes ago)" in done.stderr
    assert run_chargen("info", "old").stdout.splitlines()[0].split() == [
        "checkpoint", "checkpoints/old",
    ]  # fmt: skip
