"""`chargen.train` leaves its host as it was: its random state, its signal handlers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

import chargen
from chargen.checkpoint.folder import load_snapshot
from chargen.runtime.files import Lock
from chargen.training.run import Run
from tests.support.samples import SMALL


def test_the_random_state_of_the_host_stays(corpus_file: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    chargen.train(corpus_file, out=tmp_path / "run", steps=3, **SMALL | {"dropout": 0.2})
    assert torch.equal(torch.get_rng_state(), before)
    chargen.train([], out=tmp_path / "run", steps=5, resume=True)
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
    with pytest.raises(KeyboardInterrupt):
        chargen.train(corpus_file, out=tmp_path / "run", steps=30, evaluations=3, **SMALL)
    assert signal.getsignal(signal.SIGINT) == handler
    assert load_snapshot(tmp_path / "run").scores.steps == 10
    Lock(tmp_path / "run").release()  # another may train there
