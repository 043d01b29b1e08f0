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
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from chargen.checkpoint.metadata import (
    CONFIG,
    FORMAT,
    MAX_CONFIG_BYTES,
    MAX_HEADER_BYTES,
    METRICS,
    MODEL,
    SEALED_SINCE,
    TRAINING,
    CheckpointMetadata,
    ConfigFile,
    CorpusFacts,
    DamagedError,
    Scores,
    TrainingFile,
    about_of,
    damaged,
    open_training,
    read_about,
    read_config,
    read_hashed,
    require_checkpoint,
    unsealed,
)
from chargen.config import Configs, CorpusConfig, ModelConfig, TrainConfig
from chargen.errors import ChargenError, CheckpointError
from chargen.nn.model import LanguageModel
from chargen.runtime.files import encode, encode_indented, read_rest, write_file
from chargen.tokenizers.tokenizer import TOKENIZERS, Tokenizer, deserialize, file_name_of

Tensors = dict[str, Tensor]

MAX_NAMES = 1 << 20  # bytes that the names and shapes of a model's tensors take in its file


@dataclass(frozen=True)
class Checkpoint:
    """A model that was trained, on the CPU, with its tokenizer."""

    about: CheckpointMetadata
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
    not_before = ""
    with suppress(CheckpointError):  # the later of two saves is the newer, whatever the clock did
        not_before = read_config(folder).saved_at
    config, files = _model_files(
        configs, tokenizer, snapshot.corpus, snapshot.scores, snapshot.best, snapshot.metrics,
        not_before,
    )  # fmt: skip
    state = TrainingFile(
        config=config,
        tokenizer=base64.b64encode(files[tokenizer.file_name]).decode(),
        paths=snapshot.paths,
        progress=snapshot.progress,
        metrics=snapshot.metrics,
    )
    groups = {"model": snapshot.weights, "best": snapshot.best, "learner": snapshot.learner}
    tensors = _own({f"{group}.{name}": t for group, ts in groups.items() for name, t in ts.items()})
    state.seal = _seal(state, tensors)
    content = safetensors.torch.save(tensors, {"chargen": encode(state).decode()})
    told = int.from_bytes(content[:8], "little")
    if told > MAX_HEADER_BYTES or len(files[CONFIG]) > MAX_CONFIG_BYTES:
        raise CheckpointError(
            f"what is to be said of this run takes {told / 1e6:.0f} MB without its weights, more "
            "than can be read again",
            hint="join the texts into fewer files, or take a smaller vocabulary",
        )
    try:
        write_file(folder / TRAINING, content)
        for name, content in files.items():
            write_file(folder / name, content)
        for name in {file_name_of(kind) for kind in TOKENIZERS}:
            if name != tokenizer.file_name:  # of an overwritten run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}",
            hint="what was saved before is kept; once that is mended, go on with --resume",
        ) from error


