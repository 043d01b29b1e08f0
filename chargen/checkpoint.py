"""The checkpoint folder: write atomically, read safely. The only door to safetensors.

    config.json           what the model is, how it was trained, its scores, hashes of its files
    model.safetensors     the best weights so far
    tokenizer.json        or tokenizer.model (sentencepiece)
    metrics.jsonl         one line an evaluation
    training.safetensors  alone holds all that resuming needs; the other files follow from it

`training.safetensors` is replaced first, by one rename. A crash between it and the others leaves
files that do not match, which reading sees by their hashes: then it reads the training state.
No pickle anywhere. A folder can be copied, renamed and loaded elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from chargen.about import (
    CONFIG,
    FORMAT,
    METRICS,
    MODEL,
    TRAINING,
    About,
    ConfigFile,
    CorpusFacts,
    DamagedError,
    Format,
    Scores,
    about_of,
    check_format,
    damaged,
    existing,
    read_about,
    read_file,
    read_json,
)
from chargen.config import Configs, CorpusConfig, ModelConfig, TrainConfig
from chargen.errors import ChargenError, CheckpointError
from chargen.files import Record, encode, encode_indented, write_file
from chargen.model import LanguageModel
from chargen.tokenizer import TOKENIZERS, Tokenizer, deserialize, file_name_of

Tensors = dict[str, Tensor]


class _Enclosed(Record):
    config: Format


class _TrainingFile(Record, forbid_unknown_fields=True):
    config: ConfigFile
    tokenizer: str  # base64 of its file
    paths: list[str]
    progress: dict[str, Any]
    metrics: list[dict[str, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A model that was trained, on the CPU, with its tokenizer."""

    about: About
    model: LanguageModel
    tokenizer: Tokenizer


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
    weights: Tensors  # the last
    best: Tensors  # the best by validation so far
    learner: Tensors  # optimizer, hidden state, random states, by dotted names
    progress: dict[str, Any]  # numbers beside the tensors
    metrics: list[dict[str, Any]] = field(default_factory=list)


# -- writing ----------------------------------------------------------------------------------


def save(folder: Path, snapshot: Snapshot) -> None:
    """Replace the folder's content by the snapshot's, each file at once. Raises CheckpointError."""
    configs = (snapshot.corpus_config, snapshot.model_config, snapshot.train_config)
    tokenizer = snapshot.tokenizer
    config, files = _model_files(
        configs, tokenizer, snapshot.corpus, snapshot.scores, snapshot.best, snapshot.metrics
    )
    state = _TrainingFile(
        config=config,
        tokenizer=base64.b64encode(files[tokenizer.file_name]).decode(),
        paths=snapshot.paths,
        progress=snapshot.progress,
        metrics=snapshot.metrics,
    )
    groups = {"model": snapshot.weights, "best": snapshot.best, "learner": snapshot.learner}
    tensors = {f"{group}.{name}": t for group, ts in groups.items() for name, t in ts.items()}
    metadata = {"chargen": encode(state).decode()}
    try:
        write_file(folder / TRAINING, safetensors.torch.save(_own(tensors), metadata))
        for name, content in files.items():
            write_file(folder / name, content)
        for name in {file_name_of(kind) for kind in TOKENIZERS}:
            if name != tokenizer.file_name:  # of an overwritten run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}",
            hint="what was saved before is kept; make room or choose another --out",
        ) from error


def save_model(
    folder: Path,
    about: About,
    model: LanguageModel,
    tokenizer: Tokenizer,
    scores: Scores | None = None,
) -> None:
    """Write a model whose weights were changed since `about` into a new folder.

    It has no training state and no evaluations. Without `scores` the losses are left out: those
    of `about` were other weights'. Raises CheckpointError, and then leaves no folder behind.
    """
    if scores is None:
        scores = Scores(about.scores.steps, about.scores.epochs, about.scores.seconds)
    configs = (about.corpus_options, model.config, about.training)
    _, files = _model_files(configs, tokenizer, about.corpus, scores, weights_of(model), [])
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise CheckpointError(f"{folder} exists", hint="name a new folder") from error
    except OSError as error:
        raise CheckpointError(
            f"cannot make the folder {folder}: {error.strerror}", hint="name another one"
        ) from error
    try:
        for name, content in files.items():
            write_file(folder / name, content)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}", hint="make room or name another folder"
        ) from error


def _model_files(
    configs: Configs,
    tokenizer: Tokenizer,
    corpus: CorpusFacts,
    scores: Scores,
    weights: Tensors,
    metrics: list[dict[str, Any]],
) -> tuple[ConfigFile, dict[str, bytes]]:
    """What config.json says of a model, and the content of its files by name.

    They are written in this order, config.json last: a new folder is no checkpoint before it.
    """
    corpus_config, model_config, train_config = configs
    files = {
        MODEL: safetensors.torch.save(_own(weights)),
        tokenizer.file_name: tokenizer.serialize(),
    }
    config = ConfigFile(
        format=FORMAT,
        tokenizer=tokenizer.kind,
        vocab_size=tokenizer.vocab_size,
        model=asdict(model_config),
        corpus_options=asdict(corpus_config),
        training=asdict(train_config),
        corpus=corpus,
        scores=scores,
        saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        sha256={name: _sha256(content) for name, content in files.items()},
    )
    files[METRICS] = b"".join(encode(line) + b"\n" for line in metrics)
    files[CONFIG] = encode_indented(config)
    return config, files


