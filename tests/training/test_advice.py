"""Advice comes where it helps, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chargen.config import CorpusConfig
from chargen.data.corpus import open_corpus
from chargen.errors import in_flags
from chargen.training.advice import about_run, about_speakers, about_text
from chargen.training.events import EvalReport
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.samples import SMALL
from tests.support.texts import write

CHAT = "Ann: hello\nBen: oh, yes\n" * 60
NAMES = "".join(f"Anna{letter}\n" for letter in "abcdefghijklmnopqrstuvwxyz" * 8)


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        (NAMES, True),
        (NAMES.replace("\n", "\r\n"), True),
        ("New York, USA\nParis, France\n" * 60, True),
        (NAMES[:200], False),  # too few
        ("All that we said in those days was long forgotten by them\n" * 60, False),
        ("It is red.\nIt was green.\n" * 60, False),  # sentences
        ("A rose is a rose,\nand it is red\n\n" * 60, False),  # verses
        ("Ann: hello\nBen: yes\n" * 60, False),  # a dialogue
        ("def f(x):\n    return x\n" * 60, False),  # code
        ("acgt" * 1000, False),  # no lines at all
    ],
)
def test_lists_are_told_from_other_texts(tmp_path: Path, text: str, is_list: bool) -> None:
    path = write(tmp_path, "text.txt", text.encode())
    whole = CorpusConfig(valid_fraction=0.0, test_fraction=0.0)
    advice = about_text(open_corpus([path], whole))
    said = [line.spelled(in_flags) for line in advice]
    said = [line for line in said if "--newlines lf" not in line]
    assert ["--documents line" in line for line in said] == [True] * is_list
    of_lines = about_text(open_corpus([path], replace(whole, documents="line")))
    assert not any("--documents line" in line.spelled(in_flags) for line in of_lines)


@pytest.mark.parametrize(
    ("text", "documents", "says"),
    [
        ("one\rtwo\rthree\r", "line", "train with --newlines lf"),
        ("one line", "line", "is one line, so none of it is held out.*train with --documents file"),
        ("two\nlines\n", "paragraph", "is one paragraph"),
        ("one\ntwo\n", "line", None),
    ],
)
def test_a_single_document_is_told_of(
    tmp_path: Path, text: str, documents: str, says: str | None
) -> None:
    path = write(tmp_path, "text.txt", text)
    config = CorpusConfig(documents=documents, valid_fraction=0.0, test_fraction=0.0)
    advice = [line.spelled(in_flags) for line in about_text(open_corpus([path], config))]
    assert len(advice) == (says is not None)
    assert says is None or re.search(says, advice[0])


def test_a_copy_of_a_text_is_told_of(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one text"), ("b.txt", "another"), ("c.txt", "one text")):
        write(tmp_path, name, text)
    [advice] = about_text(open_corpus([tmp_path], CorpusConfig()))
    assert str(advice).startswith("c.txt holds the same text as a.txt:")


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ([], None),
        ([None, None], None),
        ([2.0], None),
        ([2.0, 1.5, 1.4], None),
        ([2.0, 1.5, 1.505], None),  # as good as the best
        ([2.0, 1.5, 1.6], "rose from 1.500 at step 20 to 1.600"),
        ([3.9, 3.8, 3.6, 3.59], "hardly been trained"),
        ([3.9, 3.6, 3.59, 3.59], None),  # a text of which there is no more to know
    ],
)
def test_a_run_that_overfits_or_is_too_short_is_told_so(
    losses: Sequence[float | None], says: str | None
) -> None:
    history = [
        EvalReport(10 * n, 1.0, 1.0, 1.0, 1.0, loss, None, None, 0.1, True)
        for n, loss in enumerate(losses, start=1)
    ]
    advice = [str(line) for line in about_run(history, np.array([0, *[7] * 60]))]  # ln 60 is 4.09
    assert len(advice) == (says is not None)
    assert says is None or says in advice[0]


@pytest.mark.parametrize(
    ("text", "options", "advised"),
    [
        (CHAT, {}, True),
        (CHAT, {"user": "Ann:", "bot": "Ben:"}, False),
        (CHAT, {"user": "Ben:", "bot": "Ann:"}, False),
        (CHAT, {"documents": "line"}, False),
        (CHAT + "and a line of prose\n" * 100, {}, True),
        (CHAT + "and a line of prose\n" * 200, {}, False),
        (CHAT[:200], {}, False),  # too few
        ("Ann: hello\n" * 60, {}, False),  # she talks to herself
        (NAMES, {}, False),
    ],
)
def test_who_speaks_is_told_to_who_would_chat(
    tmp_path: Path, text: str, options: dict[str, str], advised: bool
) -> None:
    whole: dict[str, Any] = {"valid_fraction": 0.0, "test_fraction": 0.0}
    config = CorpusConfig(**whole | options)
    corpus = open_corpus([write(tmp_path, "text.txt", text)], config)
    says = [line.spelled(in_flags) for line in about_speakers(corpus, config)]
    assert says == advised * [
        "the lines begin with Ann: and Ben:; to chat with the model, train with --user Ann: "
        "--bot Ben:"
    ]


@pytest.mark.parametrize(
    ("names", "chosen", "says"),
    [
        ("Ann Ben", False, "you are Ann, the model answers as Ben; --me Ben turns that around"),
        ("Ann Ben", True, "you are Ann, the model answers as Ben"),
        ("Ann Ben Cy", False, "you are Ben, the model answers as Cy; --me and --bot choose others"),
        ("Ann Ann", False, "only Ann speaks in this chat, so there is nobody to answer as"),
    ],
)
def test_who_is_who_in_a_chat(tmp_path: Path, names: str, chosen: bool, says: str) -> None:
    lines = [f"<{name}> hi" for name in names.split() * 30]
    corpus = open_corpus([write(tmp_path, "a.log", "\n".join(lines))], CorpusConfig(format="irc"))
    found = about_speakers(corpus, corpus.config, chosen=chosen)
    assert [line.spelled(in_flags) for line in found] == [says]


def test_a_stopped_run_of_the_same_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "text.txt", NAMES)

    def begin(until: int | None = None, **asked: Any) -> list[str]:
        run = prepare(RunRequest(["text.txt"], options=SMALL | {"steps": 4}, **asked))
        with closing(run.events()) as events:
            for _ in events:
                if run.trainer.step == until:
                    break
        return [line.spelled(in_flags) for line in run.text_advice() if "stopped" in str(line)]

    assert begin(until=1) == []
    says = "checkpoints/text holds a stopped run of this text; chargen train --resume --out "
    assert begin(out="elsewhere") == [], "a folder is named"
    assert begin() == [says + "checkpoints/text resumes it"]
    assert begin() == [], "the last one is whole"


@pytest.mark.parametrize(
    ("lines", "mark"),
    [
        (["good => yes", "bad one => no"], "=> "),
        (["house\tHaus", "the dog\tder Hund"], "\\t"),
        (["good => yes", "bad one"], None),
        (["a -> b -> c", "d -> e"], None),
        (["no answer => ", "none => "], None),
    ],
)
def test_lines_that_are_answered_are_told_of(
    tmp_path: Path, lines: list[str], mark: str | None
) -> None:
    path = write(tmp_path, "a.txt", "\n".join(lines * 60))
    for documents in ("file", "line"):
        config = CorpusConfig(documents=documents, valid_fraction=0.1)
        said = [line.spelled(in_flags) for line in about_text(open_corpus([path], config))]
        found = [line for line in said if "--loss-after" in line]
        assert len(found) == (mark is not None) and all(mark in line for line in found if mark)
    if mark:
        asked = replace(config, loss_after="=> " if "=>" in mark else "\t")
        said = [line.spelled(in_flags) for line in about_text(open_corpus([path], asked))]
        assert not any("--loss-after" in line for line in said)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("newlines", ["keep", "lf"])
def test_line_ends_of_windows_are_told_of(tmp_path: Path, end: str, newlines: str) -> None:
    path = write(tmp_path, "a.txt", f"Our teacher likes a silver bell, and so on.{end}" * 30)
    advice = about_text(open_corpus([path], CorpusConfig(newlines=newlines)))
    said = [line.spelled(in_flags) for line in advice if "CRLF" in line.spelled(in_flags)]
    assert bool(said) == (end == "\r\n" and newlines == "keep")
    assert not said or said[0].endswith("train with --newlines lf")