def save_model(
    folder: Path,
    about: CheckpointMetadata,
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
    not_before: str = "",
) -> tuple[ConfigFile, dict[str, bytes]]:
    """What config.json says of a model, and the content of its files by name. The time that it is
    saved at is now, but not before another one.

    They are written in this order, config.json last: a new folder is no checkpoint before it.
    """
    corpus_config, model_config, train_config = configs
    files = {
        MODEL: safetensors.torch.save(_own(weights)),
        tokenizer.file_name: tokenizer.serialize(),
        METRICS: b"".join(encode(line) + b"\n" for line in metrics),
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
        saved_at=max(not_before, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
        sha256={name: _sha256(content) for name, content in files.items()},
    )
    config.seal = config.sealed()
    files[CONFIG] = encode_indented(config)
    return config, files


# -- reading ----------------------------------------------------------------------------------


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The best model in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = require_checkpoint(path)
    is_run = os.path.isfile(folder / TRAINING)
    try:
        checkpoint = _read_checkpoint(folder)
    except DamagedError:
        if not is_run:
            raise
    else:
        if not is_run or not _another_state(checkpoint.about):
            return checkpoint
    # A crash came between the files while they were replaced: the training state was the first.
    snapshot, about = _read_training(folder)
    model = _blank(about)
    load_weights(model, snapshot.best)
    return Checkpoint(about, model.eval(), snapshot.tokenizer)


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The training state in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = require_checkpoint(path)
    if not os.path.lexists(folder / TRAINING):
        raise CheckpointError(
            f"{folder} has no {TRAINING}, so its training cannot go on",
            hint="start from its weights with --init-from instead",
        )
    snapshot, about = _read_training(folder)
    with suppress(DamagedError):
        if read_config(folder).saved_at > about.saved_at:
            raise CheckpointError(
                f"{folder / TRAINING} is older than {CONFIG} beside it, so it is of another run",
                hint=f"to go on from it all the same, remove {CONFIG} first",
            )
    return snapshot


def is_complete(folder: Path) -> bool:
    """Whether all files of the folder are there and of one save."""
    try:
        about = read_config(folder)
        _read_checkpoint(folder)
        read_hashed(about, METRICS)
    except DamagedError:
        return False
    return not _another_state(about)


def _another_state(about: CheckpointMetadata) -> bool:
    """Whether the training state beside a model that is whole is that of another save, and so a
    later one."""
    try:
        with open_training(about.folder) as (state, _):
            other = about_of(about.folder, state.config)
            differs = replace(other, bytes=0) != replace(about, bytes=0)
            return differs and other.saved_at >= about.saved_at
    except CheckpointError:
        return False  # it is damaged, the model is not


def _read_training(folder: Path) -> tuple[Snapshot, CheckpointMetadata]:
    with open_training(folder) as (state, file):
        about = about_of(folder, state.config)
        try:
            content = base64.b64decode(state.tokenizer, validate=True)
        except ValueError as error:
            raise damaged(folder, TRAINING, "its tokenizer is not base64") from error
        tokenizer = _read_tokenizer(about, content)
        blank = _blank(about)
        tensors = _parse(folder, TRAINING, read_rest(file, _most_bytes(about, blank)))
    if (state.config.format >= SEALED_SINCE or state.seal) and state.seal != _seal(state, tensors):
        raise damaged(folder, TRAINING, "its seal is not that of what it holds")
    groups: dict[str, Tensors] = {"model": {}, "best": {}, "learner": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise damaged(folder, TRAINING, f"it holds an unknown tensor {name!r}")
        groups[group][rest] = tensor
    for group in ("model", "best"):
        _check_weights(folder, TRAINING, blank, groups[group])
    progress = state.progress
    if state.config.format == 1:
        progress = progress | _progress_of_format_1(progress, about.training.bptt)
    snapshot = Snapshot(
        model_config=about.model,
        corpus_config=about.corpus_options,
        train_config=about.training,
        tokenizer=tokenizer,
        corpus=about.corpus,
        paths=state.paths,
        scores=about.scores,
        weights=groups["model"],
        best=groups["best"],
        learner=groups["learner"],
        progress=progress,
        metrics=state.metrics,
    )
    return snapshot, about


def _most_bytes(about: CheckpointMetadata, blank: LanguageModel) -> int:
    """What a training state may take: weights, the best ones, their mean, two numbers a weight of
    the optimizer, the hidden state, and most of that once more, to go back to."""
    state = 2 * 4 * about.training.batch_size * about.model.num_layers * about.model.hidden_size
    return MAX_HEADER_BYTES + 10 * _bytes_of(blank) + 2 * state


def _seal(state: TrainingFile, tensors: Tensors) -> str:
    """The sha256 of what the file says and of all its tensors, but for the seal itself."""
    digest = hashlib.sha256(unsealed(state))
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _progress_of_format_1(progress: dict[str, Any], bptt: int) -> dict[str, Any]:
    """What `Trainer.restore` wants to know since; such runs had steps of one length and no
    guard."""
    step = progress.get("step")
    place = step * bptt if isinstance(step, int) else None
    none = dict.fromkeys(("check_sum", "check_steps", "rollbacks", "patience_from"), 0)
    return {**none, "average_updates": 0, "place": place, "ceiling": None, "good": None}


def _read_checkpoint(folder: Path) -> Checkpoint:
    about = read_about(folder)
    tokenizer = _read_tokenizer(about, read_hashed(about, file_name_of(about.tokenizer)))
    model = _blank(about)
    content = read_hashed(about, MODEL, at_most=_bytes_of(model) + MAX_NAMES)
    tensors = _parse(folder, MODEL, content)
    _check_weights(folder, MODEL, model, tensors)
    load_weights(model, tensors)
    return Checkpoint(about, model.eval(), tokenizer)


def _read_tokenizer(about: CheckpointMetadata, content: bytes) -> Tokenizer:
    if about.tokenizer not in TOKENIZERS:
        raise damaged(about.folder, CONFIG, f"unknown tokenizer {about.tokenizer!r}")
    try:
        tokenizer = deserialize(about.tokenizer, content)
    except ChargenError as error:
        raise damaged(about.folder, file_name_of(about.tokenizer), str(error)) from error
    if tokenizer.vocab_size != about.vocab_size:
        raise damaged(about.folder, CONFIG, "its vocab_size is not the tokenizer's")
    return tokenizer


def _parse(folder: Path, name: str, content: bytes) -> Tensors:
    try:
        return dict(safetensors.torch.load(content))
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise damaged(folder, name, str(error)) from error


def _blank(about: CheckpointMetadata) -> LanguageModel:
    """A model of this shape that takes no memory."""
    with torch.device("meta"):
        return LanguageModel(about.model, about.vocab_size)


def _bytes_of(model: LanguageModel) -> int:
    return sum(tensor.nbytes for tensor in weights_of(model).values())


def _check_weights(folder: Path, name: str, model: LanguageModel, tensors: Tensors) -> None:
    """Raises DamagedError where the tensors are not those of such a model, or are no numbers."""
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in weights_of(model).items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if shapes != found:
        wrong = sorted(n for n in shapes | found if shapes.get(n) != found.get(n))
        raise damaged(folder, name, f"{wrong[0]} is missing, unknown or of another shape")
    for weight, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise damaged(folder, name, f"{weight} holds what is no number")


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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _own(tensors: Tensors) -> Tensors:
    """Copies on the CPU: safetensors refuses tensors that share memory, as equal states do."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
