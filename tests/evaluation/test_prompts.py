"""Asking a model what it knows: what counts as right, and how much is sampled to know it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chargen
from chargen.errors import CorpusError
from chargen.evaluation.prompts import Prompt, ask, judge, read_prompts
from chargen.words import word_end


@pytest.mark.parametrize(
    ("answer", "text", "said"),
    [
        (" red", " red.\nThe", " red"),
        (" red", " reddish brown", " reddish"),
        (" seven", " seventeen", " seventeen"),
        (" red", " blue", " blue"),
        (" red", " purple, they say", " purple"),
        (" fire truck", " fire engine", " fire engine"),
        (" red.", " red. And", " red."),
        ("Y", "Y'S KITCHEN", "Y"),
        (" red", " re", " re"),
        (" red", "", ""),
        (" \u092a\u0940", " \u092a\u0940\u0924\u093e \u0939\u0948", " \u092a\u0940\u0924\u093e"),
        ("e", "e\u0301te\u0301.", "e\u0301te\u0301"),
    ],
)
def test_the_answer_is_compared_to_the_end_of_its_word(answer: str, text: str, said: str) -> None:
    whole = judge(Prompt("It is", answer), [text])
    assert (whole.text, whole.correct) == (said, said == answer)
    assert judge(Prompt("It is", answer), iter(text)) == whole, "in pieces as at once"


@given(st.text(min_size=1, max_size=8), st.text(max_size=12))
def test_a_text_that_begins_with_the_answer_is_right_if_no_word_goes_on(
    answer: str, rest: str
) -> None:
    goes_on = word_end(answer + rest, len(answer)) > len(answer)
    assert judge(Prompt("", answer), [*answer, *rest]).correct == (not goes_on)


def test_no_more_is_drawn_than_is_needed() -> None:
    pieces = iter(" red. It is")
    assert judge(Prompt("It is", " red"), pieces).correct
    assert "".join(pieces) == " It is"


def test_a_model_is_asked_greedily(checkpoint: Path) -> None:
    generator = chargen.load(checkpoint)
    prompts = [Prompt("The sky is", " blue"), Prompt("The banana is", " red"), Prompt("GRANN", "Y")]
    answers = list(ask(generator, prompts))
    assert [answer.text for answer in answers] == [" blue", " yellow", "Y"]
    assert [answer.correct for answer in answers] == [True, False, True]


def test_a_file_of_prompts_is_read(tmp_path: Path) -> None:
    prompts = [Prompt("Le café est", " brûlant"), Prompt('"', "\n"), Prompt("", "x")]
    lines = [json.dumps(vars(prompt), ensure_ascii=False) for prompt in prompts]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\ufeff" + "\r\n\n".join(lines), encoding="utf-8", newline="")
    assert read_prompts(path) == prompts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no prompts"),
        (b" \n\n", "holds no prompts"),
        (b'{"prompt": "a", "answer": "b"}\nnonsense', "line 2 is not JSON"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b'{"prompt": "a"}', "line 1 must have prompt and answer"),
        (b'{"prompt": "a", "answer": ""}', "line 1 must have prompt and answer"),
        (b'{"prompt": "a", "answer": 7}', "line 1 must have prompt and answer"),
        (b'{"prompt": "a", "answer": "\\ud800"}', "line 1 must have prompt and answer"),
        (b'["a", "b"]', "line 1 must have prompt and answer"),
        (b'{"prompt": "caf\xe9"}', "not UTF-8: byte 15"),
    ],
)
def test_a_bad_file_is_told_by_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        read_prompts(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot read the prompts"):
        read_prompts(tmp_path / "nowhere")
