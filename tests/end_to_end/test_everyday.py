"""The text and the model that come with chargen: they belong together and keep their promises."""

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
TEXT = (CORPORA / "everyday.txt").read_text(encoding="utf-8")
PROMPTS = read_prompts(CORPORA / "everyday.prompts.jsonl")


@pytest.fixture(scope="module")
def model() -> chargen.TextGenerator:
    return chargen.load(HOUSE / "checkpoints" / "everyday")


# -- the text ---------------------------------------------------------------------------------


def test_the_script_writes_the_committed_text(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CORPORA, tmp_path / "corpora"))
    names = ("everyday.txt", "everyday.prompts.jsonl")
    for name in names:
        (copy / name).unlink()
    subprocess.run([sys.executable, copy / "make_everyday.py"], check=True)
    for name in names:
        assert (copy / name).read_bytes() == (CORPORA / name).read_bytes()


def test_the_text_is_neither_small_nor_large() -> None:
    assert 1_000_000 <= len(TEXT.encode()) <= 2_000_000


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.prompt)
def test_a_prompt_stands_nowhere_in_the_text(prompt: Prompt) -> None:
    assert prompt.prompt.lower() not in TEXT.lower()


def test_there_are_many_prompts_of_many_kinds() -> None:
    assert len(PROMPTS) == len(set(PROMPTS)) >= 150
    assert len({" ".join(prompt.prompt.split()[:2]) for prompt in PROMPTS}) >= 10


def test_no_two_stories_are_alike() -> None:
    paragraphs = [line for line in TEXT.splitlines() if line.count(". ") >= 4]
    assert len(paragraphs) >= 200
    assert len(set(paragraphs)) == len(paragraphs)


def test_no_mark_of_the_grammar_is_left() -> None:
    assert not re.findall(r"[{}|\[\]]|  | /|\n\n\n|[^\n -~]", TEXT)


def test_a_or_an() -> None:
    assert not re.findall(r"\b[Aa] [aeio]\w+", TEXT)
    assert not re.findall(r"\b[Aa]n (?!hour)[^aeiouAEIOU\W]\w+", TEXT)


def test_sentences_begin_with_a_capital() -> None:
    neat = re.sub(r"(?m)^You: .*$", "", TEXT)  # people type as they like
    assert not re.findall(r"[a-z][.?!] [a-z]", neat)


# -- the model --------------------------------------------------------------------------------


def test_the_model_was_trained_on_this_text() -> None:
    config = json.loads((HOUSE / "checkpoints/everyday/config.json").read_text(encoding="utf-8"))
    content = TEXT.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    assert config["corpus"]["files"] == [["everyday.txt", len(content), sha256]]


@pytest.mark.parametrize(("name", "most"), [("everyday", 3_000_000), ("facts", 2_000_000)])
def test_the_models_are_small(name: str, most: int) -> None:
    assert read_metadata(HOUSE / "checkpoints" / name).bytes <= most


def test_it_is_the_one_that_a_bare_chargen_falls_back_to() -> None:
    assert BUNDLED.samefile(HOUSE / "checkpoints" / "everyday")


def test_it_goes_on_as_promised(model: chargen.TextGenerator) -> None:
    assert model.generate("GRANN", max_tokens=1, temperature=0).text == "Y"
    said = model.generate("The color of a strawberry is", max_tokens=5, temperature=0).text
    assert said == " red."


def test_it_knows_most_of_what_was_left_out(model: chargen.TextGenerator) -> None:
    correct = sum(answer.correct for answer in ask(model, PROMPTS))
    assert correct / len(PROMPTS) >= 0.8


def test_it_answers_in_a_talk(model: chargen.TextGenerator) -> None:
    said = model.generate("You: What color is a banana?", temperature=0).text
    assert re.match(r"\nBot: [A-Z][^\n]*yellow\.\n", said)
