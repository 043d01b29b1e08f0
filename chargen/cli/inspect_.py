"""`chargen inspect`: what a text does to a network; with --memory, see `look_back`."""

from __future__ import annotations

import dataclasses

from chargen.cli import look_back
from chargen.cli.flags import (
    CHECKPOINT_HELP,
    Arguments,
    Parser,
    add_device,
    add_json,
    add_options,
    flags_of,
    options_given,
)
from chargen.cli.inputs import is_file, picture_to_draw
from chargen.config import CorpusConfig, InspectConfig, LookBackConfig
from chargen.errors import ConfigError, named
from chargen.options import build_config
from chargen.scoring.units import NATS_PER_BIT


def add_flags(command: Parser) -> None:
    command.add_argument(
        "checkpoint",
        nargs="+",
        metavar="CHECKPOINT",
        help=f"{CHECKPOINT_HELP}; several with --memory",
    )
    command.add_argument(
        "--text",
        metavar="TEXT",
        help="a text, a text file, or - for standard input; with --memory only a file or - "
        "(default: the held-out part of the training text, if that is still there)",
    )
    command.add_argument(
        "--memory",
        action="store_true",
        help="instead: measure the loss by length of context, and the gradient by distance",
    )
    add_options(command, InspectConfig)
    add_options(command.add_argument_group("with --memory"), LookBackConfig)
    command.add_argument(
        *flags_of("out"),
        metavar="FILE",
        help="write a page with the model and the text in it into this .html file (not with "
        "--memory), or draw into this .png, .svg or .pdf file",
    )
    add_device(command)
    add_json(
        command,
        "print one JSON line per token, then cells and gates; with --memory one per checkpoint",
    )


def run(arguments: Arguments) -> int:
    """Show what a text does to a network; with --memory, how far back networks look."""
    given = options_given(arguments, InspectConfig)
    looking = options_given(arguments, LookBackConfig)
    config = build_config(InspectConfig, given)
    build_config(LookBackConfig, looking)
    if arguments.memory and given:
        raise ConfigError(named("memory", next(iter(given))) + " cannot be combined")
    if looking and not arguments.memory:
        raise ConfigError(named(next(iter(looking))) + " needs " + named("memory"))
    if arguments.memory:
        return look_back.run(arguments, looking)
    if len(arguments.checkpoint) > 1:
        raise ConfigError(
            "several checkpoints are compared with " + named("memory"),
            hint="otherwise give one at a time",
        )

    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.plots import FORMATS, draw_text, write_output
    from chargen.generation.generator import load
    from chargen.insight.from_checkpoint import inspect as look

    out = picture_to_draw(arguments.out, (".html", *FORMATS), as_json=arguments.json)
    generator = load(arguments.checkpoint[0], arguments.device)
    text = None
    if arguments.text is not None:
        text = _read_text(arguments.text, config.max_chars, generator.corpus_options)
    with Bar("reading", stays=False) as bar:
        seen = look(generator, text, on_progress=bar.show, **given)
    inspection = seen.inspection
    if arguments.json:
        for place, part in enumerate(inspection.parts):
            values = {v.probe.name: float(v.values[place]) for v in inspection.views if v.probe}
            bits = part.nats / NATS_PER_BIT
            print_json(part.as_dict() | {"bits": bits, "values": values})
        gates = [dataclasses.asdict(gate) for gate in inspection.gates]
        print_json({"cells": [dataclasses.asdict(f) for f in seen.followers], "gates": gates})
        return 0
    if out is None:
        from chargen.display.insight import show_inspection

        show_inspection(seen)
        return 0
    if out.suffix.lower() == ".html":
        from chargen.export.html import page_of_inspection

        write_output(out, page_of_inspection(generator, seen))
    else:
        draw_text(inspection, out)
    show_note(f"written to {out}")
    return 0


def _read_text(given: str, most: int, corpus_options: CorpusConfig) -> str:
    """So many characters of a text that was given itself, in a file or on standard input."""
    from chargen.data.reading import read_beginning
    from chargen.display.console import show_note

    text = read_beginning(given, most + 1, corpus_options) if is_file(given) else given
    if len(text) > most:
        show_note(f"only the first {most:,} characters were read; raise it with --max-chars")
    return text[:most]
