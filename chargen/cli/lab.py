"""`chargen lab`: what networks can learn in a small world."""

from __future__ import annotations

import dataclasses

from chargen.cli.flags import Arguments, Parser, add_json, add_options, flags_of, options_given
from chargen.cli.inputs import picture_to_draw
from chargen.config import TrainConfig
from chargen.errors import ConfigError


def add_flags(command: Parser) -> None:
    command.add_argument(
        "world", nargs="?", metavar="EXPERIMENT", help="an experiment (default: list them)"
    )
    add_options(command, TrainConfig, only=("seed",))
    command.add_argument(
        *flags_of("out"),
        metavar="FILE",
        help="also draw the charts into this .png, .svg or .pdf file",
    )
    add_json(command, "print the result as one JSON line")


def run(arguments: Arguments) -> int:
    """Try what networks can learn in a small world; without one, tell which there are."""
    if arguments.world is None:
        from chargen.lab import WORLDS

        if arguments.out is not None or "seed" in arguments:
            raise ConfigError("no experiment was named", hint="as in: chargen lab namaskar")
        if arguments.json:
            from chargen.display.console import print_json

            for world in WORLDS.values():
                print_json({"world": world.name, "question": world.question})
            return 0
        from chargen.display.insight import show_worlds

        show_worlds(WORLDS.values())
        return 0
    from chargen.display.console import Bar, print_json, show_note
    from chargen.display.insight import show_finding
    from chargen.display.plots import FORMATS, draw_charts
    from chargen.lab import run as run_world

    out = picture_to_draw(arguments.out, FORMATS, as_json=arguments.json)
    with Bar(arguments.world, stays=False) as bar:
        finding = run_world(
            arguments.world, on_progress=bar.show, **options_given(arguments, TrainConfig)
        )
    if arguments.json:
        print_json(dataclasses.asdict(finding))
        return 0
    show_finding(finding)
    if out is not None:
        draw_charts(finding.charts, out)
        show_note(f"written to {out}")
    return 0
