"""The checkpoint folder: write atomically, read safely.

    config.json           what the model is, how it was trained, its scores, hashes of its files
    model.safetensors     the best weights so far
    tokenizer.json        or tokenizer.model (sentencepiece)
    metrics.jsonl         one line an evaluation
    README.md             the model card: it follows from config.json, and nothing depends on it
    training.safetensors  alone holds all that resuming needs; the other files follow from it

`training.safetensors` is replaced first, by one rename. A crash between it and the others leaves
files that do not match, which reading sees by their hashes: then it reads the training state.
No pickle anywhere. A folder can be copied, renamed and loaded elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from chargen.checkpoint.card import write_card
from chargen.checkpoint.files import (
    CONFIG,
    MAX_CONFIG_BYTES,
    MAX_HEADER_BYTES,
    METRICS,
    MODEL,
    TRAINING,
    DamagedError,
    blaming,
)
from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import (
    CheckpointMetadata,
    ConfigFile,
    Scores,
    config_of,
    metadata_of,
    open_training,
    read_config,
    read_hashed,
    read_metadata,
)
from chargen.checkpoint.metrics import encode_metrics
from chargen.checkpoint.snapshot import (
    Snapshot,
    make_tokenizer,
    read_snapshot,
    snapshot_to_bytes,
)
from chargen.checkpoint.store import max_model_bytes, weights_from_bytes, weights_to_bytes
from chargen.errors import CheckpointError, setting
from chargen.nn.packing import FLOAT32
from chargen.nn.weights import Arrays, Weights
from chargen.runtime.files import encode_indented, write_file
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.registry import TOKENIZERS, file_name_of


@dataclass(frozen=True)
class Checkpoint:
    """What a training has learned, with its tokenizer."""

    metadata: CheckpointMetadata
    weights: Weights
    tokenizer: Tokenizer


# -- writing ----------------------------------------------------------------------------------


def save(folder: Path, snapshot: Snapshot) -> None:
    """Replace the folder's content by the snapshot's, each file at once. Raises CheckpointError."""
    tokenizer = snapshot.tokenizer
    not_before = ""
    with suppress(CheckpointError):  # the later of two saves is the newer, whatever the clock did
        not_before = read_config(folder).saved_at
    about = CheckpointMetadata(
        folder=folder,
        bytes=0,
        model=snapshot.model_config,
        corpus_options=snapshot.corpus_config,
        training=snapshot.train_config,
        tokenizer=tokenizer.kind,
        vocab_size=tokenizer.vocab_size,
        corpus=snapshot.corpus,
        scores=snapshot.scores,
        saved_at=max(not_before, _now()),
        sha256={},
        sampling=snapshot.sampling,
    )
    metrics = encode_metrics(snapshot.metrics)
    config, files = model_files(about, tokenizer, snapshot.best, metrics)
    content = snapshot_to_bytes(snapshot, config)
    header_bytes = int.from_bytes(content[:8], "little")
    if header_bytes > MAX_HEADER_BYTES or len(files[CONFIG]) > MAX_CONFIG_BYTES:
        raise CheckpointError(
            f"the metadata of this run takes {header_bytes / 1e6:.0f} MB, more than chargen can "
            "read back",
            hint="join the texts into fewer files, or take a smaller vocabulary",
        )
    try:
        write_file(folder / TRAINING, content)
        for name, content in files.items():
            write_file(folder / name, content)
        for name in {file_name_of(kind) for kind in TOKENIZERS}:
            if name != tokenizer.file_name:  # of an overwritten run
                (folder / name).unlink(missing_ok=True)
        write_card(folder, about)
    except OSError as error:
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}",
            hint="what was saved before is kept; once that is fixed, continue with "
            + setting("resume", True)
            if (folder / TRAINING).is_file()
            else "once that is fixed, start again",
        ) from error


def save_model(
    folder: Path,
    metadata: CheckpointMetadata,
    weights: Weights,
    tokenizer: Tokenizer,
    scores: Scores | None = None,
) -> None:
    """Write weights that were changed since `metadata` into a new folder, in float32.

    It has no training state and no evaluations. Without `scores` the losses are left out: those
    of `metadata` were other weights'. Raises CheckpointError, and then leaves no folder behind.
    """
    if scores is None:
        scores = Scores(metadata.scores.steps, metadata.scores.epochs, metadata.scores.seconds)
    about = replace(metadata, model=weights.config, scores=scores, saved_at=_now(), weights=FLOAT32)
    _, files = model_files(about, tokenizer, weights.arrays)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise CheckpointError(f"{folder} exists", hint="name a new folder") from error
    except OSError as error:
        raise CheckpointError(
            f"cannot create the folder {folder}: {error.strerror}", hint="name another one"
        ) from error
    try:
        for name, content in files.items():
            write_file(folder / name, content)
        write_card(folder, about)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}", hint="make room or name another folder"
        ) from error


def model_files(
    about: CheckpointMetadata, tokenizer: Tokenizer, weights: Arrays, metrics: bytes = b""
) -> tuple[ConfigFile, dict[str, bytes]]:
    """What config.json says of a model, and the content of its files by name: its weights in the
    precision that `about` says, all else that it says as it is.

    They are written in this order, config.json last: a new folder is no checkpoint before it.
    Raises CheckpointError where the weights cannot be stored so.
    """
    files = {
        MODEL: weights_to_bytes(weights, about.weights),
        tokenizer.file_name: tokenizer.serialize(),
        METRICS: metrics,
    }
    config = config_of(replace(about, sha256={n: _sha256(data) for n, data in files.items()}))
    files[CONFIG] = encode_indented(config)
    return config, files


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# -- reading ----------------------------------------------------------------------------------


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The best model in a checkpoint folder. Raises CheckpointError."""
    return read_checkpoint(require_checkpoint(path))