# -- reading ----------------------------------------------------------------------------------


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The best model in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = existing(path)
    try:
        return _read_checkpoint(folder)
    except DamagedError:
        if not (folder / TRAINING).is_file():
            raise
    # The files do not match, as after a crash while they were replaced: the training state does.
    snapshot = load_snapshot(folder)
    return Checkpoint(
        about_of(folder, _read_training(folder).config),
        _build_model(folder, snapshot.model_config, snapshot.tokenizer, snapshot.best),
        snapshot.tokenizer,
    )


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The training state in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = existing(path)
    state = _read_training(folder)
    about = about_of(folder, state.config)
    tensors = _read_tensors(folder / TRAINING)
    groups: dict[str, Tensors] = {"model": {}, "best": {}, "learner": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise damaged(folder, TRAINING, f"it holds an unknown tensor {name!r}")
        groups[group][rest] = tensor
    try:
        content = base64.b64decode(state.tokenizer, validate=True)
    except ValueError as error:
        raise damaged(folder, TRAINING, "its tokenizer is not base64") from error
    progress = state.progress
    if state.config.format == 1:
        progress = progress | _progress_of_format_1(progress, about.training.bptt)
    return Snapshot(
        model_config=about.model,
        corpus_config=about.corpus_options,
        train_config=about.training,
        tokenizer=_read_tokenizer(about, content),
        corpus=about.corpus,
        paths=state.paths,
        scores=about.scores,
        weights=groups["model"],
        best=groups["best"],
        learner=groups["learner"],
        progress=progress,
        metrics=state.metrics,
    )


def _progress_of_format_1(progress: dict[str, Any], bptt: int) -> dict[str, Any]:
    """What `Trainer.restore` wants to know since; such runs had steps of one length and no
    guard."""
    step = progress.get("step")
    place = step * bptt if isinstance(step, int) else None
    none = dict.fromkeys(("check_sum", "check_steps", "rollbacks", "patience_from"), 0)
    return {**none, "average_updates": 0, "place": place, "ceiling": None, "good": None}


def _read_checkpoint(folder: Path) -> Checkpoint:
    about = read_about(folder)
    content = _read_hashed(about, file_name_of(about.tokenizer))
    weights = _read_hashed(about, MODEL)
    try:
        tensors = safetensors.torch.load(weights)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise damaged(folder, MODEL, str(error)) from error
    tokenizer = _read_tokenizer(about, content)
    return Checkpoint(about, _build_model(folder, about.model, tokenizer, tensors), tokenizer)


def _read_training(folder: Path) -> _TrainingFile:
    path = folder / TRAINING
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {TRAINING}, so its training cannot go on",
            hint="start from its weights with --init-from instead",
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise damaged(folder, TRAINING, str(error)) from error
    content = metadata.get("chargen", "").encode()
    check_format(folder, read_json(folder, TRAINING, content, _Enclosed).config)
    return read_json(folder, TRAINING, content, _TrainingFile)


def _read_tokenizer(about: About, content: bytes) -> Tokenizer:
    if about.tokenizer not in TOKENIZERS:
        raise damaged(about.folder, CONFIG, f"unknown tokenizer {about.tokenizer!r}")
    try:
        tokenizer = deserialize(about.tokenizer, content)
    except ChargenError as error:
        raise CheckpointError(f"{about.folder}: {error}") from error
    if tokenizer.vocab_size != about.vocab_size:
        raise damaged(about.folder, CONFIG, "its vocab_size is not the tokenizer's")
    return tokenizer


def _build_model(
    folder: Path, config: ModelConfig, tokenizer: Tokenizer, tensors: Tensors
) -> LanguageModel:
    """The model of these weights; names and shapes are compared before memory is taken."""
    with torch.device("meta"):
        expected = LanguageModel(config, tokenizer.vocab_size)
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in weights_of(expected).items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if shapes != found:
        wrong = sorted(n for n in shapes | found if shapes.get(n) != found.get(n))
        raise damaged(folder, MODEL, f"{wrong[0]} is missing, unknown or of another shape")
    load_weights(expected, tensors)
    return expected.eval()


def weights_of(model: LanguageModel) -> Tensors:
    """The model's tensors by name, a tied matrix once."""
    tensors = dict(model.state_dict())
    if model.config.tie_weights:
        del tensors["embedding.weight"]
    return tensors


def load_weights(model: LanguageModel, tensors: Tensors) -> None:
    """Put tensors where `weights_of` found them; a model on `meta` takes them as its own."""
    if model.config.tie_weights:
        tensors = tensors | {"embedding.weight": tensors["head.weight"]}
    model.load_state_dict(tensors, assign=model.head.weight.is_meta)
    if model.config.tie_weights:
        model.embedding.weight = model.head.weight


def _read_tensors(path: Path) -> Tensors:
    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise damaged(path.parent, path.name, str(error)) from error


def _read_hashed(about: About, name: str) -> bytes:
    content = read_file(about.folder / name)
    if about.sha256.get(name) != _sha256(content):
        raise damaged(about.folder, name, f"its sha256 is not the one in {CONFIG}")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _own(tensors: Tensors) -> Tensors:
    """Copies on the CPU: safetensors refuses tensors that share memory, as equal states do."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
