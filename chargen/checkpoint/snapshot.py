"""A run at a step boundary, and training.safetensors, which alone holds all that resuming needs.

Its JSON stands in one metadata key: safetensors writes several in random order.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chargen.checkpoint.files import (
    CONFIG,
    MAX_HEADER_BYTES,
    blaming,
)
from chargen.checkpoint.metadata import (
    SEALED_SINCE,
    CheckpointMetadata,
    ConfigFile,
    CorpusFacts,
    FineTuned,
    Scores,
    TrainingFile,
    metadata_of,
    open_training,
    unsealed,
)
from chargen.checkpoint.store import (
    arrays_from_bytes,
    arrays_to_bytes,
    check_weights,
    num_bytes,
)
from chargen.config import CorpusConfig, ModelConfig, SamplingDefaults, TrainConfig
from chargen.nn.packing import FLOAT32
from chargen.nn.weights import Array, Arrays
from chargen.runtime.files import UNSET, Unset, encode, read_rest
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.registry import TOKENIZERS, deserialize, file_name_of


@dataclass(frozen=True)
class Snapshot:
    """A run at a step boundary: all that is needed to go on as if it had not stopped."""

    model_config: ModelConfig
    corpus_config: CorpusConfig
    train_config: TrainConfig
    tokenizer: Tokenizer
    corpus: CorpusFacts
    paths: list[str]  # of the corpus, absolute, to find it again
    scores: Scores
    weights: Arrays  # the last
    best: Arrays  # the best by validation so far
    learner: Arrays  # optimizer, hidden state, random states, by dotted names
    progress: dict[str, Any]  # numbers beside the arrays
    metrics: list[dict[str, Any]] = field(default_factory=list)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    fine_tuned: FineTuned | None = None  # where the run began with the weights of another model


def snapshot_to_bytes(snapshot: Snapshot, config: ConfigFile) -> bytes:
    """The content of training.safetensors, beside the config.json that `config` is."""
    state = TrainingFile(
        config=config,
        tokenizer=base64.b64encode(snapshot.tokenizer.serialize()).decode(),
        paths=snapshot.paths,
        progress=snapshot.progress,
        metrics=snapshot.metrics,
        fine_tuned=snapshot.fine_tuned or UNSET,
    )
    groups = {"model": snapshot.weights, "best": snapshot.best, "learner": snapshot.learner}
    arrays = {
        f"{group}.{name}": array for group, named in groups.items() for name, array in named.items()
    }
    state.seal = _seal(state, arrays)
    return arrays_to_bytes(arrays, {"chargen": encode(state).decode()})


def read_snapshot(folder: Path) -> tuple[Snapshot, CheckpointMetadata]:
    """What training.safetensors in the folder holds. Raises CheckpointError."""
    with open_training(folder) as (state, file):
        metadata = metadata_of(folder, state.config)
        try:
            content = base64.b64decode(state.tokenizer, validate=True)
        except ValueError as error:
            raise ValueError("its tokenizer is not base64") from error
        tokenizer = make_tokenizer(metadata, content)
        arrays = arrays_from_bytes(read_rest(file, max_training_bytes(metadata)))
        is_sealed = state.config.format >= SEALED_SINCE or state.seal
        if is_sealed and state.seal != _seal(state, arrays):
            raise ValueError("its seal does not match its content")
        if metadata.weights != FLOAT32:
            raise ValueError(f"it says that its weights are {metadata.weights}")
        groups: dict[str, dict[str, Array]] = {"model": {}, "best": {}, "learner": {}}
        for name, array in arrays.items():
            group, _, rest = name.partition(".")
            if group not in groups:
                raise ValueError(f"it holds an unknown tensor {name!r}")
            groups[group][rest] = array
        for group in ("model", "best"):
            check_weights(metadata.model, metadata.vocab_size, groups[group])
    progress = state.progress
    if state.config.format == 1:
        progress = progress | _progress_of_format_1(progress, metadata.training.bptt)
    snapshot = Snapshot(
        model_config=metadata.model,
        corpus_config=metadata.corpus_options,
        train_config=metadata.training,
        tokenizer=tokenizer,
        corpus=metadata.corpus,
        paths=state.paths,
        scores=metadata.scores,
        weights=groups["model"],
        best=groups["best"],
        learner=groups["learner"],
        progress=progress,
        metrics=state.metrics,
        sampling=metadata.sampling,
        fine_tuned=None if isinstance(state.fine_tuned, Unset) else state.fine_tuned,
    )
    return snapshot, metadata


def make_tokenizer(metadata: CheckpointMetadata, content: bytes) -> Tokenizer:
    """The tokenizer of a model, made of the content of its file. Raises DamagedError."""
    folder, kind = metadata.folder, metadata.tokenizer
    with blaming(folder, CONFIG):
        if kind not in TOKENIZERS:
            raise ValueError(f"unknown tokenizer {kind!r}")
    with blaming(folder, file_name_of(kind)):
        tokenizer = deserialize(kind, content)
    with blaming(folder, CONFIG):
        if tokenizer.vocab_size != metadata.vocab_size:
            raise ValueError("its vocab_size is not the tokenizer's")
    return tokenizer


def max_training_bytes(metadata: CheckpointMetadata) -> int:
    """What a training state may take: weights, the best ones, their mean, two numbers a weight of
    the optimizer, the hidden state, and most of that once more, to go back to."""
    state = (
        2
        * 4
        * metadata.training.batch_size
        * metadata.model.num_layers
        * metadata.model.hidden_size
    )
    weights = num_bytes(metadata.model, metadata.vocab_size)
    return MAX_HEADER_BYTES + 10 * weights + 2 * state


def _seal(state: TrainingFile, arrays: Arrays) -> str:
    """The sha256 of what the file says and of all its arrays, but for the seal itself."""
    digest = hashlib.sha256(unsealed(state))
    for name, array in sorted(arrays.items()):
        # The type as torch spells it, which wrote the first of these files.
        digest.update(f"{name} torch.{array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _progress_of_format_1(progress: dict[str, Any], bptt: int) -> dict[str, Any]:
    """What `Trainer.restore` wants to know since; such runs had steps of one length and no
    guard."""
    step = progress.get("step")
    place = step * bptt if isinstance(step, int) else None
    none = dict.fromkeys(("check_sum", "check_steps", "rollbacks", "patience_from"), 0)
    return {**none, "average_updates": 0, "place": place, "ceiling": None, "good": None}
