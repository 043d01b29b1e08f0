"""Prompts from a pipe: answers alone on stdout."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

from chargen.repl.pipe import run_piped
from chargen.session.session import Session
from tests.repl.conftest import GREEDY, Piped


def test_an_answer_a_line(say: Piped) -> None:
    done = say(GREEDY, "/set max_tokens 1", "GRANN", "", "The strawberry is r", "GRAN")
    assert done.stdout == "Y\ne\nN\n"


def test_two_slashes_begin_a_prompt(say: Piped) -> None:
    done = say("/set charset A-Za-z", "/set num_samples 2", "/set max_tokens 1", "//")
    assert len(done.stdout.splitlines()) == 2, "a text of one line a line"


def test_lines_between_quotes_are_one_prompt(say: Piped) -> None:
    done = say("/set max_tokens 1", '"""', "/quit", "", " GRANN", '"""', flags=("--json",))
    [row] = map(json.loads, done.stdout.splitlines())
    assert row["prompt"] == "/quit\n\n GRANN"
    done = say("/set max_tokens 1", "GRANN", '"""GRANN', "", code=1)
    assert done.stdout.count("\n") == 1
    assert done.stderr.splitlines()[1:] == ['chargen: a text in quotes has no end: """ ends it']


def test_the_checkpoints_are_listed_beside_the_answers(say: Piped) -> None:
    done = say("/list")
    assert done.stdout == "" and "checkpoint" in done.stderr


def test_json_is_a_line_an_answer(say: Piped) -> None:
    done = say(
        GREEDY, "/set max_tokens 3", "GRANN", "/beams 2", "GRANN", "/beams off",
        "/set num_samples 3", "The ", flags=("--json",),
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prompt"] for row in rows] == ["GRANN"] * 3 + ["The "] * 3
    assert rows[0].keys() == {"prompt", "text", "tokens", "logprob", "finish_reason"}
    assert rows[0]["text"].startswith("Y")
    assert rows[1]["score"] >= rows[2]["score"]


def test_json_has_all_in_json(say: Piped) -> None:
    done = say(
        GREEDY, "/set max_tokens 3", "GRANN", "/top", "/top words", "/why", flags=("--json",)
    )
    answer, top, words, *why = map(json.loads, done.stdout.splitlines())
    assert answer["text"].startswith("Y")
    assert top["next"][0]["probability"] > 0.1 < words["next"][0]["probability"]
    assert "".join(row["text"] for row in why) == answer["text"]
    assert why[0].keys() == {"text", "nats", "likeliest"}


def test_half_a_character_in_a_pipe_is_reported(checkpoint: Path) -> None:
    session = Session(checkpoint)
    assert run_piped(session, BytesIO(b"\xff\nGRANN\n"), False) == 1
    assert session.exchanges[0].prompt == "GRANN"
