"""The files of a model for the page, without a checkpoint: of any network and tokenizer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chargen.checkpoint.metadata import FORMAT
from chargen.checkpoint.store import arrays_to_bytes
from chargen.generation.generator import TextGenerator


def page_files(generator: TextGenerator, **export: Any) -> dict[str, bytes]:
    """Those of a checkpoint, as far as a page needs them, and export.json with what is named."""
    options = dataclasses.asdict(generator.corpus_options)
    return with_export(model_files(generator, **options), **export)


def model_files(generator: TextGenerator, **corpus_options: Any) -> dict[str, bytes]:
    """Those of a checkpoint alone, of which the text was read with such options."""
    tokenizer = generator.tokenizer
    files = {
        "model.safetensors": arrays_to_bytes(generator.weights.arrays),
        tokenizer.file_name: tokenizer.serialize(),
    }
    config = {
        "format": FORMAT,
        "tokenizer": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "model": dataclasses.asdict(generator.weights.config),
        "corpus_options": corpus_options,
        "sha256": hashes_of(files),
    }
    return {"config.json": json.dumps(config).encode(), **files}


def with_export(files: Mapping[str, bytes], **export: Any) -> dict[str, bytes]:
    """The files and their export.json."""
    known = {"format": 1, "name": "tiny", "weights": "float32", "sha256": hashes_of(files)}
    nothing: dict[str, Any] = {"cells": [], "memory": None, "text": None, "view": None}
    return {**files, "export.json": json.dumps(known | nothing | export).encode()}


def hashes_of(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
