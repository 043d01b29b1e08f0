"""`chargen serve`: models for whatever speaks the OpenAI API."""

from __future__ import annotations

import os

from chargen.cli.flags import CHECKPOINT_HELP, Arguments, Parser, add_options, options_given
from chargen.config import ServeConfig
from chargen.errors import ServeError
from chargen.options import build_config, help_of

KEY_VARIABLE = "CHARGEN_API_KEY"
PACKAGES = ("starlette", "uvicorn")


def add_flags(command: Parser) -> None:
    command.add_argument(
        "checkpoints",
        nargs="*",
        metavar="CHECKPOINT",
        help=f"{CHECKPOINT_HELP} (default: the bundled models and those in ./checkpoints, each "
        "loaded when it is first asked for)",
    )
    add_options(command, ServeConfig, only=("host", "port"))
    command.add_argument(
        "--api-key",
        metavar="KEY",
        help=f"{help_of(ServeConfig, 'api_key')} (default: ${KEY_VARIABLE}, which other users of "
        "the machine cannot see)",
    )
    add_options(command, ServeConfig, only=("cors_origin", "allowed_host", "max_batch"))
    command.add_argument("--quiet", action="store_true", help="log no requests")


def run(arguments: Arguments) -> int:
    """Serve models until a signal comes."""
    given = options_given(arguments, ServeConfig)
    from_environment = given.pop("api_key", None) is None
    key = (os.environ.get(KEY_VARIABLE) or None) if from_environment else arguments.api_key
    config = build_config(ServeConfig, given | {"api_key": key})
    try:
        from chargen.server.run import serve
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        raise ServeError(
            f"a server needs {error.name}, which is not installed",
            hint="pip install 'chargen[serve]'",
        ) from None
    return serve(
        arguments.checkpoints,
        config,
        shown_key=f"${KEY_VARIABLE}" if from_environment else "KEY",
        quiet=arguments.quiet,
    )
