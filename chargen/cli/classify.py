"""`chargen classify`: which label a text gets, by likelihood."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json
from chargen.cli.inputs import lines_of_stdin, split_at_commas
from chargen.config import TEMPLATE
from chargen.errors import ConfigError
from chargen.options import unescape

if TYPE_CHECKING:  # types alone: what computes is imported where it is used
    from chargen.evaluation.classification import Classified, Example


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    texts = command.add_argument(
        "text", nargs="+", metavar="TEXT", help="texts (default: standard input, one text per line)"
    )
    texts.required = False  # as for `eval`
    command.add_argument(
        "--labels",
        required=True,
        metavar="TEXT,TEXT",
        help="the labels, as in positive,negative; quote one that contains a comma",
    )
    command.add_argument(
        "--template",
        default=TEMPLATE,
        metavar="TEXT",
        help="how {text} and {label} appear in the training text; \\n at the end is the end of the "
        f"line (default: {TEMPLATE!r})",
    )
    command.add_argument(
        "--examples",
        metavar="FILE",
        help="instead: report the accuracy on the labeled examples in FILE; one "
        '{"text": ..., "label": ...} per line',
    )
    add_device(command)
    add_json(command, "print one JSON line per text, and with --examples the totals")


def run(arguments: Arguments) -> int:
    """Rank labels for texts, or for examples whose labels are known."""
    from chargen.display.console import print_json, show_note
    from chargen.display.tables import ClassTable, show_labels
    from chargen.evaluation.classification import check_labels, check_template, read_examples
    from chargen.evaluation.classification import classify as ask
    from chargen.generation.generator import load

    if arguments.text and arguments.examples:
        raise ConfigError(
            "give either texts to classify or --examples",
            hint="the examples contain their own texts",
        )
    labels, template = split_at_commas("labels", arguments.labels), unescape(arguments.template)
    check_labels(labels)
    check_template(template)
    examples = read_examples(arguments.examples, labels) if arguments.examples else None
    generator = load(arguments.checkpoint, arguments.device)
    if " {label}" in template and any(label.startswith(" ") for label in labels):
        show_note(
            "the template has a space before {label}, so a label that begins with one gets two"
        )
    if examples is not None:
        return _judge(arguments, examples, lambda text: ask(generator, text, labels, template))
    table = ClassTable(labels)
    texts = [] if arguments.text in (None, ["-"]) else arguments.text
    for text in texts or lines_of_stdin():
        found = ask(generator, text, labels, template)
        if arguments.json:
            print_json(found.as_dict())
        elif len(texts) == 1:
            show_labels(found)
        else:
            table.row(found)
    return 0


def _judge(
    arguments: Arguments,
    examples: Sequence[Example],
    ask: Callable[[str], Classified],
) -> int:
    """Tell which examples a model gets wrong, and how many."""
    from chargen.display.console import print_json
    from chargen.display.tables import show_judged
    from chargen.evaluation.classification import accuracy

    found = []
    for example in examples:
        found.append(ask(example.text))
        if arguments.json:
            correct = found[-1].label == example.label
            print_json(found[-1].as_dict() | {"true_label": example.label, "correct": correct})
    true = [example.label for example in examples]
    total = accuracy(true, [one.label for one in found])
    if arguments.json:
        print_json(dataclasses.asdict(total))
    else:
        show_judged(found, true, total)
    return 0
