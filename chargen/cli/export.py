"""`chargen export`: a model for programs that know nothing of chargen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargen.cli.flags import (
    Arguments,
    Parser,
    add_checkpoint,
    add_options,
    flags_of,
    options_given,
)
from chargen.config import ExportConfig
from chargen.errors import ConfigError, named, setting
from chargen.options import build_config


@dataclass(frozen=True)
class Format:
    """What can be written: in words, and by which function."""

    about: str
    write: Callable[[Arguments, dict[str, Any]], Path]


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    command.add_argument(
        "--format",
        type=str.lower,
        choices=tuple(FORMATS),
        default=DEFAULT,
        help="; ".join(f"{name}: {one.about}" for name, one in FORMATS.items())
        + f" (default: {DEFAULT})",
    )
    command.add_argument(
        *flags_of("out"),
        metavar="FILE",
        help="the file to write (default: the name of the checkpoint and of the format)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add_options(command, ExportConfig)


def run(arguments: Arguments) -> int:
    """Write a model into a file of another format."""
    options = options_given(arguments, ExportConfig)
    build_config(ExportConfig, options)
    if options and arguments.format != DEFAULT:
        raise ConfigError(
            named(next(iter(options))) + " needs " + setting("format", DEFAULT),
            hint="other formats hold the weights as they are",
        )
    from chargen.display.console import show_note

    written = FORMATS[arguments.format].write(arguments, options)
    show_note(f"written to {written} ({written.stat().st_size / 1e6:.1f} MB)")
    return 0


def _html(arguments: Arguments, options: dict[str, Any]) -> Path:
    from chargen.display.console import Bar, show_note
    from chargen.export.cost import rounding_cost
    from chargen.export.html import export_html
    from chargen.export.source import loaded

    config = build_config(ExportConfig, options)
    with Bar("reading", stays=False) as bar:
        generator, about = loaded(arguments.checkpoint)
        written = export_html(
            generator,
            arguments.out,
            overwrite=arguments.overwrite,
            on_progress=bar.show,
            **options,
        )
        if config.weights == ExportConfig.weights:
            return written
        cost = rounding_cost(generator, about, config.weights, bar.show)
    if cost is None:
        show_note(f"what {config.weights} costs is unknown: the training text is not here")
    else:
        show_note(
            f"{config.weights} weights cost {cost.share:.2%} in bits per byte: {cost.after:.4f} "
            f"instead of {cost.before:.4f}, on {cost.characters:,} characters of {cost.split}"
        )
    return written


def _onnx(arguments: Arguments, options: dict[str, Any]) -> Path:
    from chargen.display.console import show_note
    from chargen.export.onnx import export_onnx, tokenizer_beside

    written = export_onnx(arguments.checkpoint, arguments.out, overwrite=arguments.overwrite)
    show_note(f"its tokenizer is beside it, in {tokenizer_beside(written)}")
    return written


DEFAULT = "html"
FORMATS = {
    "html": Format("one page that runs the model in any browser, without a network", _html),
    "onnx": Format("a graph of one step, for onnxruntime in any language", _onnx),
}
