"""`chargen sample` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import Chargen

GREEDY = ("-t", 0, "--max-tokens", 4)


def test_the_prompt_stands_after_the_checkpoint(run_chargen: Chargen, checkpoint: Path) -> None:
    flag = run_chargen("sample", checkpoint, "--prompt", "The strawberry is", *GREEDY)
    assert (flag.stdout, flag.stderr) == (" red\n", "")
    for words in (
        (checkpoint, "The strawberry is", *GREEDY),
        (checkpoint, *GREEDY, "The strawberry is"),
        (checkpoint, "The", "strawberry", *GREEDY, "is"),
        (*GREEDY, "-p", "The strawberry is", checkpoint),
    ):
        assert run_chargen("sample", *words).stdout == flag.stdout
    both = run_chargen("sample", checkpoint, "The sky", "-p", "The sky")
    assert both.returncode == 2
    assert "the prompt 'The sky' and --prompt cannot be combined" in both.stderr


def test_a_prompt_is_piped_in(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("sample", checkpoint, *GREEDY, stdin="The strawberry is\n")
    assert (done.stdout, done.stderr) == (" red\n", "")
    chosen = run_chargen("sample", checkpoint, "--choices", " red, blue", stdin="The sky is\n")
    assert chosen.stdout.splitlines()[1].split()[-1] == "blue"


def test_a_prompt_that_is_taken_for_a_checkpoint_is_told_how(run_chargen: Chargen) -> None:
    done = run_chargen("sample", "The sky isn't")
    assert done.returncode == 1
    assert done.stderr.startswith("chargen: no such checkpoint: The sky isn't; if it is a prompt: ")
    assert """chargen sample -p 'The sky isn'"'"'t'""" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("flags", [(), ("-n", 2), ("--beams", 1)])
def test_the_prompt_is_echoed(
    run_chargen: Chargen, checkpoint: Path, flags: tuple[object, ...]
) -> None:
    greedy = ("--max-tokens", 4, *(() if "--beams" in flags else ("-t", 0)))
    done = run_chargen("sample", checkpoint, "The strawberry is", "--echo", *greedy, *flags)
    texts = 2 if "-n" in flags else 1
    assert done.stdout == "The strawberry is red\n" * texts, (
        "and texts of one line stand one a line"
    )


def test_lines_of_json_name_the_prompt_anyway(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    words = ("sample", checkpoint, "The strawberry is", "--echo", *GREEDY)
    printed = run_chargen(*words, "--json").stdout
    run_chargen(*words, "-o", "samples.jsonl")
    for line in (printed, (tmp_path / "samples.jsonl").read_text()):
        found = json.loads(line)
        assert (found["prompt"], found["text"]) == ("The strawberry is", " red")


def test_characters_beat_the_default_of_tokens(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("sample", checkpoint, "--max-chars", 300, "--min-chars", 300, "--json")
    assert len(json.loads(done.stdout)["text"]) == 300


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (1, ""),
        (
            16,
            "5 samples, fewer than 2 batches of 16: parts share batches, and each "
            "computes those in full; a --batch-size of at most 3 divides the work better",
        ),
    ],
)
def test_machines_share_the_samples(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path, size: int, note: str
) -> None:
    words = ("sample", checkpoint, "-n", 5, "--seed", 3, "--max-tokens", 6, "--batch-size", size)
    run_chargen(*words, "-o", "whole.jsonl")
    for number in (1, 2):
        done = run_chargen(*words, "-o", f"{number}.jsonl", "--shard", f"{number}/2")
        *notes, written = done.stderr.splitlines()
        assert written == f"{number + 1} samples in {number}.jsonl"
        assert notes == ([note] if note else [])
    parts = [(tmp_path / f"{number}.jsonl").read_bytes() for number in (1, 2)]
    assert b"".join(parts) == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("shard", "flags", "why"),
    [
        ("3/2", ("-n", 5, "--seed", 3, "-o", "f"), "not '3/2'"),
        ("one/2", ("-n", 5, "--seed", 3, "-o", "f"), "not 'one/2'"),
        ("1/2", ("-n", 5, "-o", "f"), "--shard needs --seed"),
        ("1/2", ("--seed", 3, "-o", "f"), "--shard needs --num-samples"),
        ("1/2", ("-n", 5, "--seed", 3), "--shard needs --out"),
    ],
)
def test_a_part_says_of_what(
    run_chargen: Chargen, checkpoint: Path, shard: str, flags: tuple[object, ...], why: str
) -> None:
    done = run_chargen("sample", checkpoint, "--shard", shard, *flags)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert why in done.stderr


def test_a_part_goes_on_with_the_seed_in_its_file(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "2.jsonl"
    few = ("-n", 4, "--max-tokens", 6, "--batch-size", 1)
    words = ("sample", checkpoint, *few, "-o", "2.jsonl", "--shard", "2/2")
    assert "--shard needs --seed" in run_chargen(*words, "--resume").stderr
    run_chargen(*words, "--seed", 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert run_chargen(*words, "--resume").stderr == "2 samples in 2.jsonl\n"
    assert path.read_bytes() == whole
    other = run_chargen(*words, "--resume", "--shard", "1/2").stderr
    assert "begins with sample 2, not with 0; give the same --shard" in other
    assert path.read_bytes() == whole


def test_an_empty_stop_text_alone_is_none(run_chargen: Chargen, checkpoint: Path) -> None:
    run_chargen("cp", checkpoint, "own")
    run_chargen("set", "own", "stop", "red")
    words = ("sample", "own", "The strawberry is", *GREEDY)
    assert run_chargen(*words).stdout == " \n"
    assert run_chargen(*words, "--stop", "").stdout == " red\n"
    assert "stop must not be empty" in run_chargen(*words, "--stop", "", "--stop", "x").stderr
