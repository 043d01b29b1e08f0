"""Commands about the text: going on, other answers, what was likely."""

from __future__ import annotations

import json
from pathlib import Path

from tests.repl.conftest import GREEDY, Piped
from tests.support.command import Chargen


def test_a_text_goes_on(say: Piped) -> None:
    whole = say(GREEDY, "/set max_tokens 20", "The straw").stdout
    parts = say(GREEDY, "/set max_tokens 8", "The straw", "/set max_tokens 12", "/continue").stdout
    assert parts.replace("\n", "") == whole.replace("\n", "")


def test_a_text_from_nothing(say: Piped, run_chargen: Chargen, checkpoint: Path) -> None:
    sample = run_chargen("sample", checkpoint, "--temperature", 0, "--max-tokens", 5)
    assert say(GREEDY, "/set max_tokens 5", "/continue").stdout == sample.stdout


def test_a_turn_that_has_ended_is_not_gone_on_with(say: Piped) -> None:
    done = say("/chat A: B:", "/continue", code=1)
    assert "it is your turn" in done.stderr
    assert "Ann: is you, Bob: the model" in say("/chat Ann Bob").stderr


def test_retry_and_undo(say: Piped) -> None:
    lines = ("/seed 1", "/set temperature 3", "/set max_tokens 9", "The ")
    [first] = say(*lines, flags=("--json",)).stdout.splitlines()
    again = say(*lines, "/retry", "/undo", "/undo", flags=("--json",))
    texts = [json.loads(line)["text"] for line in again.stdout.splitlines()]
    assert texts[0] == json.loads(first)["text"] != texts[1]
    assert "the previous answer is back" in again.stderr
    assert "taken back: The" in again.stderr


def test_variants_and_compare(say: Piped, checkpoint: Path) -> None:
    done = say(
        GREEDY, "/set max_tokens 4", "GRANN", "/variants 2", f"/compare {checkpoint}",
        flags=("--json",),
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5
    assert {(row["prompt"], row["text"]) for row in rows} == {("GRANN", rows[0]["text"])}
    assert [row["checkpoint"] for row in rows[3:]] == [str(checkpoint)] * 2


def test_a_space_at_the_end_counts(say: Piped) -> None:
    first = [say(f"/top The strawberry is{end}").stdout.split()[0] for end in ("", " ")]
    assert first == ["\u2423", "r"]


def test_what_may_come_next(say: Piped) -> None:
    done = say("/top GRANN", "/top words The strawberry is")
    assert done.stdout.split()[0] == "Y"
    assert any(line.startswith("\u2423red") for line in done.stdout.splitlines())


def test_why_tells_the_last_answer_and_the_others_that_were_likely(say: Piped) -> None:
    done = say(GREEDY, "/set max_tokens 4", "The strawberry is", "/why", "/why 2")
    text, again, head, *rows = done.stdout.splitlines()
    assert text == again == " red"
    assert "most likely" in head
    assert [row.split()[1] for row in rows] == ["\u2423", "r", "e", "d"]
    assert all(row.count("%") == 2 for row in rows)
