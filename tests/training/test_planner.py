"""The plan fits the text and the time, leaves alone what was given, and says why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.checkpoint.metadata import read_metadata
from chargen.config import ModelConfig, TrainConfig, split_options
from chargen.data.batches import BatchLoader
from chargen.errors import ConfigError
from chargen.training.planner import (
    DEEP_FROM,
    HIDDEN_SIZES,
    Task,
    fits,
    make_plan,
    memory_needed,
)
from chargen.training.request import RunRequest
from chargen.training.train import prepare

PLANNED = {
    field.name
    for kind in (ModelConfig, TrainConfig)
    for field in dataclasses.fields(kind)
    if field.metadata["planned"]
}
# What is planned at times alone: for words, for short documents, and for more than one layer.
SOMETIMES = {"tie_weights", "fresh_state", "residual"}


A_TRAINING = {
    "hidden_size": 64,
    "num_layers": 2,
    "embedding_size": 32,
    "batch_size": 8,
    "bptt": 16,
}


def steady_machine(options: Mapping[str, Any]) -> float:
    """Seconds of a step where every product takes as long as any other."""
    tokens = options["batch_size"] * options["bptt"]
    return float(tokens * 4 * options["hidden_size"] ** 2 * options["num_layers"]) * 4e-11


def wide_machine(options: Mapping[str, Any]) -> float:
    """As on a GPU: more streams at once cost nothing up to a point."""
    return steady_machine({**options, "batch_size": max(64, options["batch_size"])})


def unknown_machine(options: Mapping[str, Any]) -> float:
    raise AssertionError("nothing is measured where no time is given")


def plan(
    tokens: int = 10**6,
    seconds: float | None = 120.0,
    options: dict[str, Any] | None = None,
    device: str = "cpu",
    machine: Any = steady_machine,
    preset: str | None = None,
    memory: int | None = None,
    ranks: int = 1,
    tokenizer: str = "char",
) -> dict[str, Any]:
    """The values of a plan, those that were given included."""
    task = Task(tokens, 257, device, seconds, memory=memory, ranks=ranks, tokenizer=tokenizer)
    choices = make_plan(task, options or {}, machine, preset)
    assert all(choice.reason for choice in choices)
    return {choice.name: choice.value for choice in choices} | (options or {})


NAMES: dict[str, Any] = {"lines": True, "mean_document": 7.2, "longest_document": 20}


def plan_of_names(
    tokens: int = 200_000,
    options: dict[str, Any] | None = None,
    seconds: float | None = 120.0,
    **facts: Any,
) -> dict[str, Any]:
    """The values of a plan for a list of names, those that were given included."""
    task = Task(tokens, 284, "cpu", seconds, **NAMES | facts)
    machine = unknown_machine if seconds is None else steady_machine
    choices = make_plan(task, options or {}, machine)
    return {choice.name: choice.value for choice in choices} | (options or {})


def test_every_planned_option_is_chosen() -> None:
    long_run = plan(seconds=1000)
    assert plan(tokenizer="word").keys() | plan_of_names().keys() | long_run.keys() == PLANNED
    assert plan().keys() == PLANNED - SOMETIMES
    by_steps = plan(seconds=None, options={"steps": 10}, machine=unknown_machine)
    assert by_steps.keys() - {"steps"} == PLANNED - SOMETIMES - {"patience"}


@given(
    tokens=st.integers(200, 10**9),
    seconds=st.floats(1, 1e6),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_any_plan_is_a_right_one_and_fits_its_text(
    tokens: int, seconds: float, device: str
) -> None:
    machine = wide_machine if device == "cuda" else steady_machine
    _, model, training = split_options(plan(tokens, seconds, device=device, machine=machine))
    text = np.broadcast_to(np.uint16(0), tokens)
    BatchLoader(text, batch_size=training.batch_size, bptt=training.bptt, end=0)
    assert model.num_layers >= 1


@pytest.mark.parametrize("name", sorted(PLANNED - {"learning_rate"}))
def test_what_is_given_is_not_chosen(name: str) -> None:
    given_value = {
        "hidden_size": 77,
        "num_layers": 3,
        "embedding_size": 33,
        "batch_size": 5,
        "bptt": 21,
        "patience": 2,
        "tie_weights": False,
        "fresh_state": False,
    }.get(name, 0.25)
    task = Task(10**6, 257, "cpu", 60.0, tokenizer="word", **NAMES)
    choices = make_plan(task, {name: given_value}, steady_machine)
    assert {choice.name for choice in choices} == PLANNED - {"residual"} - (
        {name, "tie_weights"} if name == "embedding_size" else {name}
    )


def test_more_time_and_more_text_never_give_a_narrower_network() -> None:
    sizes = [
        [plan(tokens, seconds)["hidden_size"] for seconds in (1, 10, 100, 1000, 10_000)]
        for tokens in (10**3, 10**4, 10**5, 10**6, 10**7)
    ]
    grid = np.array(sizes)
    assert (np.diff(grid, axis=0) >= 0).all()
    assert (np.diff(grid, axis=1) >= 0).all()
    assert grid[0, 0] < grid[0, -1] or grid[0, 0] < grid[-1, 0] < grid[-1, -1]


def test_answers_alone_are_learned_without_dropout() -> None:
    """What they follow is long, and few tokens tell of it: dropping units drowns that."""
    for epochs, weight_dropout in ((5.0, 0.0), (100.0, 0.2)):
        task = Task(10**5, 60, "cpu", None, answers=True)
        choices = make_plan(task, {"epochs": epochs}, unknown_machine)
        values = {choice.name: choice.value for choice in choices}
        assert (values["dropout"], values["weight_dropout"]) == (0.0, weight_dropout)


def test_a_text_read_more_often_is_learnt_with_more_dropout() -> None:
    rates = [plan(seconds=seconds)["dropout"] for seconds in (1, 100, 1000, 10_000)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


def test_a_device_that_takes_more_streams_for_nothing_gets_them() -> None:
    assert plan(tokens=10**8, device="cuda", machine=wide_machine)["batch_size"] == 64
    assert plan(tokens=10**8, device="cuda", machine=steady_machine)["batch_size"] == 16
    assert plan(tokens=10**6, machine=steady_machine)["batch_size"] == 32
    assert plan(tokens=10**5, machine=steady_machine)["batch_size"] == 16


def test_a_network_fits_into_the_memory_and_more_of_it_never_gives_a_narrower_one() -> None:
    sizes = []
    for memory in (10**6, 10**7, 10**8, 10**9, 10**10):
        planned = plan(10**9, 10**7, device="cuda", machine=wide_machine, memory=memory)
        task = Task(10**9, 257, "cuda", 10**7, memory=memory)
        sizes.append(planned["hidden_size"])
        assert fits(task, planned) or planned["hidden_size"] == HIDDEN_SIZES[0]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] < sizes[-1]


def test_streams_are_not_doubled_beyond_the_memory() -> None:
    network = {"hidden_size": 512, "num_layers": 1, "embedding_size": 64, "bptt": 64}
    task = Task(10**8, 257, "cuda", 100.0)
    memory = memory_needed(task, network | {"batch_size": 32})
    planned = plan(10**8, 100.0, network, device="cuda", machine=wide_machine, memory=memory)
    assert planned["batch_size"] == 32


@pytest.mark.parametrize("option", ["hidden_size", "num_layers", "batch_size", "bptt"])
def test_what_is_larger_needs_more_memory(option: str) -> None:
    task = Task(10**6, 257, "cpu", None)
    needed = [memory_needed(task, A_TRAINING | {option: A_TRAINING[option] * k}) for k in (1, 2, 4)]
    assert needed == sorted(set(needed))


def test_parts_and_ranks_need_less_of_it() -> None:
    whole = memory_needed(Task(10**6, 257, "cpu", None), A_TRAINING)
    in_parts = memory_needed(Task(10**6, 257, "cpu", None), A_TRAINING | {"accumulate": 4})
    shared = memory_needed(Task(10**6, 257, "cpu", None, ranks=4), A_TRAINING)
    assert in_parts == shared < whole


@pytest.mark.parametrize("tokens", [10**3, 10**5, 10**8])
@pytest.mark.parametrize("ranks", [1, 3, 40])
def test_every_rank_gets_a_stream(tokens: int, ranks: int) -> None:
    for device in ("cpu", "cuda"):
        assert plan(tokens, device=device, machine=wide_machine, ranks=ranks)["batch_size"] >= ranks


@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword"])
def test_a_long_run_on_a_cpu_has_two_layers_that_add_up(tokenizer: str) -> None:
    """None of which is narrow; a short run, words, and a device that nobody has measured have
    one."""
    deep = plan(seconds=600, tokenizer=tokenizer)
    assert (deep["num_layers"], deep["residual"]) == (2, True)
    assert deep["hidden_size"] >= DEEP_FROM
    one = [
        plan(seconds=1, tokenizer=tokenizer),
        plan(10**4, 600, tokenizer=tokenizer),
        plan(seconds=600, tokenizer=tokenizer, device="cuda"),
        plan(seconds=600, tokenizer="word"),
    ]
    assert all(planned["num_layers"] == 1 and "residual" not in planned for planned in one)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_that_are_asked_for_add_up_where_there_are_some(layers: int) -> None:
    planned = plan(options={"num_layers": layers})
    assert planned.get("residual", False) == (layers > 1)
    assert not plan(options={"num_layers": layers, "residual": False})["residual"]


def test_presets_are_sizes_by_name() -> None:
    sizes = [plan(preset=name)["hidden_size"] for name in ("small", "medium", "large")]
    assert sizes == sorted(set(sizes))
    assert plan(preset="small", options={"hidden_size": 99})["hidden_size"] == 99


def test_tied_weights_have_one_size() -> None:
    def machine(options: Mapping[str, Any]) -> float:
        split_options(options)  # whatever is timed can be built
        return steady_machine(options)

    for device in ("cpu", "cuda"):
        planned = plan(options={"tie_weights": True}, machine=machine, device=device)
        assert planned["embedding_size"] == planned["hidden_size"]
        split_options(planned)


@pytest.mark.parametrize(
    ("options", "ties"),
    [
        ({}, True),
        ({"hidden_size": 100}, True),
        ({"hidden_size": 100, "embedding_size": 100}, True),
        ({"hidden_size": 100, "embedding_size": 50}, False),
        ({"embedding_size": 50}, False),
        ({"tie_weights": False}, False),
    ],
)
def test_words_tie_weights_unless_other_sizes_are_asked_for(
    options: dict[str, Any], ties: bool
) -> None:
    for device in ("cpu", "cuda"):
        planned = plan(options=options, device=device, tokenizer="word")
        assert planned.get("tie_weights", False) == ties
        split_options(planned)
        assert options.items() <= planned.items()


def test_what_is_trained_is_what_was_planned(tmp_path: Path, corpus_file: Path) -> None:
    options = {"steps": 2, "hidden_size": 24}
    run = prepare(RunRequest([corpus_file], out=tmp_path / "run", options=options))
    values = {choice.name: choice.value for choice in run.plan}
    assert values.keys() == PLANNED - SOMETIMES - {"hidden_size", "patience"}
    made = dataclasses.asdict(run.model.config) | dataclasses.asdict(run.trainer.config)
    assert {name: made[name] for name in values} == values
    assert run.model.config.hidden_size == 24


def test_words_and_subwords_have_more_weights_for_a_token_and_more_dropout() -> None:
    def planned(tokenizer: str, epochs: float) -> dict[str, Any]:
        task = Task(113_000, 3000, "cpu", None, tokenizer=tokenizer)
        choices = make_plan(task, {"epochs": epochs}, unknown_machine)
        return {choice.name: choice.value for choice in choices}

    kinds = ("word", "subword", "char")
    assert [planned(kind, 11.5)["hidden_size"] for kind in kinds] == [128, 96, 64]
    assert [planned(kind, 10.5)["dropout"] for kind in kinds] == [0.4, 0.3, 0.1]


def test_short_documents_are_read_from_a_fresh_state_each() -> None:
    """As many tokens a step as streams read; and those that are longer are none of them."""
    names = plan_of_names()
    assert names["fresh_state"] is True
    assert names["batch_size"] * NAMES["mean_document"] == pytest.approx(16 * 64, rel=0.02)
    assert "fresh_state" not in plan_of_names(lines=False)  # conversations, which go on
    assert "fresh_state" not in plan_of_names(mean_document=65.0)
    assert "fresh_state" not in plan_of_names(longest_document=10**5)
    assert "fresh_state" not in plan_of_names(options={"bptt": 7})
    assert "fresh_state" not in plan_of_names(mean_document=0.0)
    split_options(names)


@pytest.mark.parametrize(
    "options", [{"random_bptt": True}, {"reset": 0.1}, {"fresh_state": False}], ids=str
)
def test_what_streams_alone_have_is_planned_for_streams(options: dict[str, Any]) -> None:
    planned = plan_of_names(options=options)
    assert not planned.get("fresh_state")
    assert planned["batch_size"] == 16
    assert "fresh_state" not in plan_of_names(replays=True)


@pytest.mark.parametrize("tokens", [20, 100, 1000, 10**4, 10**6])
@pytest.mark.parametrize("ranks", [1, 3])
def test_any_list_of_names_has_steps_and_every_rank_some_names(tokens: int, ranks: int) -> None:
    planned = plan_of_names(tokens, ranks=ranks)
    names = tokens / NAMES["mean_document"]
    assert ranks <= planned["batch_size"] <= max(ranks, names / 8)
    by_epochs = plan_of_names(tokens, {"epochs": 3}, seconds=None)
    split_options(planned)
    split_options(by_epochs)


def test_documents_need_no_more_memory_than_they_have_tokens() -> None:
    short, long = (
        Task(10**6, 257, "cpu", None, **NAMES | {"longest_document": n}) for n in (8, 99)
    )
    options = A_TRAINING | {"fresh_state": True}
    assert memory_needed(short, options) < memory_needed(long, options)
    assert memory_needed(long, options) == memory_needed(long, A_TRAINING)


def test_names_are_planned_and_told_and_kept(tmp_path: Path) -> None:
    text = tmp_path / "names.txt"
    text.write_text("".join(f"name{index % 97}\n" for index in range(400)))
    options = {"steps": 2, "hidden_size": 24, "documents": "line"}
    run = prepare(RunRequest([text], out=tmp_path / "run", options=options))
    [told] = [choice for choice in run.plan if choice.name == "fresh_state"]
    assert told.value is True and "fresh state" in told.reason
    list(run.events())
    assert read_metadata(tmp_path / "run").model.fresh_state is True
    for said, kept in ({}, True), ({"fresh_state": False}, False):  # gone on with: as it was
        finer = prepare(
            RunRequest(
                [text],
                out=tmp_path / f"finer {kept}",
                options={"steps": 1} | said,
                init_from=tmp_path / "run",
            )
        )
        assert finer.model.config.fresh_state is kept
    carried = prepare(
        RunRequest([text], out=tmp_path / "other", options=options | {"fresh_state": False})
    )
    assert carried.trainer.config.batch_size == 16
    assert not carried.model.config.fresh_state


def test_a_document_that_is_no_step_is_not_read_in_one(tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text("one long text " * 2000)
    options = {"steps": 2, "hidden_size": 24, "fresh_state": True}
    with pytest.raises(ConfigError, match="read in one step"):
        prepare(RunRequest([text], out=tmp_path / "run", options=options))


def test_names_are_read_by_a_wider_network_than_as_much_text() -> None:
    """And with as much dropout, or more, the more often they are read, but without DropConnect."""
    assert plan_of_names(seconds=600)["hidden_size"] > plan(200_000, 600)["hidden_size"]
    many = [plan_of_names(options={"epochs": n}, seconds=None) for n in (1, 5, 10, 30, 100)]
    assert [names["dropout"] for names in many] == sorted(names["dropout"] for names in many)
    assert all(names["weight_dropout"] == 0 for names in many)
    sizes = [plan_of_names(seconds=seconds)["hidden_size"] for seconds in (1, 10, 100, 1000)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
