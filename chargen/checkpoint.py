"""The checkpoint folder: write atomically, read safely. The only door to safetensors and msgspec.

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
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from chargen.config import ConfigType, CorpusConfig, ModelConfig, TrainConfig, make
from chargen.errors import ChargenError, CheckpointError
from chargen.model import LanguageModel
from chargen.tokenizer import TOKENIZERS, Tokenizer, deserialize, file_name_of

FORMAT = 2
CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
TRAINING = "training.safetensors"
# The model that comes with chargen lies in the installed package, and beside it in a clone.
_IN_PACKAGE = Path(__file__).resolve().parent / "checkpoints" / "everyday"
_IN_CLONE = Path(__file__).resolve().parent.parent / "checkpoints" / "everyday"
COMES_WITH_CHARGEN = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CLONE
# What format 1 had no name for yet, as it was then.
_SINCE_FORMAT_1: dict[str, dict[str, Any]] = {
    "model": {
        "layer_dropout": None,
        "embedding_dropout": 0.0,
        "token_dropout": 0.0,
        "weight_dropout": 0.0,
        "layer_norm": False,
        "residual": False,
    },
    "training": {
        "random_bptt": False,
        "activation_penalty": 0.0,
        "temporal_penalty": 0.0,
        "average": 0.0,
        "precision": "float32",
        "patience": None,
    },
}
Tensors = dict[str, Tensor]
FileType = TypeVar("FileType", bound=msgspec.Struct)


class CorpusFacts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which text a model was trained on: names without folders, bytes and sha256 of each file."""

    name: str
    files: list[tuple[str, int, str]]


