"""Networks that are not kept say how many threads a training takes, and leave no other trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import chargen
from chargen.config import CorpusConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.runtime.distributed import ALONE
from chargen.runtime.openmp import VARIABLES
from chargen.training.planner import Task, typical_network
from chargen.training.request import RunRequest
from chargen.training.run import Run
from chargen.training.train import prepare
from chargen.training.trials import Trials

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_layers": 1,
    "embedding_size": 8,
    "batch_size": 4,
    "bptt": 12,
}
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Makes steps take so many times as long with two threads as with one, time after time; how
    many threads there are, nobody has said."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("chargen.training.trials.cores", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def make(*ratios: float) -> None:
        left = list(ratios)

        def time_steps(trainer: object) -> float:
            if torch.get_num_threads() == 1:
                return 1.0
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr("chargen.training.trials.time_steps", time_steps)

    yield make
    torch.set_num_threads(before)


@pytest.fixture
def corpus(corpus_file: Path) -> Corpus:
    return open_corpus([corpus_file], CorpusConfig(valid_fraction=0.1, test_fraction=0))


def picked(corpus: Corpus, **options: Any) -> tuple[int, int]:
    """How many threads there are now, and how many choices were made."""
    choices = Trials(corpus, ALONE, torch.device("cpu")).pick_threads(SIZES | options)
    assert all((choice.name, choice.value) == ("threads", 1) for choice in choices)
    return torch.get_num_threads(), len(choices)


def test_threads_that_wait_for_each_other_are_given_up(corpus: Corpus, machine: Machine) -> None:
    machine(14.0)
    assert picked(corpus, minutes=2) == (1, 1)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.1])
def test_threads_that_cost_nothing_are_kept(corpus: Corpus, machine: Machine, ratio: float) -> None:
    machine(ratio)
    assert picked(corpus, minutes=2) == (2, 0)


def test_a_busy_moment_decides_nothing(corpus: Corpus, machine: Machine) -> None:
    machine(14.0, 0.6)
    assert picked(corpus, minutes=2) == (2, 0)


def test_counted_steps_keep_their_threads(corpus: Corpus, machine: Machine) -> None:
    machine(14.0)
    for length in ({"steps": 1000}, {"epochs": 1000.0}):
        assert picked(corpus, **length) == (2, 0)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_number_that_was_given_is_kept(
    corpus: Corpus, machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    machine(14.0)
    monkeypatch.setenv(name, "2")
    assert picked(corpus, minutes=2) == (2, 0)


def test_a_container_gets_no_more_threads_than_cores(
    corpus: Corpus, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(4)
    trials = Trials(corpus, ALONE, torch.device("cpu"))
    for length in ({"minutes": 2.0}, {"steps": 10}):
        machine(0.6)
        [choice] = trials.pick_threads(SIZES | length)
        assert (choice.name, choice.value, torch.get_num_threads()) == ("threads", 2, 2)
        torch.set_num_threads(4)
    monkeypatch.setattr("chargen.training.trials.cores", lambda: 1)
    [choice] = trials.pick_threads(SIZES | {"minutes": 2.0})
    assert (choice.value, torch.get_num_threads()) == (1, 1)


def test_a_trial_draws_no_random_numbers(corpus: Corpus, machine: Machine) -> None:
    machine(0.5)
    before = torch.get_rng_state()
    picked(corpus, minutes=2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_says_so_and_leaves_the_threads_as_they_were(
    tmp_path: Path, corpus_file: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(14.0)
    seen: list[list[str]] = []

    def begin(view: object, run: Run) -> None:
        reasons = [choice.reason for choice in run.plan if choice.name == "threads"]
        seen.append([*reasons, run.device])

    monkeypatch.setattr("chargen.display.training.View.begin", begin)
    run: dict[str, Any] = {"out": tmp_path / "run", "quiet": True, "device": "cpu"}
    chargen.train(corpus_file, minutes=0.01, **SIZES, **run)
    assert torch.get_num_threads() == 2
    machine(0.5)
    chargen.train(resume=True, minutes=1.0, **run)  # on another day
    assert seen == [
        ["with 2 a step takes 14.0 times as long here", "cpu, 1 thread"],
        ["cpu, 2 threads"],
    ]


def test_a_resumed_run_chooses_anew(tmp_path: Path, corpus_file: Path, machine: Machine) -> None:
    machine(0.5)
    options = SIZES | {"minutes": 2.0}
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=options, device="cpu"))
    assert [choice for choice in run.plan if choice.name == "threads"] == []
    run.release()
    machine(3.0)
    resumed = prepare(RunRequest([], out=tmp_path / "run", resume=True, device="cpu"))
    assert [choice.name for choice in resumed.plan] == ["threads"]
    resumed.release()


@pytest.mark.parametrize("tokens", [200, 1000, 10**6])
@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_a_typical_network_has_all_sizes_and_keeps_those_that_are_given(
    tokens: int, tokenizer: str
) -> None:
    task = Task(tokens, 300, "cpu", 60.0, tokenizer=tokenizer)
    network = typical_network(task, {"num_layers": 2})
    assert SIZES.keys() <= network.keys()
    assert network["num_layers"] == 2
    assert network["batch_size"] * network["bptt"] <= tokens
    tied = network["embedding_size"] == network["hidden_size"]
    assert tied == (tokenizer == "word") == network.get("tie_weights", False)
    assert typical_network(task, {"hidden_size": 77})["hidden_size"] == 77
    assert typical_network(task, {}, "small")["hidden_size"] == 128