def read_checkpoint(folder: Path) -> Checkpoint:
    """The same, of a folder that may have any name. Raises CheckpointError."""
    is_run = os.path.isfile(folder / TRAINING)
    try:
        checkpoint = _read_model(folder)
    except DamagedError:
        if not is_run:
            raise
    else:
        if not is_run or not _is_of_another_save(checkpoint.metadata):
            return checkpoint
    # A crash came between the files while they were replaced: the training state was the first.
    snapshot, metadata = read_snapshot(folder)
    weights = Weights(metadata.model, metadata.vocab_size, snapshot.best)
    return Checkpoint(metadata, weights, snapshot.tokenizer)


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The training state in a checkpoint folder. Raises CheckpointError."""
    folder = require_checkpoint(path)
    if not os.path.lexists(folder / TRAINING):
        raise CheckpointError(
            f"{folder} has no {TRAINING}, so its training cannot be resumed",
            hint="start from its weights instead, with " + setting("init_from", folder),
        )
    snapshot, metadata = read_snapshot(folder)
    with suppress(DamagedError):
        config = read_config(folder)
        if config.corpus == metadata.corpus:  # else it is of a run that was overwritten
            snapshot = replace(snapshot, sampling=config.sampling)
        if config.saved_at > metadata.saved_at:
            raise CheckpointError(
                f"{folder / TRAINING} is older than {CONFIG} beside it, so it belongs to another "
                "run",
                hint=f"to resume from it all the same, remove {CONFIG} first",
            )
    return snapshot


def is_complete(folder: Path) -> bool:
    """Whether all files of the folder are there and of one save."""
    try:
        metadata = read_config(folder)
        _read_model(folder)
        read_hashed(metadata, METRICS)
    except DamagedError:
        return False
    return not _is_of_another_save(metadata)


def _is_of_another_save(metadata: CheckpointMetadata) -> bool:
    """Whether the training state beside a model that is whole is that of another save, and so a
    later one."""
    try:
        with open_training(metadata.folder) as (state, _):
            other = metadata_of(metadata.folder, state.config)
            # How it is to be sampled may have been changed since.
            same = replace(other, bytes=metadata.bytes, sampling=metadata.sampling)
            differs = same != metadata
            return differs and other.saved_at >= metadata.saved_at
    except CheckpointError:
        return False  # it is damaged, the model is not


def _read_model(folder: Path) -> Checkpoint:
    """What the files of the model say, whatever the training state beside them."""
    metadata = read_metadata(folder)
    tokenizer = make_tokenizer(metadata, read_hashed(metadata, file_name_of(metadata.tokenizer)))
    shape = metadata.model, metadata.vocab_size
    most = max_model_bytes(*shape, metadata.weights)
    content = read_hashed(metadata, MODEL, at_most=most)
    with blaming(folder, MODEL):
        arrays = weights_from_bytes(*shape, content, metadata.weights)
    return Checkpoint(metadata, Weights(*shape, arrays), tokenizer)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