class Scores(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the run has come to. Losses in nats per token; None where nothing was validated."""

    steps: int
    epochs: float
    seconds: float
    train_loss: float | None = None
    valid_loss: float | None = None
    bits_per_byte: float | None = None
    bits_per_character: float | None = None


class _Format(msgspec.Struct):
    format: int


class _ConfigFile(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    tokenizer: str
    vocab_size: int
    model: dict[str, Any]
    corpus_options: dict[str, Any]
    training: dict[str, Any]
    corpus: CorpusFacts
    scores: Scores
    saved_at: str
    sha256: dict[str, str]


class _Enclosed(msgspec.Struct):
    config: msgspec.Raw


class _TrainingFile(msgspec.Struct, forbid_unknown_fields=True):
    config: _ConfigFile
    tokenizer: str  # base64 of its file
    paths: list[str]
    progress: dict[str, Any]
    metrics: list[dict[str, Any]]


class _Metrics(msgspec.Struct):
    """What of a line of metrics.jsonl is drawn."""

    step: int
    epoch: float
    seconds: float
    train_loss: float | None
    valid_loss: float | None
    bits_per_byte: float | None


@dataclass(frozen=True)
class About:
    """What config.json says of a model, which is all but its weights."""

    folder: Path
    bytes: int  # of all files in it
    model: ModelConfig
    corpus_options: CorpusConfig
    training: TrainConfig
    tokenizer: str
    vocab_size: int
    corpus: CorpusFacts
    scores: Scores
    saved_at: str  # ISO 8601, UTC

    def facts(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        facts: dict[str, Any] = {"checkpoint": str(self.folder), "bytes": self.bytes}
        for name in ("model", "corpus_options", "training"):
            facts[name] = asdict(getattr(self, name))
        for name in ("tokenizer", "vocab_size", "corpus", "scores", "saved_at"):
            facts[name] = msgspec.to_builtins(getattr(self, name))
        return facts


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
    tokenizer = snapshot.tokenizer.serialize()
    model = safetensors.torch.save(_own(snapshot.best))
    config = _ConfigFile(
        format=FORMAT,
        tokenizer=snapshot.tokenizer.kind,
        vocab_size=snapshot.tokenizer.vocab_size,
        model=asdict(snapshot.model_config),
        corpus_options=asdict(snapshot.corpus_config),
        training=asdict(snapshot.train_config),
        corpus=snapshot.corpus,
        scores=snapshot.scores,
        saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        sha256={MODEL: _sha256(model), snapshot.tokenizer.file_name: _sha256(tokenizer)},
    )
    state = _TrainingFile(
        config=config,
        tokenizer=base64.b64encode(tokenizer).decode(),
        paths=snapshot.paths,
        progress=snapshot.progress,
        metrics=snapshot.metrics,
    )
    groups = {"model": snapshot.weights, "best": snapshot.best, "learner": snapshot.learner}
    tensors = {f"{group}.{name}": t for group, ts in groups.items() for name, t in ts.items()}
    metadata = {"chargen": msgspec.json.encode(state).decode()}
    metrics = b"".join(msgspec.json.encode(line) + b"\n" for line in snapshot.metrics)
    try:
        write_file(folder / TRAINING, safetensors.torch.save(_own(tensors), metadata))
        write_file(folder / MODEL, model)
        write_file(folder / snapshot.tokenizer.file_name, tokenizer)
        write_file(folder / METRICS, metrics)
        write_file(folder / CONFIG, msgspec.json.format(msgspec.json.encode(config), indent=2))
        for name in {file_name_of(kind) for kind in TOKENIZERS}:
            if name != snapshot.tokenizer.file_name:  # of an overwritten run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"cannot save to {folder}: {error.strerror}",
            hint="what was saved before is kept; make room or choose another --out",
        ) from error


def write_file(path: Path, content: bytes) -> None:
    """Replace a file at once: readers see the old content or the new, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


# -- reading ----------------------------------------------------------------------------------


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The best model in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = _existing(path)
    try:
        return _read_checkpoint(folder)
    except _DamagedError:
        if not (folder / TRAINING).is_file():
            raise
    # The files do not match, as after a crash while they were replaced: the training state does.
    snapshot = load_snapshot(folder)
    return Checkpoint(
        _about(folder, _read_training(folder).config),
        _build_model(folder, snapshot.model_config, snapshot.tokenizer, snapshot.best),
        snapshot.tokenizer,
    )


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The training state in a checkpoint folder, on the CPU. Raises CheckpointError."""
    folder = _existing(path)
    state = _read_training(folder)
    config = state.config
    tensors = _read_tensors(folder / TRAINING)
    groups: dict[str, Tensors] = {"model": {}, "best": {}, "learner": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise _damaged(folder, TRAINING, f"it holds an unknown tensor {name!r}")
        groups[group][rest] = tensor
    try:
        content = base64.b64decode(state.tokenizer, validate=True)
    except ValueError as error:
        raise _damaged(folder, TRAINING, "its tokenizer is not base64") from error
    progress = state.progress
    if config.format == 1:
        progress = {**progress, **_progress_of_format_1(progress, config.training)}
    return Snapshot(
        model_config=_options(folder, ModelConfig, config.model),
        corpus_config=_options(folder, CorpusConfig, config.corpus_options),
        train_config=_options(folder, TrainConfig, config.training),
        tokenizer=_read_tokenizer(folder, config, content),
        corpus=config.corpus,
        paths=state.paths,
        scores=config.scores,
        weights=groups["model"],
        best=groups["best"],
        learner=groups["learner"],
        progress=progress,
        metrics=state.metrics,
    )


def _progress_of_format_1(progress: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """What `Trainer.restore` wants to know since; such runs had steps of one length and no
    guard."""
    step, bptt = progress.get("step"), training.get("bptt")
    place = step * bptt if isinstance(step, int) and isinstance(bptt, int) else None
    none = dict.fromkeys(("check_sum", "check_steps", "rollbacks", "patience_from"), 0)
    return {**none, "average_updates": 0, "place": place, "ceiling": None, "good": None}


def load_metrics(path: str | os.PathLike[str]) -> tuple[About, list[dict[str, Any]]]:
    """What config.json says of a checkpoint, and its evaluations. Raises CheckpointError."""
    folder = _existing(path)
    about = _about(folder, _read_config(folder))
    try:
        lines = msgspec.json.Decoder(_Metrics).decode_lines(_read_file(folder / METRICS))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(folder, METRICS, str(error)) from error
    return about, [msgspec.to_builtins(line) for line in lines]


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds what chargen writes, whole or not."""
    return (folder / CONFIG).is_file() or (folder / TRAINING).is_file()


def list_checkpoints(root: Path = Path("checkpoints")) -> list[About]:
    """The checkpoints right below `root`, the newest first; what cannot be read is left out."""
    listed = []
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(ChargenError, OSError):
                listed.append(_about(folder, _read_config(folder)))
    return sorted(listed, key=lambda about: (about.saved_at, about.folder.name), reverse=True)


def _about(folder: Path, config: _ConfigFile) -> About:
    return About(
        folder=folder,
        bytes=_size(folder),
        model=_options(folder, ModelConfig, config.model),
        corpus_options=_options(folder, CorpusConfig, config.corpus_options),
        training=_options(folder, TrainConfig, config.training),
        tokenizer=config.tokenizer,
        vocab_size=config.vocab_size,
        corpus=config.corpus,
        scores=config.scores,
        saved_at=config.saved_at,
    )


def _size(folder: Path) -> int:
    size = 0
    for entry in folder.iterdir():
        with suppress(OSError):  # a run that is saving replaces its files
            size += entry.stat().st_size
    return size


def newest_checkpoint(root: Path = Path("checkpoints")) -> Path:
    """The folder saved last below `root`; where there is none, the model that comes with chargen.
    Raises CheckpointError where that is gone, too."""
    listed = [about.folder for about in list_checkpoints(root)]
    own = [folder for folder in listed if folder.resolve() != COMES_WITH_CHARGEN]
    # Where all are damaged, reading one tells what is wrong.
    if found := own or listed or sorted(filter(is_checkpoint, root.glob("*/"))):
        return found[0]
    if is_checkpoint(COMES_WITH_CHARGEN):
        return COMES_WITH_CHARGEN
    raise CheckpointError(
        f"no checkpoint below {root.resolve()}, and none at {COMES_WITH_CHARGEN}",
        hint="make one with: chargen train corpus.txt",
    )


def _existing(path: str | os.PathLike[str]) -> Path:
    folder = Path(path)
    try:
        exists = folder.exists()
    except OSError as error:  # a name that is too long, a folder above that is closed
        raise CheckpointError(f"cannot look at {str(path)[:80]}: {error.strerror}") from error
    if not exists:
        near = [entry.folder.name for entry in list_checkpoints()][:5]
        hint = f"below checkpoints/ there are: {', '.join(near)}" if near else (
            "make one with: chargen train corpus.txt"
        )  # fmt: skip
        raise CheckpointError(f"no such checkpoint: {folder}", hint=hint)
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is a file, not a checkpoint",
            hint="pass the folder that `chargen train` wrote",
        )
    if not is_checkpoint(folder):
        raise CheckpointError(
            f"{folder} has no {CONFIG}", hint="pass the folder that `chargen train` wrote"
        )
    return folder


