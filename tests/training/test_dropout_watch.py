"""Dropout follows how often the text is really read: on a machine that slows down more seldom, in a
run that is made longer more often; what somebody gave is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chargen.checkpoint.folder import load_snapshot
from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.nn.model import LanguageModel
from chargen.training.dropout_watch import DRIFT, DropoutWatch, dropout_planned
from chargen.training.events import Event, Replanned, StepReport
from chargen.training.planner import PlannedOption, dropout_for
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from chargen.training.trainer import Trainer
from chargen.training.trainer_state import PlannedDropout
from tests.support.samples import SMALL

MUCH = 0.5, 0.4  # what 40 epochs are given


def watch(epochs: float = 40.0, dropout: bool = True, weight_dropout: bool = True) -> DropoutWatch:
    planned = PlannedDropout(dropout=dropout, weight_dropout=weight_dropout, epochs=epochs)
    return DropoutWatch(planned, tokenizer="char", answers=False)


@given(pace=st.floats(1 / 1.49, 1.49), looks=st.lists(st.floats(0.001, 1.0), max_size=30))
def test_a_plan_that_is_nearly_kept_stands(pace: float, looks: list[float]) -> None:
    watched = watch()
    for progress in sorted(looks):
        assert watched.look(progress, 40 * pace * progress, MUCH) == MUCH
    assert watched.epochs == 40


@given(epochs=st.floats(0.01, 1000), tokenizer=st.sampled_from(["char", "word"]))
def test_another_pace_is_planned_for_as_if_it_had_been_known(epochs: float, tokenizer: str) -> None:
    planned = PlannedDropout(dropout=True, weight_dropout=True, epochs=40.0)
    watched = DropoutWatch(planned, tokenizer=tokenizer, answers=False)
    assert watched.look(0.09, 0.09 * epochs, MUCH) == MUCH, "it is too early"
    shares = watched.look(0.125, 0.125 * epochs, MUCH)
    if 40 / DRIFT < epochs < 40 * DRIFT:
        assert shares == MUCH
    else:
        assert shares == dropout_for(watched.epochs, tokenizer, False)
        assert watched.epochs == pytest.approx(epochs)


def test_what_is_left_goes_on_as_it_went_last() -> None:
    watched = watch()
    assert watched.look(0.5, 20.0, MUCH) == MUCH
    assert watched.look(0.625, 20.5, MUCH) == dropout_for(22.0, "char", False)
    assert watched.epochs == pytest.approx(22.0)
    assert watched.look(0.75, 21.0, (0.3, 0.0)) == (0.3, 0.0)  # no drift from there


@pytest.mark.parametrize(("dropout", "weight_dropout"), [(True, False), (False, True)])
def test_what_somebody_gave_is_left_alone(dropout: bool, weight_dropout: bool) -> None:
    after = watch(40.0, dropout, weight_dropout).look(0.5, 1.0, (0.5, 0.4))
    expected = dropout_for(2.0, "char", False)
    assert after == (expected[0] if dropout else 0.5, expected[1] if weight_dropout else 0.4)


def test_only_what_was_planned_is_watched() -> None:
    choices = [PlannedOption("dropout", 0.5, ""), PlannedOption("hidden_size", 64, "")]
    planned = dropout_planned(choices, 3.0)
    assert planned == PlannedDropout(dropout=True, weight_dropout=False, epochs=3.0)
    assert dropout_planned(choices[1:], 3.0) is None
    unwatched = DropoutWatch(None, tokenizer="char", answers=False)
    assert unwatched.look(0.5, 1.0, MUCH) == MUCH


def test_a_run_that_went_back_to_a_sound_state_has_no_pace() -> None:
    watched = watch()
    assert watched.look(0.5, 20.0, MUCH) == MUCH
    assert watched.look(0.625, 18.0, MUCH) == MUCH
    assert watched.look(0.75, 23.0, MUCH) == MUCH  # counted from there on


# -- in a run -----------------------------------------------------------------------------------


class Machine:
    """Time by which steps take as long as they should, up to one of them, and then longer."""

    def __init__(self, seconds: float, slow_from: int, slower: float) -> None:
        self.trainer: Trainer | None = None
        self._seconds, self._slow_from, self._slower = seconds, slow_from, slower
        self._first: int | None = None

    def __call__(self) -> float:
        if self.trainer is None:
            return 0.0
        if self._first is None:
            self._first = self.trainer.step  # where it goes on
        return self._until(self.trainer.step) - self._until(self._first)

    def _until(self, step: int) -> float:
        slow = max(0, step - self._slow_from)
        return self._seconds * (step + slow * (self._slower - 1))


@pytest.fixture
def corpus(corpus_file: Path) -> Corpus:
    return open_corpus([corpus_file], CorpusConfig(valid_fraction=0.1, test_fraction=0))


def trainer_on(corpus: Corpus, machine: Machine, shares: tuple[float, float]) -> Trainer:
    """Half a minute, for which 480 steps of the machine were planned."""
    torch.manual_seed(1)
    dropout, weight_dropout = shares
    shape = ModelConfig(
        hidden_size=16, embedding_size=8, dropout=dropout, weight_dropout=weight_dropout
    )
    model = LanguageModel(shape, corpus.tokenizer.vocab_size)
    config = TrainConfig(batch_size=4, bptt=12, minutes=0.5, evaluations=2, save_every=1e9)
    epochs = 480 * 4 * 12 / len(corpus.train)
    planned = PlannedDropout(dropout=True, weight_dropout=True, epochs=epochs)
    trainer = Trainer(model, corpus, config, clock=machine, planned_dropout=planned)
    machine.trainer = trainer
    return trainer


def replanned(events: list[Event]) -> list[Replanned]:
    return [event for event in events if isinstance(event, Replanned)]


def test_a_machine_that_keeps_its_pace_keeps_the_plan(corpus: Corpus) -> None:
    trainer = trainer_on(corpus, Machine(1 / 16, 10**9, 1.0), MUCH)
    assert replanned(list(trainer.run())) == []
    assert trainer.epoch == pytest.approx(480 * 4 * 12 / len(corpus.train), rel=0.1)


def test_a_machine_that_slows_down_is_noticed_and_said(corpus: Corpus) -> None:
    trainer = trainer_on(corpus, Machine(1 / 16, 0, 8.0), MUCH)
    [event] = replanned(list(trainer.run()))
    assert event.planned_epochs == pytest.approx(8 * event.epochs, rel=0.2)
    assert trainer.epoch == pytest.approx(event.epochs, rel=0.2)
    assert (event.dropout_before, event.weight_dropout_before) == MUCH
    now = dropout_for(event.epochs, "char", False)
    assert (event.dropout, event.weight_dropout) == now
    assert (trainer.model.config.dropout, trainer.model.config.weight_dropout) == now


@pytest.mark.parametrize("stop", ["at the change", "after it"])
def test_a_resumed_run_goes_on_with_what_was_planned_anew(corpus: Corpus, stop: str) -> None:
    whole = trainer_on(corpus, Machine(1 / 16, 100, 8.0), MUCH)
    list(whole.run())

    first = trainer_on(corpus, Machine(1 / 16, 100, 8.0), MUCH)
    events, changed = first.run(), False
    for event in events:
        changed = changed or isinstance(event, Replanned)
        if changed and (stop == "at the change" or isinstance(event, StepReport)):
            events.close()
    shares = first.model.config.dropout, first.model.config.weight_dropout
    assert shares != MUCH
    second = trainer_on(corpus, Machine(1 / 16, 100, 8.0), shares)
    state = first.state()
    torch.manual_seed(99)
    second.restore(state)
    list(second.run())
    ours, theirs = second.weights(), whole.weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert second.model.config == whole.model.config


def test_a_run_that_is_made_longer_is_planned_anew(tmp_path: Path, corpus_file: Path) -> None:
    free: dict[str, Any] = {n: v for n, v in SMALL.items() if "dropout" not in n}
    out = tmp_path / "run"
    run = prepare(RunRequest([corpus_file], out=out, options=free | {"epochs": 2.0}))
    assert run.model.config.dropout == 0
    assert replanned(list(run.events())) == []
    longer = prepare(RunRequest([], out=out, resume=True, options={"epochs": 10.0}))
    [event] = replanned(list(longer.events()))
    assert (event.planned_epochs, event.epochs) == pytest.approx((2.0, 10.0), rel=0.05)
    assert (event.dropout, event.weight_dropout) == dropout_for(10.0, "char", False)
    kept = load_snapshot(out)
    assert kept.model_config.dropout == event.dropout
    again = prepare(RunRequest([], out=out, resume=True, options={"epochs": 11.0}))
    assert replanned(list(again.events())) == []  # it is what was planned for
    assert again.model.config == kept.model_config


def test_what_was_given_stays_in_a_longer_run(tmp_path: Path, corpus_file: Path) -> None:
    given_shares = SMALL | {"dropout": 0.05, "weight_dropout": 0.0}
    out = tmp_path / "run"
    run = prepare(RunRequest([corpus_file], out=out, options=given_shares | {"epochs": 1.0}))
    list(run.events())
    longer = prepare(RunRequest([], out=out, resume=True, options={"epochs": 10.0}))
    assert replanned(list(longer.events())) == []
    assert np.isclose(load_snapshot(out).model_config.dropout, 0.05)
