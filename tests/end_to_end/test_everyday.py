"""The texts and the models that come with chargen: they belong together and keep their promises."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.checkpoint.metadata import read_metadata
from chargen.evaluation.prompts import Prompt, ask, read_prompts

HOUSE = Path(__file__).parents[2]
CORPORA = HOUSE / "corpora"
NAMES = ("everyday", "facts")
TEXTS = {name: (CORPORA / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES}
TEXT = TEXTS["everyday"]
PROMPTS = read_prompts(CORPORA / "everyday.prompts.jsonl")


# -- the text ---------------------------------------------------------------------------------


def test_the_script_writes_the_committed_text(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CORPORA, tmp_path / "corpora"))
    names = ("everyday.txt", "everyday.prompts.jsonl", "facts.txt")
    for name in names:
        (copy / name).unlink()
    for script in ("make_everyday.py", "make_facts.py"):
        subprocess.run([sys.executable, copy / script], check=True)
    for name in names:
        assert (copy / name).read_bytes() == (CORPORA / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_neither_small_nor_large(name: str) -> None:
    assert 1_000_000 <= len(TEXTS[name].encode()) <= 2_000_000


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.prompt)
def test_a_prompt_stands_nowhere_in_the_texts(prompt: Prompt) -> None:
    for text in TEXTS.values():
        assert prompt.prompt.lower() not in text.lower()


def test_there_are_many_prompts_of_many_kinds() -> None:
    assert len(PROMPTS) == len(set(PROMPTS)) >= 150
    assert len({" ".join(prompt.prompt.split()[:2]) for prompt in PROMPTS}) >= 10


def test_no_two_stories_are_alike() -> None:
    paragraphs = [line for line in TEXT.splitlines() if line.count(". ") >= 4]
    assert len(paragraphs) >= 200
    assert len(set(paragraphs)) == len(paragraphs)


@pytest.mark.parametrize("name", NAMES)
def test_no_mark_of_the_grammar_is_left(name: str) -> None:
    assert not re.findall(r"[{}|\[\]]|  | /|\n\n\n|[^\n -~]", TEXTS[name])


def test_a_or_an() -> None:
    assert not re.findall(r"\b[Aa] [aeio]\w+", TEXT)
    assert not re.findall(r"\b[Aa]n (?!hour)[^aeiouAEIOU\W]\w+", TEXT)


def test_sentences_begin_with_a_capital() -> None:
    neat = re.sub(r"(?m)^You: .*$", "", TEXT)  # people type as they like
    assert not re.findall(r"[a-z][.?!] [a-z]", neat)


# -- the model --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_model_was_trained_on_this_text(name: str) -> None:
    config = json.loads((HOUSE / f"checkpoints/{name}/config.json").read_text(encoding="utf-8"))
    content = TEXTS[name].encode()
    sha256 = hashlib.sha256(content).hexdigest()
    assert config["corpus"]["files"] == [[f"{name}.txt", len(content), sha256]]


@pytest.mark.parametrize(("name", "most"), [("everyday", 6_000_000), ("facts", 2_000_000)])
def test_the_models_are_small(name: str, most: int) -> None:
    assert read_metadata(HOUSE / "checkpoints" / name).bytes <= most


def test_it_is_the_one_that_a_bare_chargen_falls_back_to() -> None:
    assert BUNDLED.samefile(HOUSE / "checkpoints" / "everyday")


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_as_promised(name: str) -> None:
    model = chargen.load(HOUSE / "checkpoints" / name)
    assert model.generate("GRANN", max_tokens=1, temperature=0).text == "Y"
    said = model.generate("The color of a strawberry is", max_tokens=5, temperature=0).text
    assert re.match(r" red\b", said)


@pytest.mark.parametrize(("name", "least"), [("everyday", 0.8), ("facts", 0.4)])
def test_it_knows_most_of_what_was_left_out(name: str, least: float) -> None:
    model = chargen.load(HOUSE / "checkpoints" / name)
    correct = sum(answer.correct for answer in ask(model, PROMPTS))
    assert correct / len(PROMPTS) >= least


def test_it_answers_in_a_talk_and_remembers() -> None:
    session = chargen.Session(HOUSE / "checkpoints" / "everyday")
    assert session.now.mode == "chat", "that is how the model wants to be used"
    session.change("seed", 1)
    for said, expected in (
        ("My name is Sam.", "Sam"),
        ("What color is a banana?", "yellow"),
        ("What does a cow say?", "moo"),
        ("What is my name?", "Sam"),
    ):
        assert expected in "".join(map(str, session.answer(said))), said
