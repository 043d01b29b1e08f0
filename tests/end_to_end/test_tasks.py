"""The two texts of questions and answers: what is asked of a model stands nowhere in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chargen.evaluation.classification import read_examples
from chargen.evaluation.prompts import read_prompts

CORPORA = Path(__file__).parents[2] / "corpora"
LABELS = ("positive", "negative")
FILES = (
    "sentiment.txt", "sentiment.examples.jsonl", "translations.txt", "translations.prompts.jsonl",
)  # fmt: skip
SENTIMENT = (CORPORA / "sentiment.txt").read_text(encoding="utf-8")
TRANSLATIONS = (CORPORA / "translations.txt").read_text(encoding="utf-8")
EXAMPLES = read_examples(CORPORA / "sentiment.examples.jsonl", LABELS)
PROMPTS = read_prompts(CORPORA / "translations.prompts.jsonl")


def test_the_script_writes_the_committed_texts(tmp_path: Path) -> None:
    script = shutil.copy(CORPORA / "make_tasks.py", tmp_path)
    subprocess.run([sys.executable, script], check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (CORPORA / name).read_bytes()


@pytest.mark.parametrize("text", [SENTIMENT, TRANSLATIONS])
def test_the_texts_are_small_and_no_line_comes_twice(text: str) -> None:
    assert 50_000 <= len(text.encode()) <= 160_000
    lines = text.splitlines()
    assert len(set(lines)) == len(lines)
    assert not re.findall(r"[{}|\[\]]|  |[^\n -~äöüßÄÖÜ]", text)


def test_what_is_asked_stands_nowhere_in_the_text() -> None:
    for example in EXAMPLES:
        assert example.text.lower() not in SENTIMENT.lower()
    for prompt in PROMPTS:
        assert prompt.prompt.lower() not in TRANSLATIONS.lower()
        assert prompt.answer.lower() not in TRANSLATIONS.lower()
    assert len(set(EXAMPLES)) == len(EXAMPLES) == 200
    assert len(set(PROMPTS)) == len(PROMPTS) == 200


def test_there_are_as_many_of_each_label() -> None:
    said = Counter(line.split(" => ")[1] for line in SENTIMENT.splitlines())
    assert len(set(said.values())) == 1 and set(said) == set(LABELS)
    asked = Counter(example.label for example in EXAMPLES)
    assert len(set(asked.values())) == 1 and set(asked) == set(LABELS)


def test_no_sentiment_has_two_labels_and_no_phrase_two_translations() -> None:
    for text, mark in ((SENTIMENT, " => "), (TRANSLATIONS, " > ")):
        questions = [line.split(mark)[0] for line in text.splitlines()]
        assert len(set(questions)) == len(questions)


def test_a_or_an() -> None:
    english = [line.split(" > ")[0] for line in (SENTIMENT + TRANSLATIONS).splitlines()]
    for line in english:
        assert not re.findall(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", line)


# Written by hand: genders, cases, plurals, and where the verb stands.
@pytest.mark.parametrize(
    "line",
    [
        "a happy man > ein glücklicher Mann",
        "a big picture > ein großes Bild",
        "two tired girls > zwei müde Mädchen",
        "for the new coat > für den neuen Mantel",
        "without a white pig > ohne ein weißes Schwein",
        "behind the yellow flower > hinter der gelben Blume",
        "behind the old dog > hinter dem alten Hund",
        "with two tired sisters > mit zwei müden Schwestern",
        "with the houses > mit den Häusern",
        "does the young man paint the yellow bag? > malt der junge Mann die gelbe Tasche?",
        "she does not buy the cats > sie kauft die Katzen nicht",
        "today two children carry my flower > heute tragen zwei Kinder meine Blume",
        "because I carry the key > weil ich den Schlüssel trage",
        "they have found this big bag > sie haben diese große Tasche gefunden",
    ],
)
def test_the_german_is_german(line: str) -> None:
    assert line in TRANSLATIONS.splitlines()


def test_no_german_article_disagrees_with_its_noun() -> None:
    """An adjective's ending after each article that allows one gender or case alone."""
    german = "\n".join(line.split(" > ")[1] for line in TRANSLATIONS.splitlines())
    for before, after in {
        r"(?:das|eine|dieses)": "e",
        r"(?:dem|einem|meinem|diesem|einen|meinen|diesen|einer|meiner)": "en",
        r"(?:ein|mein)": "er|es",
    }.items():
        endings = re.findall(rf"\b{before} ([a-zäöüß]+)(?= [A-ZÄÖÜ])", german)
        assert endings
        assert not [word for word in endings if not re.search(rf"(?:{after})$", word)]