def _read_checkpoint(folder: Path) -> Checkpoint:
    config = _read_config(folder)
    tokenizer_file = file_name_of(config.tokenizer)
    content = _read_file(folder / tokenizer_file)
    _check_hash(folder, config, tokenizer_file, content)
    weights = _read_file(folder / MODEL)
    _check_hash(folder, config, MODEL, weights)
    try:
        tensors = safetensors.torch.load(weights)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise _damaged(folder, MODEL, str(error)) from error
    about = _about(folder, config)
    tokenizer = _read_tokenizer(folder, config, content)
    return Checkpoint(about, _build_model(folder, about.model, tokenizer, tensors), tokenizer)


def _read_config(folder: Path) -> _ConfigFile:
    content = _read_file(folder / CONFIG)
    _check_format(folder, content)
    return _upgraded(_decode(folder, CONFIG, content, _ConfigFile))


def _check_format(folder: Path, content: bytes) -> None:
    """Tell another version of chargen before its new fields are taken for damage."""
    config = _decode(folder, CONFIG, content, _Format)
    if not 1 <= config.format <= FORMAT:
        age = "a newer" if config.format > FORMAT else "no known"
        raise CheckpointError(
            f"{folder} was written by {age} chargen (format {config.format}, this one reads 1 to "
            f"{FORMAT})",
            hint="use that version of chargen",
        )


def _upgraded(config: _ConfigFile) -> _ConfigFile:
    """The same with all that has been added since its format."""
    if config.format == 1:
        config.model = _SINCE_FORMAT_1["model"] | config.model
        config.training = _SINCE_FORMAT_1["training"] | config.training
    return config


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
        raise _damaged(folder, TRAINING, str(error)) from error
    content = metadata.get("chargen", "").encode()
    _check_format(folder, _decode(folder, TRAINING, content, _Enclosed).config)
    state = _decode(folder, TRAINING, content, _TrainingFile)
    _upgraded(state.config)
    return state


def _decode(folder: Path, name: str, content: bytes, kind: type[FileType]) -> FileType:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(folder, name, str(error)) from error


def _options(folder: Path, config_type: type[ConfigType], values: Mapping[str, Any]) -> ConfigType:
    """The config that `values` spell, every one of its options named. Raises CheckpointError."""
    missing = set(asdict(config_type())) - set(values)
    if missing:
        raise _damaged(folder, CONFIG, f"{', '.join(sorted(missing))} missing")
    try:
        return make(config_type, values)
    except ChargenError as error:
        raise _damaged(folder, CONFIG, str(error)) from error


def _read_tokenizer(folder: Path, config: _ConfigFile, content: bytes) -> Tokenizer:
    if config.tokenizer not in TOKENIZERS:
        raise _damaged(folder, CONFIG, f"unknown tokenizer {config.tokenizer!r}")
    try:
        tokenizer = deserialize(config.tokenizer, content)
    except ChargenError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    if tokenizer.vocab_size != config.vocab_size:
        raise _damaged(folder, CONFIG, "its vocab_size is not the tokenizer's")
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
        raise _damaged(folder, MODEL, f"{wrong[0]} is missing, unknown or of another shape")
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
        raise _damaged(path.parent, path.name, str(error)) from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _DamagedError(
            f"cannot read {path}: {error.strerror}",
            hint="pass a whole folder that `chargen train` wrote",
        ) from error


def _check_hash(folder: Path, config: _ConfigFile, name: str, content: bytes) -> None:
    if config.sha256.get(name) != _sha256(content):
        raise _damaged(folder, name, f"its sha256 is not the one in {CONFIG}")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _DamagedError(CheckpointError):
    """A file is missing or not what was written; the training state may still be whole."""


def _damaged(folder: Path, name: str, why: str) -> CheckpointError:
    return _DamagedError(
        f"{folder / name} is damaged: {why}", hint="use another checkpoint, or train it again"
    )


def _own(tensors: Tensors) -> Tensors:
    """Copies on the CPU: safetensors refuses tensors that share memory, as equal states do."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
