"""Labels: the one of a text is that which makes the most likely line, wherever it stands in it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chargen
from chargen.errors import ConfigError, CorpusError
from chargen.evaluation.classification import Accuracy, Example, accuracy, classify, read_examples
from tests.support.tiny import logprob_of, tiny


def shares(logprobs: dict[str, float]) -> dict[str, float]:
    total = sum(map(math.exp, logprobs.values()))
    return {name: math.exp(logprob) / total for name, logprob in logprobs.items()}


@pytest.mark.parametrize(
    "template", ["{text}c{label}", "{label}c{text}", "c{label}{text}a", "{text}{label}cb"]
)
@settings(max_examples=20)
@given(text=st.text("abc", max_size=6), seed=st.integers(1, 3))
def test_labels_are_ranked_as_the_model_ranks_the_whole_lines(
    template: str, text: str, seed: int
) -> None:
    generator = tiny(seed, "a", "b", "c")
    labels = ["a", "cb", "bba"]
    lines = {label: template.replace("{label}", label).replace("{text}", text) for label in labels}
    whole = {
        label: logprob_of(generator, [], generator.tokenizer.encode(line))
        for label, line in lines.items()
    }
    found = classify(generator, text, labels, template)
    assert found.text == text
    assert [one.label for one in found.labels] == sorted(labels, key=lambda one: -whole[one])
    said = {one.label: one.probability for one in found.labels}
    assert said == pytest.approx(shares(whole), abs=1e-5)
    assert sum(said.values()) == pytest.approx(1)
    assert (found.label, found.probability) == (found.labels[0].label, max(said.values()))
    before = generator.tokenizer.encode(template.split("{label}")[0].replace("{text}", text))
    given_before = logprob_of(generator, [], before) if before else 0.0
    for one in found.labels:
        assert one.logprob == pytest.approx(whole[one.label] - given_before, abs=1e-4)


def test_a_line_of_the_template_ends_as_the_models_lines_do() -> None:
    generator = tiny(1, "a", "b", "\r")
    asked, meant = (
        classify(generator, "ab", ["a", "b"], f"{{text}}{end}{{label}}") for end in ("\n", "\r")
    )
    assert asked == meant


def test_a_text_may_hold_braces_and_what_the_template_is_made_of() -> None:
    generator = tiny(1, "a", "b", "{", "}", "{text}", "{label}")
    text = "{label}{}{text}{a}"
    expected = {one.choice: one.logprob for one in generator.choose(text + "b", ["a", "b"])}
    found = classify(generator, text, ["a", "b"], "{text}b{label}")
    assert {one.label: one.logprob for one in found.labels} == pytest.approx(expected)


def test_it_is_read_as_json() -> None:
    found = classify(tiny(1, "a", "b"), "a", ["a", "b"], "{text}{label}")
    spelled = json.loads(json.dumps(found.as_dict()))
    assert list(spelled) == ["text", "label", "probability", "labels"]
    assert [list(row) for row in spelled["labels"]] == [["label", "probability", "logprob"]] * 2


@pytest.mark.parametrize("name", ["checkpoint", "subword_checkpoint", "word_checkpoint"])
def test_a_trained_model_knows_which_goes_with_which(
    request: pytest.FixtureRequest, name: str
) -> None:
    generator = chargen.load(request.getfixturevalue(name))
    colours = ["red", "yellow", "blue", "green"]
    things = {"strawberry": "red", "banana": "yellow", "sky": "blue", "grass": "green"}
    for thing, colour in things.items():
        assert classify(generator, thing, colours, "The {text} is {label}.\n").label == colour
    # The same model, asked the other way round: each thing is tried before the colour.
    asked = {colour: thing for thing, colour in things.items()}
    for colour, thing in asked.items():
        assert classify(generator, colour, list(things), "The {label} is {text}.").label == thing


# -- labels that begin each other -------------------------------------------------------------


@pytest.mark.parametrize("template", ["{text}{label}", "{text}{label}b", "c{label}{text}"])
def test_a_label_that_could_never_lose_is_refused(template: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'a\w?' is the beginning of 'ab\w?', so it is never less likely"
    ):
        classify(tiny(1, "a", "b", "c"), "b", ["ab", "a"], template)


def test_what_ends_a_label_tells_them_apart() -> None:
    generator = tiny(1, "a", "b", "\n")
    expected = {
        label: logprob_of(generator, [1], generator.tokenizer.encode(f"{label}\n"))
        for label in ("a", "ab")
    }
    found = classify(generator, "b", ["a", "ab"], "{text}{label}\n")
    assert {one.label: one.logprob for one in found.labels} == pytest.approx(expected, abs=1e-5)


def test_a_line_ends_with_its_document_where_no_newline_was_ever_seen() -> None:
    generator = tiny(1, "a", "b", "\n", seen=(0, 1, 3))  # no newline
    end = generator.tokenizer.end
    expected = {
        label: logprob_of(generator, [1], [*generator.tokenizer.encode(label), end])
        for label in ("a", "ab")
    }
    found = classify(generator, "b", ["a", "ab"], "{text}{label}\n")
    assert {one.label: one.logprob for one in found.labels} == pytest.approx(expected, abs=1e-5)
    assert sum(one.probability for one in found.labels) == pytest.approx(1)


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "template", "says"),
    [
        ([], "{text}{label}", "`labels` must be at least two"),
        (["a"], "{text}{label}", "`labels` must be at least two"),
        ([1, 2], "{text}{label}", "`labels` must be a list of texts"),
        (["a", ""], "{text}{label}", "`labels` must not be empty"),
        ("ab", "{text}{label}", "`labels` must be a list of texts"),
        (["a", "a"], "{text}{label}", "`labels` must differ"),
        (["a", "b"], "", "needs {text} and {label} once each"),
        (["a", "b"], "{text}", "needs {text} and {label} once each"),
        (["a", "b"], "{label}", "needs {text} and {label} once each"),
        (["a", "b"], "{text}{label}{text}", "needs {text} and {label} once each"),
        (["a", "b"], "{label}{text}{label}", "needs {text} and {label} once each"),
    ],
)
def test_what_cannot_be_asked(labels: list[str], template: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        classify(tiny(1, "a", "b"), "a", labels, template)


# -- examples ---------------------------------------------------------------------------------


def test_a_file_of_examples_is_read(tmp_path: Path) -> None:
    examples = [Example("Très bien", "ja"), Example("", "nein"), Example('"', "ja")]
    lines = [json.dumps(vars(example), ensure_ascii=False) for example in examples]
    path = tmp_path / "examples.jsonl"
    path.write_text("\ufeff" + "\n\n".join(lines), encoding="utf-8")
    assert read_examples(path, ["nein", "ja"]) == examples
    with pytest.raises(CorpusError, match="has the label 'nein', which is not among `labels`"):
        read_examples(path, ["ja", "no"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no examples"),
        (b'{"text": "a", "label": "b"}\nnonsense', "line 2 is not JSON"),
        (b'{"text": "a"}', "line 1 must have text and label, both texts"),
        (b'{"text": "a", "label": ""}', "line 1 must have text and label"),
        (b'{"text": "caf\xe9"}', "is not UTF-8: byte 13"),
    ],
)
def test_a_bad_file_is_told_by_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        read_examples(path, ["b"])


def test_accuracy_stands_beside_that_of_the_commonest_label() -> None:
    assert accuracy(list("aaab"), list("abab")) == Accuracy(4, 3, 0.75, "a", 0.75)
