"""A checkpoint as another one without its training state, its matrices in fewer bits if wanted."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from chargen.checkpoint.card import read_card, write_card
from chargen.checkpoint.files import CARD
from chargen.checkpoint.filing import check_removable, failing, held, make_at_once
from chargen.checkpoint.folder import model_files
from chargen.checkpoint.locate import CHECKPOINTS, is_checkpoint
from chargen.checkpoint.metadata import CheckpointMetadata, open_training
from chargen.checkpoint.metrics import encode_metrics, read_metrics
from chargen.config import ExportConfig
from chargen.errors import CheckpointError, OutputError, setting
from chargen.export.source import loaded
from chargen.generation.generator import TextGenerator
from chargen.keywords import ExportOptions
from chargen.options import build_config, takes_options
from chargen.runtime.files import part_beside, write_file


@takes_options(ExportConfig)
def export_checkpoint(
    checkpoint: str | os.PathLike[str] | TextGenerator,
    out: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> Path:
    """Write a model into a new checkpoint folder, without its training state.

    `checkpoint` is a folder, a name, or a model that was loaded from one. `out` is the folder
    (default: one in `checkpoints`, named after the checkpoint and the precision of its weights);
    `overwrite` replaces a checkpoint that is there. The same checkpoint gives the same bytes, its
    time of saving included. Returns the path of the folder. Raises ChargenError.

    The options are the fields of ExportConfig.
    """
    config = build_config(ExportConfig, options)
    generator, source = loaded(checkpoint)
    about = replace(source, weights=config.weights or source.weights)
    name = f"{source.folder.resolve().name}-{about.weights}"
    target = CHECKPOINTS / name if out is None else Path(out)
    _check_folder(target, source.folder, overwrite=overwrite)
    _, files = model_files(
        about, generator.tokenizer, generator.weights.arrays, _metrics_of(source)
    )
    card = read_card(source.folder)
    old = part_beside(target).name  # goes along with the new one, and then goes

    def fill(part: Path) -> None:
        part.mkdir()
        for file, content in files.items():
            write_file(part / file, content)
        if card is not None:  # it may be somebody's own, and then stays
            write_file(part / CARD, card)
        write_card(part, about, target.absolute().name)
        if os.path.lexists(target):
            with held(target, changes=True):
                os.rename(target, part / old)

    with failing(f"cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        make_at_once(target, fill)
        if os.path.islink(target / old):
            os.unlink(target / old)
        else:
            shutil.rmtree(target / old, ignore_errors=True)
    return target


def _check_folder(target: Path, source: Path, *, overwrite: bool) -> None:
    """Whether a checkpoint may be written there. Raises OutputError, CheckpointError."""
    another = setting("out", fill_in="FOLDER")
    with failing(f"cannot write {target}"):
        if target.resolve().is_relative_to(source.resolve()):
            raise OutputError(
                f"{target} is what is exported, or lies in it", hint="name another: " + another
            )
        if not os.path.lexists(target):
            return
    if not overwrite:
        raise OutputError(
            f"{target} exists",
            hint="replace it, with " + setting("overwrite", True) + ", or name another: " + another,
        )
    if not is_checkpoint(target):
        raise OutputError(
            f"{target} exists, and is not a checkpoint", hint="name another: " + another
        )
    check_removable(target)


def _metrics_of(source: CheckpointMetadata) -> bytes:
    """The evaluations of the run; none where their file is missing or damaged, since a model can be
    used without them."""
    with suppress(CheckpointError):
        return read_metrics(source)
    with suppress(CheckpointError), open_training(source.folder) as (state, _):
        return encode_metrics(state.metrics)
    return b""
