"""The files of a model for the page, without a checkpoint: of any network and tokenizer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chargen.checkpoint.store import arrays_to_bytes
from chargen.generation.generator import TextGenerator


def page_files(generator: TextGenerator, **export: Any) -> dict[str, bytes]:
    """Those of a checkpoint, as far as a page needs them, and export.json with what is named."""
    tokenizer = generator.tokenizer
    config = {
        "format": 6,
        "tokenizer": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "model": dataclasses.asdict(generator.model.config),
        "corpus_options": dataclasses.asdict(generator.corpus_options),
    }
    files = {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": arrays_to_bytes(generator.weights.arrays),
        tokenizer.file_name: tokenizer.serialize(),
    }
    return with_export(files, **export)


def with_export(files: Mapping[str, bytes], **export: Any) -> dict[str, bytes]:
    """The files and their export.json."""
    known = {"format": 1, "name": "tiny", "weights": "float32", "sha256": hashes_of(files)}
    nothing: dict[str, Any] = {"cells": [], "memory": None, "text": None, "view": None}
    return {**files, "export.json": json.dumps(known | nothing | export).encode()}


def hashes_of(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
