"""A checkpoint as one HTML file: the page, with the model's files in it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from chargen.checkpoint.files import CARD, CONFIG, MODEL
from chargen.checkpoint.metadata import CheckpointMetadata, config_of
from chargen.checkpoint.store import weights_to_bytes
from chargen.config import ExportConfig
from chargen.export.files import check_target, write_target
from chargen.export.measurements import Measurements, as_cells, measure_model
from chargen.export.source import card_to_export, loaded, shown_name
from chargen.generation.generator import TextGenerator
from chargen.insight.from_checkpoint import InspectionResult
from chargen.keywords import ExportOptions
from chargen.options import build_config, takes_options
from chargen.page.assemble import page
from chargen.progress import OnProgress, no_progress
from chargen.runtime.files import encode, encode_indented

EXPORT = "export.json"
FORMAT = 1  # of that file
SUFFIX = ".html"


@takes_options(ExportConfig)
def export_html(
    checkpoint: str | os.PathLike[str] | TextGenerator,
    out: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = no_progress,
    **options: Unpack[ExportOptions],
) -> Path:
    """Write a model and a page that runs it into one HTML file, for any browser, without a network.

    `checkpoint` is a folder, a name, or a model that was loaded from one. `out` is the file
    (default: the checkpoint's name and .html, in the current folder); `overwrite` replaces what is
    there. The same checkpoint gives the same bytes. Returns the path of the file. Raises
    ChargenError.

    The options are the fields of ExportConfig.
    """
    config = build_config(ExportConfig, options)
    generator, about = loaded(checkpoint)
    target = check_target(out, about.folder.resolve().name, SUFFIX, overwrite=overwrite)
    measurements = measure_model(generator, on_progress)
    write_target(target, page_of(generator, about, measurements, weights=config.weights))
    return target


def page_of_inspection(generator: TextGenerator, seen: InspectionResult) -> bytes:
    """The page with a model in it, the text that it has read, and the cells that were found; in the
    colors of what was asked for first, if anything was."""
    probe = seen.asked[0].probe if seen.asked else None
    return page_of(
        generator,
        seen.about,
        Measurements(as_cells(seen.followers), None),
        text=seen.inspection.text,
        view=None if probe is None else dataclasses.asdict(probe),
    )


def page_of(
    generator: TextGenerator,
    about: CheckpointMetadata,
    measurements: Measurements,
    *,
    weights: str | None = None,
    text: str | None = None,
    view: Mapping[str, Any] | None = None,
) -> bytes:
    """The page with a model in it, which shows a `text` at first, in the colors of a `view`. Its
    weights are in a precision of ExportConfig, without one as they are stored."""
    weights = weights or about.weights
    files = {
        CONFIG: encode_indented(config_of(dataclasses.replace(about, weights=weights))),
        MODEL: weights_to_bytes(generator.weights.arrays, weights),
        generator.tokenizer.file_name: generator.tokenizer.serialize(),
        CARD: card_to_export(about),
    }
    name = shown_name(about.folder)
    export = {
        "format": FORMAT,
        "name": name,
        "weights": weights,
        "sha256": {file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
        "cells": measurements.cells,
        "memory": measurements.memory,
        "text": text,
        "view": view,
    }
    return page(files | {EXPORT: encode(export)}, title=name).encode()
