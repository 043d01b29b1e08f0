"""Checkpoints are removed, renamed, copied and changed as wholes; nothing else ever is."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from chargen.checkpoint.filing import check_removable, copy, move, new_folder, remove, set_sampling
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.locate import (
    BUNDLED,
    BUNDLED_MODELS,
    checkpoint_names,
    list_checkpoints,
)
from chargen.checkpoint.metadata import read_metadata
from chargen.checkpoint.recent import default_checkpoint, remember_talk
from chargen.cli import filing as cli
from chargen.cli.flags import Arguments
from chargen.config import SamplingDefaults
from chargen.errors import CheckpointError
from chargen.runtime.files import Lock, is_locked
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.command import Chargen

WARM = SamplingDefaults(temperature=0.5, stop=("\nYou:",), mode="chat")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def own(checkpoint: Path, here: Path) -> Path:
    shutil.copytree(checkpoint, here / "checkpoints" / "own")
    return Path("checkpoints/own")


class Keyboard(io.StringIO):
    """What a person types in a terminal."""

    def isatty(self) -> bool:
        return True


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def content_without_card(folder: Path) -> dict[str, bytes]:
    """The card bears the name of the folder."""
    return {name: data for name, data in content(folder).items() if name != "README.md"}


def test_a_copy_is_the_same_model_and_can_be_resumed(own: Path) -> None:
    (own / "notes.txt").write_text("mine")
    (own / "tensorboard").mkdir()
    (own / "tensorboard" / "events.out.tfevents.1").write_bytes(b"events")
    copy("own", new_folder("other"))
    assert sorted(checkpoint_names()) == ["everyday", "facts", "other", "own"]
    other = Path("checkpoints/other")
    assert not (other / "notes.txt").exists()
    assert (other / "tensorboard" / "events.out.tfevents.1").read_bytes() == b"events"
    assert load_snapshot("other").progress == load_snapshot("own").progress
    copy("everyday", new_folder("./elsewhere/everyday"))
    assert content(Path("elsewhere/everyday")) == content(BUNDLED)


def test_a_move_takes_all_along_and_is_remembered(own: Path) -> None:
    (own / "notes.txt").write_text("mine")
    remember_talk(own)
    before = content_without_card(own)
    move("own", new_folder("moved/here"))
    assert content_without_card(Path("moved/here")) == before
    assert not own.exists()
    assert default_checkpoint().folder == Path("moved/here").resolve()
    assert default_checkpoint().reason == "talked to"


def test_a_move_between_file_systems_is_a_copy(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, rename = content_without_card(own), os.rename

    def rename_within_one(old: Path, new: Path) -> None:
        if Path(old).name == "own":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(old, new)

    monkeypatch.setattr(os, "rename", rename_within_one)
    move("own", new_folder("other"))
    assert content_without_card(Path("checkpoints/other")) == before
    assert os.listdir("checkpoints") == ["other"]


def test_what_fails_leaves_nothing_behind(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(own)

    def full(folder: Path, part: Path, **_: object) -> None:
        part.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(CheckpointError, match="cannot copy checkpoints/own"):
        copy("own", new_folder("other"))
    assert os.listdir("checkpoints") == ["own"]
    assert content(own) == before


def test_what_is_being_removed_or_made_is_no_checkpoint(own: Path) -> None:
    own.rename("checkpoints/.chargen-12-34.part")
    assert list_checkpoints() == []


def test_a_link_goes_alone(own: Path, here: Path) -> None:
    shutil.move(own, here / "real")
    own.symlink_to(here / "real")
    remove("own")
    assert not own.is_symlink()
    assert (here / "real" / "config.json").exists()


@pytest.mark.parametrize("where", [".", "tensorboard"])
def test_a_folder_with_anything_else_is_not_removed(own: Path, where: str) -> None:
    (own / where).mkdir(exist_ok=True)
    (own / where / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"also holds notes\.txt"):
        remove("own")
    assert (own / "config.json").exists()


def test_a_model_of_another_program_is_not_removed(here: Path) -> None:
    """Many write a config.json and a model.safetensors."""
    (here / "theirs").mkdir()
    (here / "theirs" / "config.json").write_text('{"hidden_size": 768}')
    (here / "theirs" / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="chargen did not write it"):
        remove("theirs")
    (here / "theirs" / "config.json").write_text('{"format": 6, "tok')  # one of ours, damaged
    remove("theirs")
    assert not (here / "theirs").exists()


def test_what_is_no_checkpoint_is_not_touched(own: Path, here: Path) -> None:
    (here / "texts").mkdir()
    for what in ("texts", ".", "no-such"):
        with pytest.raises(CheckpointError):
            remove(what)
    for target in ("own", "checkpoints/own", "./texts", "", ".."):
        with pytest.raises(CheckpointError, match="exists"):
            new_folder(target)
    before = content(own)
    for act in (copy, move):
        for within in (own / "within", own / "deep" / "within"):
            with pytest.raises(CheckpointError, match="would lie in"):
                act("own", within)
    assert content(own) == before


def test_what_is_left_of_a_checkpoint_that_cannot_be_removed_is_named(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(own)

    def closed(folder: Path, **_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", closed)
    with pytest.raises(CheckpointError, match="could not remove all of checkpoints/own") as raised:
        remove("own")
    [left] = Path("checkpoints").iterdir()
    assert f"the rest is in {left.resolve()}: Permission denied" in str(raised.value)
    assert content(left) == before


def test_the_bundled_models_and_what_is_being_trained_stay(own: Path) -> None:
    lock = Lock(own)
    for act in (
        lambda name: check_removable(name),
        lambda name: remove(name),
        lambda name: move(name, Path("away")),
        lambda name: set_sampling(name, WARM),
    ):
        with pytest.raises(CheckpointError, match="in use by another chargen"):
            act("own")
        for bundled in BUNDLED_MODELS:
            with pytest.raises(CheckpointError, match="bundled model cannot be changed"):
                act(bundled.name)
    with pytest.raises(CheckpointError, match="in use by another chargen"):
        copy("own", Path("away"))
    assert is_locked(own)
    lock.release()
    reader = Lock(own, shared=True)
    assert not is_locked(own), "nobody has it for its own"
    copy("own", Path("away"))
    with pytest.raises(CheckpointError, match="in use by another chargen"):
        remove("own")
    reader.release()
    remove("own")
    assert not own.exists()


def test_a_change_of_sampling_keeps_the_model_and_the_run(own: Path) -> None:
    before = load_checkpoint("own")
    set_sampling("own", WARM)
    after = load_checkpoint("own")
    assert after.metadata.sampling == WARM
    assert (after.metadata.scores, after.metadata.sha256) == (
        before.metadata.scores,
        before.metadata.sha256,
    )
    assert default_checkpoint().reason == "trained"
    steps = before.metadata.scores.steps + 5
    run = prepare(RunRequest([], out="own", resume=True, options={"steps": steps}))
    list(run.events())
    resumed = load_checkpoint("own").metadata
    assert (resumed.scores.steps, resumed.sampling) == (steps, WARM)
    (own / "config.json").unlink()
    assert read_metadata(own).sampling == WARM, "the training state keeps it, too"


def test_the_command_asks_before_it_removes(
    run_chargen: Chargen,
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy("own", new_folder("other"))
    assert run_chargen("rm", "own").returncode == 2
    assert "add --yes" in run_chargen("rm", "own").stderr

    def rm(*names: str, typed: str) -> int:
        monkeypatch.setattr(sys, "stdin", Keyboard(typed))
        return cli.rm(Arguments(checkpoint=names, yes=False))

    assert (rm("own", "checkpoints/other", typed="\n"), own.exists()) == (1, True)
    told = capsys.readouterr().err
    assert "checkpoints/own: lstm 1 x " in told
    assert "remove these 2? [y/N]" in told
    with pytest.raises(CheckpointError):
        rm("own", "no-such", typed="y\n")
    assert own.exists(), "all or none"
    assert (rm("own", typed="y\n"), own.exists()) == (0, False)
    assert run_chargen("rm", "--yes", "other", "checkpoints/other").returncode == 0
    assert os.listdir("checkpoints") == []


def test_the_commands_that_move_and_copy(run_chargen: Chargen, own: Path) -> None:
    assert run_chargen("cp", "own", "other").stderr == (
        "copied checkpoints/own to checkpoints/other\n"
    )
    assert run_chargen("mv", "own", "new").stderr == "moved checkpoints/own to checkpoints/new\n"
    done = run_chargen("mv", "new", "other")
    assert (done.returncode, "checkpoints/other exists" in done.stderr) == (1, True)
    assert sorted(os.listdir("checkpoints")) == ["new", "other"]
