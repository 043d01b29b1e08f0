"""All experiments: a seed repeats what they find, and the command line shows it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from chargen import lab
from chargen.errors import ConfigError
from chargen.lab import exploding, forget, memoryless, namaskar, strawberry, two_ones, vanishing
from chargen.lab.finding import Finding
from chargen.lab.toy_training import reproducible
from chargen.progress import no_progress
from tests.support.command import Chargen
from tests.support.sentences import sentences

ORDER = ["memoryless", "vanishing", "exploding", "two-ones", "namaskar", "strawberry", "forget"]
# Each so small that it takes a second and learns little.
SMALL: dict[str, Callable[[int], Finding]] = {
    "memoryless": lambda seed: memoryless.run(seed, no_progress, steps=3, subjects=60),
    "vanishing": lambda seed: vanishing.run(
        seed, no_progress, steps=4, reservoir_size=20, back=100
    ),
    "exploding": lambda seed: exploding.run(seed, no_progress, steps=2, longest=12),
    "two-ones": lambda seed: two_ones.run(seed, no_progress, steps=3, fresh=20),
    "namaskar": lambda seed: namaskar.run(seed, no_progress, steps=4),
    "strawberry": lambda seed: strawberry.run(seed, no_progress, steps=2, hidden_size=8),
    "forget": lambda seed: forget.run(seed, no_progress, steps=2, subjects=50, fresh=10),
}


def test_the_worlds_stand_in_their_order() -> None:
    assert list(lab.WORLDS) == ORDER == list(get_args(lab.WorldName))
    for name, world in lab.WORLDS.items():
        assert world.name == name
        assert world.question.endswith("?")


def test_an_unknown_world_is_told_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="there is no experiment 'nowhere'") as caught:
        lab.run("nowhere")
    assert "did you mean" not in str(caught.value)
    with pytest.raises(ConfigError, match="there is no experiment 3"):
        lab.run(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"did you mean strawberry\?"):
        lab.run("strawbery")
    for name in ORDER:
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ORDER)
def test_a_finding_is_whole_and_its_seed_repeats_it(name: str) -> None:
    with reproducible():
        found = SMALL[name](3)
    assert found.world == name
    assert found.rows
    assert len(set(found.columns)) == len(found.columns)
    assert all(len(row) == len(found.columns) for row in found.rows)
    for row in found.rows:
        assert all(math.isfinite(cell) for cell in row if isinstance(cell, float))
    assert found.charts
    for chart in found.charts:
        assert chart.x_label
        assert chart.y_label
        assert chart.lines
        assert all(len(line.x) == len(line.y) > 0 for line in chart.lines)
    assert len(sentences(found.says)) == 2
    assert not re.search(r"\b(\w+) \1\b", found.says)  # no word twice
    with reproducible():
        # As text, since no number equals itself.
        assert repr(SMALL[name](3)) == repr(found)
        assert repr(SMALL[name](4)) != repr(found)


def test_whoever_is_told_hears_a_growing_share_and_can_end_it() -> None:
    heard: list[float] = []

    def on_progress(doing: str, share: float) -> None:
        assert doing
        heard.append(share)
        if len(heard) == 20:
            raise KeyboardInterrupt

    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        lab.run("two-ones", on_progress=on_progress)
    assert heard == sorted(heard)
    assert 0 < heard[-1] < 1
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_worlds_are_listed_without_torch() -> None:
    code = "import sys; from chargen import lab; print(list(lab.WORLDS)[0], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["memoryless", "False"]


# -- the command line -------------------------------------------------------------------------


@pytest.fixture
def small_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab with its worlds made small."""

    def small(name: str) -> lab.World:
        return replace(lab.WORLDS[name], run=lambda seed, told: SMALL[name](seed))

    monkeypatch.setattr(lab, "WORLDS", {name: small(name) for name in lab.WORLDS})


def test_the_lab_lists_its_worlds(run_chargen: Chargen) -> None:
    done = run_chargen("lab")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(lab.WORLDS)
    lines = map(json.loads, run_chargen("lab", "--json").stdout.splitlines())
    assert [line["world"] for line in lines] == list(lab.WORLDS)


@pytest.mark.parametrize("name", SMALL)
def test_the_lab_shows_a_table_charts_and_what_they_say(
    run_chargen: Chargen, tmp_path: Path, small_worlds: None, name: str
) -> None:
    done = run_chargen("lab", name, "--seed", 3, "--out", "lab.svg")
    assert done.returncode == 0, done.stderr
    found = SMALL[name](3)
    shown = " ".join(done.stdout.split())
    assert " ".join(found.says.split()) in shown
    drawn = (tmp_path / "lab.svg").read_text(encoding="utf-8")
    for chart in found.charts:
        assert chart.title in shown
        assert f"<!-- {chart.lines[0].name} -->" in drawn


@pytest.mark.parametrize("name", SMALL)
def test_the_lab_prints_a_finding_as_json(
    run_chargen: Chargen, small_worlds: None, name: str
) -> None:
    done = run_chargen("lab", name, "--seed", 3, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    found = SMALL[name](3)
    assert printed["says"] == found.says
    assert [tuple(row) for row in printed["rows"]] == list(found.rows)
    for chart, drawn in zip(found.charts, printed["charts"], strict=True):
        assert [line["x"] for line in drawn["lines"]] == [list(line.x) for line in chart.lines]


@pytest.mark.parametrize(
    ("written", "name"),
    [("Two ones", "two-ones"), ("two_ones", "two-ones"), ("colour of a strawberry", "strawberry")],
)
def test_a_world_may_be_written_as_people_do(small_worlds: None, written: str, name: str) -> None:
    assert lab.run(written, seed=3).world == name


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        ("moon", 2, "no experiment 'moon'; the experiments are memoryless, vanishing, exploding"),
        ("namaskar --seed -1", 2, "must be at least 0"),
        ("namaskar --out x.txt", 2, "--out must end in .png"),
        ("namaskar --out no/x.png", 1, "there is no folder no"),
        ("--out x.png", 2, "no experiment was named"),
        ("--seed 3", 2, "no experiment was named"),
        ("namaskar --out x.png --json", 2, "--json and --out cannot be combined"),
    ],
)
def test_what_is_wrong_with_the_command_is_reported(
    run_chargen: Chargen, flags: str, code: int, says: str
) -> None:
    done = run_chargen("lab", *flags.split())
    assert done.returncode == code
    assert says in done.stderr
