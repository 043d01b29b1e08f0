"""`chargen set`: how a checkpoint is sampled where nobody says otherwise."""

from __future__ import annotations

from dataclasses import asdict

from chargen.cli.flags import CHECKPOINT_HELP, Arguments, Parser, add_json
from chargen.config import SamplingDefaults
from chargen.errors import ConfigError
from chargen.options import build_config, check_names, field_names, parse


def add_flags(command: Parser) -> None:
    command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT_HELP)
    names = ", ".join(field_names(SamplingDefaults))
    command.add_argument(
        "name", nargs="?", metavar="NAME", help=f"one of {names} (default: show what is set)"
    )
    command.add_argument(
        "value",
        nargs="*",
        metavar="VALUE",
        help="such as 0.5, chat or '\\nYou:'; stop takes several texts; default removes it",
    )
    add_json(command)
    command.end_help_with(
        "These apply in sample, the REPL and Python unless other values are given. Training on "
        "dialogues sets them. sample --stop '' ignores the stop texts once."
    )


def run(arguments: Arguments) -> int:
    """Show or change how a checkpoint is sampled where nobody says otherwise."""
    from chargen.checkpoint.filing import set_sampling
    from chargen.checkpoint.locate import require_checkpoint
    from chargen.checkpoint.metadata import read_metadata
    from chargen.display.checkpoints import show_sampling
    from chargen.display.console import print_json

    folder = require_checkpoint(arguments.checkpoint)
    sampling = read_metadata(folder).sampling
    name, texts = arguments.name, arguments.value
    if name is not None and "=" in name:
        name, _, first = name.partition("=")
        texts = [first, *texts]
    if name is not None:
        check_names([name], field_names(SamplingDefaults))
    if texts:
        sampling = _changed(sampling, name, texts)
        set_sampling(folder, sampling)
    if arguments.json:
        print_json(asdict(sampling))
    else:
        show_sampling(sampling, name)
    return 0


def _changed(sampling: SamplingDefaults, name: str, texts: list[str]) -> SamplingDefaults:
    """With what is written behind a name as its value. Raises ConfigError."""
    try:
        if texts == ["default"]:
            value = getattr(SamplingDefaults, name)
        else:
            values = [parse(SamplingDefaults, name, text) for text in texts]
            value = tuple(text for part in values for text in part) if name == "stop" else values[0]
            if name != "stop" and len(values) > 1:
                raise ConfigError(f"is one value, not {len(values)}", option=name)
        return build_config(SamplingDefaults, asdict(sampling) | {name: value})
    except ConfigError as error:  # here it is no flag
        raise ConfigError(f"{name} {error.message}", hint=error.hint) from None
