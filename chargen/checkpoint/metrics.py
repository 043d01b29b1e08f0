"""metrics.jsonl: the evaluations of a run, a line each. Knows no tensors, so it needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chargen.checkpoint.files import METRICS, TRAINING, DamagedError, blaming, read_content
from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import (
    CheckpointMetadata,
    check_hash,
    metadata_of,
    open_training,
    read_config,
)
from chargen.runtime.files import Record, decode_lines, encode, to_builtins


class _Line(Record):
    """What of a line is plotted."""

    step: int
    epoch: float
    seconds: float
    train_loss: float | None
    valid_loss: float | None
    bits_per_byte: float | None
    answers: float | None = None  # share of them exactly right; where they alone count


def encode_metrics(metrics: Iterable[Mapping[str, Any]]) -> bytes:
    """The content of metrics.jsonl."""
    return b"".join(encode(line) + b"\n" for line in metrics)


def read_metrics(metadata: CheckpointMetadata) -> bytes:
    """The content of metrics.jsonl, if it is what was written. Raises DamagedError."""
    content = read_content(metadata.folder, METRICS)
    if METRICS in metadata.sha256:  # formats 1 to 3 kept none
        check_hash(metadata, METRICS, content)
    return content


def load_metrics(path: str | os.PathLike[str]) -> tuple[CheckpointMetadata, list[dict[str, Any]]]:
    """What a folder says of its model, and its evaluations. Raises CheckpointError."""
    folder = require_checkpoint(path)
    try:
        metadata = read_config(folder)
        lines = _decode_lines(folder, METRICS, read_metrics(metadata))
    except DamagedError:
        if not os.path.isfile(folder / TRAINING):
            raise
        with open_training(folder) as (state, _):
            metadata = metadata_of(folder, state.config)
            lines = _decode_lines(folder, TRAINING, encode_metrics(state.metrics))
    return metadata, [to_builtins(line) for line in lines]


def _decode_lines(folder: Path, name: str, content: bytes) -> list[_Line]:
    with blaming(folder, name):
        return decode_lines(content, _Line)
