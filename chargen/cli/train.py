"""`chargen train`: train a model on a text."""

from __future__ import annotations

import time

from chargen.cli.flags import (
    Arguments,
    Parser,
    add_device,
    add_json,
    add_option_groups,
    flags_of,
    options_given,
)
from chargen.config import PRESETS, CorpusConfig, ModelConfig, TrainConfig, split_options
from chargen.errors import ConfigError, in_flags
from chargen.runtime.signals import exit_at_once
from chargen.runtime.torchrun import is_rank_0

# In the order of the help.
OPTION_GROUPS = {
    "saving": ("save_every",),
    "length of the run": ("minutes", "epochs", "steps", "patience", "evaluations"),
    "what is read": (
        "encoding",
        "format",
        "field",
        "include",
        "skip_bad",
        "me",
        "user",
        "bot",
    ),
    "the text": (
        "tokenizer",
        "vocab_size",
        "subword_model",
        "documents",
        "newlines",
        "valid_fraction",
        "test_fraction",
        "loss",
        "loss_after",
    ),
    "the network": (
        "cell",
        "hidden_size",
        "num_layers",
        "embedding_size",
        "layer_norm",
        "residual",
        "nonlinearity",
        "tie_weights",
        "fresh_state",
        "chrono",
    ),
    "regularization": (
        "dropout",
        "layer_dropout",
        "embedding_dropout",
        "token_dropout",
        "weight_dropout",
        "weight_decay",
        "activation_penalty",
        "temporal_penalty",
        "average",
    ),
    "optimization": (
        "learning_rate",
        "warmup",
        "clip",
        "batch_size",
        "accumulate",
        "bptt",
        "random_bptt",
        "reset",
        "precision",
        "seed",
    ),
}


def add_flags(command: Parser) -> None:
    command.add_argument(
        "corpus",
        nargs="*",
        metavar="CORPUS",
        help="files, folders, globs, archives, or - for standard input; packed or not",
    )
    group = command.group("saving")
    group.add_argument(
        *flags_of("out"),
        metavar="FOLDER",
        help="a new folder (default: one in ./checkpoints, named after the text)",
    )
    group.add_argument("--resume", action="store_true", help="continue a run from its last save")
    group.add_argument("--overwrite", action="store_true", help="replace the checkpoint in --out")
    group.add_argument(
        "--init-from",
        metavar="CHECKPOINT",
        help="fine-tune: start from the weights and tokenizer of this model",
    )
    group.add_argument(
        "--replay",
        action="append",
        default=[],
        metavar="FILE",
        help="with --init-from: mix in some of this text, so that it is not forgotten (repeatable)",
    )
    group.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write the events for TensorBoard, into tensorboard/ in the checkpoint",
    )
    add_option_groups(command, OPTION_GROUPS, CorpusConfig, ModelConfig, TrainConfig)
    command.group("the network").add_argument(
        "--preset",
        type=str.lower,
        choices=PRESETS,
        help="size of the network by name (default: planned for the text and the time)",
    )
    add_device(command, default="auto")
    add_json(command, "print events as JSON lines")


def run(arguments: Arguments) -> int:
    """Train a model on a text."""
    started = time.monotonic()
    options = options_given(arguments, CorpusConfig, ModelConfig, TrainConfig)
    split_options(options)  # a wrong one is reported before torch is imported
    if not arguments.corpus and not arguments.resume:
        raise ConfigError("no text was given", hint="as in: chargen train corpus.txt")

    from chargen.display.training import training_view
    from chargen.training.request import RunRequest
    from chargen.training.train import run_training

    with training_view(arguments.json, shown=is_rank_0()) as view:
        request = RunRequest(
            arguments.corpus,
            out=arguments.out,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            init_from=arguments.init_from,
            replay=arguments.replay,
            preset=arguments.preset,
            tensorboard=arguments.tensorboard,
            device=arguments.device,
            options=options,
            started=started,
            on_progress=view.preparing,
            ask_me=None if "-" in arguments.corpus else view.ask_me,
        )
        _, interrupts = run_training(request, view, in_flags, on_second_sigint=exit_at_once)
    return interrupts.exit_code
