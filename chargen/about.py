"""What config.json says of a model, and where models lie. Knows no tensors, so it needs no torch.

Every version that was ever written is read: what has been added since is filled in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chargen.config import ConfigType, CorpusConfig, ModelConfig, TrainConfig, make
from chargen.errors import ChargenError, CheckpointError
from chargen.files import Record, RecordType, decode, decode_lines, to_builtins

FORMAT = 3
CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
TRAINING = "training.safetensors"
# The model that comes with chargen lies in the installed package, and beside it in a clone.
_IN_PACKAGE = Path(__file__).resolve().parent / "checkpoints" / "everyday"
_IN_CLONE = Path(__file__).resolve().parent.parent / "checkpoints" / "everyday"
COMES_WITH_CHARGEN = _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CLONE
# The options that a format was the first to name, by groups, as they were before it.
_ADDED: dict[int, dict[str, dict[str, Any]]] = {
    2: {
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
    },
    3: {"corpus_options": {"user": "You:", "bot": "Bot:"}},
}


class CorpusFacts(Record, forbid_unknown_fields=True, frozen=True):
    """Which text a model was trained on: names without folders, bytes and sha256 of each file."""

    name: str
    files: list[tuple[str, int, str]]


class Scores(Record, forbid_unknown_fields=True, frozen=True):
    """What the run has come to. Losses in nats per token; None where nothing was validated."""

    steps: int
    epochs: float
    seconds: float
    train_loss: float | None = None
    valid_loss: float | None = None
    bits_per_byte: float | None = None
    bits_per_character: float | None = None


class Format(Record):
    """What every version writes alike: the number of its format."""

    format: int


class ConfigFile(Record, forbid_unknown_fields=True):
    """What config.json holds; `About` is what is made of it."""

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


class _Metrics(Record):
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
    sha256: dict[str, str]  # of the files of the weights and the tokenizer, by name

    def facts(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        facts: dict[str, Any] = {"checkpoint": str(self.folder), "bytes": self.bytes}
        for name in ("model", "corpus_options", "training"):
            facts[name] = asdict(getattr(self, name))
        for name in ("tokenizer", "vocab_size", "corpus", "scores", "saved_at"):
            facts[name] = to_builtins(getattr(self, name))
        return facts


def load_metrics(path: str | os.PathLike[str]) -> tuple[About, list[dict[str, Any]]]:
    """What config.json says of a checkpoint, and its evaluations. Raises CheckpointError."""
    folder = existing(path)
    about = read_about(folder)
    content = read_file(folder / METRICS)
    try:
        lines = decode_lines(content, _Metrics)
    except ValueError as error:
        raise damaged(folder, METRICS, str(error)) from error
    return about, [to_builtins(line) for line in lines]


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds what chargen writes, whole or not."""
    return (folder / CONFIG).is_file() or (folder / TRAINING).is_file()


def list_checkpoints(root: Path = Path("checkpoints")) -> list[About]:
    """The checkpoints right below `root`, the newest first; what cannot be read is left out."""
    listed = []
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(ChargenError, OSError):
                listed.append(read_about(folder))
    return sorted(listed, key=lambda about: (about.saved_at, about.folder.name), reverse=True)


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


# -- reading ----------------------------------------------------------------------------------


def existing(path: str | os.PathLike[str]) -> Path:
    """The folder, if there is a checkpoint in it, whole or not. Raises CheckpointError."""
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


def read_about(folder: Path) -> About:
    """What the folder's config.json says. Raises CheckpointError."""
    content = read_file(folder / CONFIG)
    check_format(folder, read_json(folder, CONFIG, content, Format))
    return about_of(folder, read_json(folder, CONFIG, content, ConfigFile))


def about_of(folder: Path, config: ConfigFile) -> About:
    """What the file says, of any format, about a model in the folder. Raises CheckpointError."""
    return About(
        folder=folder,
        bytes=_size(folder),
        model=_options(folder, ModelConfig, _upgraded(config, "model")),
        corpus_options=_options(folder, CorpusConfig, _upgraded(config, "corpus_options")),
        training=_options(folder, TrainConfig, _upgraded(config, "training")),
        tokenizer=config.tokenizer,
        vocab_size=config.vocab_size,
        corpus=config.corpus,
        scores=config.scores,
        saved_at=config.saved_at,
        sha256=config.sha256,
    )


def _size(folder: Path) -> int:
    size = 0
    for entry in folder.iterdir():
        with suppress(OSError):  # a run that is saving replaces its files
            size += entry.stat().st_size
    return size


def check_format(folder: Path, config: Format) -> None:
    """Tell another version of chargen before its new fields are taken for damage."""
    if not 1 <= config.format <= FORMAT:
        age = "a newer" if config.format > FORMAT else "no known"
        raise CheckpointError(
            f"{folder} was written by {age} chargen (format {config.format}, this one reads 1 to "
            f"{FORMAT})",
            hint="use that version of chargen",
        )


def _upgraded(config: ConfigFile, group: str) -> dict[str, Any]:
    """A group of options with all that has been added to it since the file's format."""
    values: dict[str, Any] = getattr(config, group)
    for number, added in _ADDED.items():
        if config.format < number:
            values = added.get(group, {}) | values
    return values


def read_json(folder: Path, name: str, content: bytes, kind: type[RecordType]) -> RecordType:
    """The record in the content of the folder's file `name`. Raises DamagedError."""
    try:
        return decode(content, kind)
    except ValueError as error:
        raise damaged(folder, name, str(error)) from error


def _options(folder: Path, config_type: type[ConfigType], values: Mapping[str, Any]) -> ConfigType:
    """The config that `values` spell, every one of its options named. Raises CheckpointError."""
    missing = set(asdict(config_type())) - set(values)
    if missing:
        raise damaged(folder, CONFIG, f"{', '.join(sorted(missing))} missing")
    try:
        return make(config_type, values)
    except ChargenError as error:
        raise damaged(folder, CONFIG, str(error)) from error


def read_file(path: Path) -> bytes:
    """A file of a checkpoint. Raises DamagedError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedError(
            f"cannot read {path}: {error.strerror}",
            hint="pass a whole folder that `chargen train` wrote",
        ) from error


class DamagedError(CheckpointError):
    """A file is missing or not what was written; the training state may still be whole."""


def damaged(folder: Path, name: str, why: str) -> DamagedError:
    """The error that tells what is wrong with a file of the folder."""
    return DamagedError(
        f"{folder / name} is damaged: {why}", hint="use another checkpoint, or train it again"
    )
