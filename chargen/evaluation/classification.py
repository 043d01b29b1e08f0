"""Classify texts with a model that writes: which label would make the most likely line?

A template says how text and label stand in the lines that the model was trained on, as in
"{text} => {label}". What stands before the label is the prompt; the label and what stands after it
are what the model could go on with, and their probabilities are compared. So the label may come
first, too: then each label is asked how likely it makes the text.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from chargen.config import TEMPLATE
from chargen.data.boundaries import JOINTS
from chargen.errors import ConfigError, CorpusError, named, setting
from chargen.evaluation.prompts import read_pairs
from chargen.generation.generator import TextGenerator
from chargen.reprs import quoted


@dataclass(frozen=True)
class Label:
    """A label, its probability among all labels, and its log probability in nats, with what stands
    after it in the template."""

    label: str
    probability: float
    logprob: float


@dataclass(frozen=True)
class Classified:
    """A text with its most likely label and the probability of that label, 0 to 1; `labels` are
    all of them, the most likely first."""

    text: str
    label: str
    probability: float
    labels: tuple[Label, ...]

    def __repr__(self) -> str:
        return f"<Classified {quoted(self.text)}: {self.label!r}, {self.probability:.1%}>"

    def as_dict(self) -> dict[str, object]:
        """As `chargen classify --json` prints it."""
        return asdict(self)


@dataclass(frozen=True)
class Example:
    """A text and its true label."""

    text: str
    label: str


@dataclass(frozen=True)
class Accuracy:
    """How many were right, and what always saying the commonest label would score."""

    examples: int
    correct: int
    accuracy: float
    commonest_label: str
    commonest_share: float


def classify(
    generator: TextGenerator, text: str, labels: Sequence[str], template: str = TEMPLATE
) -> Classified:
    """Which of the labels a text gets: the one that makes the line of the template most likely.

    The template says how {text} and {label} appear in the training text. If it ends with a newline
    (or a blank line) and the model's documents are lines (or paragraphs), that is the end of the
    document. Raises ConfigError if the labels or the template cannot be used; TokenizerError.
    """
    check_labels(labels)
    before, after = _parts(template)
    generator.tokenizer.check(text)
    joint = JOINTS.get(generator.corpus_options.documents)
    ends = joint is not None and after.endswith(joint)
    if joint is not None:
        after = after.removesuffix(joint)
    before, after = map(generator.with_own_line_ends, (before, after))
    # No str.format: a text may hold braces.
    before, after = (part.replace("{text}", text) for part in (before, after))
    if not ends:
        _check_beginnings([label + after for label in labels])
    label_of = {label + after: label for label in labels}
    found = generator.choose(before, list(label_of), ends=ends)
    ranked = tuple(Label(label_of[way.choice], way.probability, way.logprob) for way in found)
    return Classified(text, ranked[0].label, ranked[0].probability, ranked)


def check_labels(labels: Sequence[str]) -> None:
    """Raises ConfigError where there are not two at least, or an empty one, or one twice."""
    hint = "as in " + setting("labels", ["positive", "negative"])
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        raise ConfigError(named("labels") + " must be a list of texts", hint=hint)
    if not all(labels):
        raise ConfigError(named("labels") + " must not be empty", hint=hint)
    if len(labels) < 2:
        raise ConfigError(named("labels") + " must be at least two, to be compared", hint=hint)
    if len(set(labels)) < len(labels):
        raise ConfigError(named("labels") + " must differ from each other")


def check_template(template: str) -> None:
    """Raises ConfigError where it does not say where text and label stand."""
    _parts(template)


def _parts(template: str) -> tuple[str, str]:
    """What stands before the label and what stands after it, one of them with {text}."""
    if not isinstance(template, str):
        raise ConfigError(named("template") + f" must be a text, not {template!r}")
    if template.count("{text}") != 1 or template.count("{label}") != 1:
        raise ConfigError(
            named("template") + f" needs {{text}} and {{label}} once each, not {template!r}",
            hint="as in " + setting("template", TEMPLATE),
        )
    before, after = template.split("{label}")
    return before, after


def _check_beginnings(ways: Sequence[str]) -> None:
    """What begins another way to go on is never less likely, whatever the model thinks."""
    for shorter, longer in pairwise(sorted(ways)):
        if longer.startswith(shorter):
            raise ConfigError(
                named("labels")
                + f" cannot be compared: {shorter!r} is the beginning of {longer!r}, so it "
                "is never less likely",
                hint="end the template with what ends a label, as in "
                + setting("template", TEMPLATE + "\n"),
            )


def read_examples(path: str | os.PathLike[str], labels: Sequence[str]) -> list[Example]:
    """The examples in a file of JSON lines. Raises CorpusError, which names the line, also where a
    label is none of these."""
    rows = read_pairs(path, ("text", "label"), "examples", EXAMPLE)
    for place, _, label in rows:
        if label not in labels:
            raise CorpusError(
                f"{place} has the label {label!r}, which is not among " + named("labels"),
                hint="name all labels that occur",
            )
    return [Example(text, label) for _, text, label in rows]


EXAMPLE = 'write one per line: {"text": "I liked it.", "label": "positive"}'


def accuracy(true: Sequence[str], said: Sequence[str]) -> Accuracy:
    """Compare the labels that were said of some texts, one or more, with the true ones."""
    correct = sum(one == other for one, other in zip(true, said, strict=True))
    [(label, count)] = Counter(true).most_common(1)
    return Accuracy(len(true), correct, correct / len(true), label, count / len(true))
