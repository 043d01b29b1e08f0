"""`chargen.train`: it leaves its host as it was, tells how it goes, and shows that to people."""

from __future__ import annotations

import inspect
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import chargen
from chargen.api import _view
from chargen.checkpoint.folder import load_snapshot
from chargen.display.notebook import NotebookView
from chargen.display.training import LiveView, View
from chargen.errors import ConfigError, CorpusError
from chargen.runtime.files import Lock
from chargen.training.run import Run
from tests.support.samples import SMALL


def test_the_random_state_of_the_host_stays(corpus_file: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    chargen.train(corpus_file, out=tmp_path / "run", steps=3, **SMALL | {"dropout": 0.2})
    assert torch.equal(torch.get_rng_state(), before)
    chargen.train(out=tmp_path / "run", steps=5, resume=True)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(CorpusError):
        chargen.train(tmp_path / "none.txt", steps=5)
    with pytest.raises(ZeroDivisionError):
        chargen.train(
            corpus_file, out=tmp_path / "failed", steps=3, on_progress=lambda _: 1 / 0, **SMALL
        )
    assert torch.equal(torch.get_rng_state(), before)


def test_what_a_model_does_leaves_it_too(checkpoint: Path) -> None:
    before = torch.get_rng_state()
    model = chargen.load(checkpoint)
    model.generate("GRANN", num_samples=2, max_tokens=5)
    model.score("GRANNY")
    chargen.inspect(checkpoint, "GRANNY")
    session = chargen.Session(checkpoint)
    session.learn(True)
    for _ in session.answer("The sky"):
        pass
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_raises_and_never_ends_the_process(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: int
) -> None:
    """Here both come between two steps, so either way all that was learned is saved."""
    handler, with_sample = signal.getsignal(signal.SIGINT), Run._with_sample

    def interrupted(run: Run, report: object) -> object:
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)
        return with_sample(run, report)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "_with_sample", interrupted)
    before = torch.get_rng_state()
    says = r"stopped at step 10 and saved.*resume=True, out='" if signals == 1 else None
    with pytest.raises(KeyboardInterrupt, match=says):
        chargen.train(corpus_file, out=tmp_path / "run", steps=30, evaluations=3, **SMALL)
    assert signal.getsignal(signal.SIGINT) == handler
    assert torch.equal(torch.get_rng_state(), before)
    assert load_snapshot(tmp_path / "run").scores.steps == 10
    Lock(tmp_path / "run").release()  # another may train there


def test_ctrl_c_when_all_is_done_stops_nothing(corpus_file: Path, tmp_path: Path) -> None:
    def interrupt(event: Any) -> None:
        if event.kind == "saved" and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "run"
    report = chargen.train(corpus_file, out=out, steps=3, on_progress=interrupt, **SMALL)
    assert report.steps == 3


def test_each_event_is_reported(corpus_file: Path, tmp_path: Path) -> None:
    events: list[Any] = []
    report = chargen.train(
        corpus_file,
        out=tmp_path / "run",
        steps=6,
        evaluations=2,
        on_progress=events.append,
        **SMALL,
    )
    kinds = [event.kind for event in events]
    assert kinds.count("eval") == 2 and kinds[-1] == "saved"
    assert events[-1].step == report.steps == 6
    last = [event for event in events if event.kind == "eval"][-1]
    assert last.valid_loss and last.sample


def stop_at(step: int) -> Callable[[Any], None]:
    def on_progress(event: Any) -> None:
        if event.kind == "eval" and event.step == step:
            raise RuntimeError("enough")

    return on_progress


def test_what_the_callback_raises_ends_the_training_with_all_saved(
    corpus_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="enough"):
        chargen.train(corpus_file, out=out, steps=9, evaluations=3, on_progress=stop_at(3), **SMALL)
    assert load_snapshot(out).scores.steps == 3
    whole = chargen.train(corpus_file, out=tmp_path / "whole", steps=9, evaluations=3, **SMALL)
    assert chargen.train(out=out, resume=True).valid_loss == whole.valid_loss


def test_what_is_raised_before_the_first_step_leaves_nothing(
    corpus_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"  # not in the cache, so that it has to be read
    other.write_text(corpus_file.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(RuntimeError, match="preparing"):
        chargen.train(other, out=tmp_path / "run", on_progress=raise_kind, steps=2, **SMALL)
    assert not (tmp_path / "run").exists()


def raise_kind(event: Any) -> None:
    raise RuntimeError(event.kind)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "no text was given; as in: chargen.train\\("),
        ({"corpus": "x", "quite": True}, "there is no option 'quite'; did you mean quiet\\?"),
        ({"corpus": "x", "lr": 1.0}, "there is no option 'lr'; did you mean learning_rate\\?"),
        ({"corpus": "x", "steps": 1, "epochs": 1}, "`epochs` and `steps` cannot be combined"),
    ],
)
def test_a_wrong_call_says_what_was_meant(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        chargen.train(**options)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_is_shown_where_a_person_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def view(out: object, quiet: bool = False) -> type[View]:
        monkeypatch.setattr(sys, "stdout", out)
        return type(_view(quiet))

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert view(Terminal()) is LiveView
    assert view(Terminal(), quiet=True) is view(io.StringIO()) is view(None) is View
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert view(io.StringIO()) is View  # whatever colours its own output has
    shell = SimpleNamespace(kernel=None)
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=print))
    assert view(io.StringIO()) is View  # IPython in a terminal, its output in a file
    shell.kernel = object()
    assert view(io.StringIO()) is NotebookView
    assert view(io.StringIO(), quiet=True) is View


def test_a_file_gets_nothing(
    corpus_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chargen.train(corpus_file, out=tmp_path / "run", steps=2, **SMALL)
    assert capsys.readouterr() == ("", "")


def test_the_docstring_names_every_kind_of_event() -> None:
    from chargen.training import events

    kinds = [kind.kind for _, kind in inspect.getmembers(events) if hasattr(kind, "kind")]
    assert len(kinds) == 7
    for kind in kinds:
        assert f'"{kind}"' in (chargen.train.__doc__ or "")
