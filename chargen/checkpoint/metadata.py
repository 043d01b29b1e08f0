"""What config.json says of a model, and where models lie. Knows no tensors, so it needs no torch.

Every version that was ever written is read: what has been added since is filled in. Since format 4
a record carries its own sha256, the seal: no number in it can have changed unnoticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.errors import ChargenError, CheckpointError
from chargen.options import ConfigType, build_config
from chargen.runtime.files import (
    MAX_BYTES,
    Record,
    RecordType,
    Scalar,
    decode,
    decode_lines,
    encode,
    encode_sorted,
    open_regular,
    read_file,
    to_builtins,
)

FORMAT = 5
SEALED_SINCE = 4
# Bytes of JSON, which takes many times as much memory once it is read.
MAX_CONFIG_BYTES = 10_000_000
MAX_HEADER_BYTES = 20_000_000  # in training.safetensors
CONFIG = "config.json"
MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
TRAINING = "training.safetensors"
# The model that comes with chargen lies in the installed package, and beside it in a clone.
_IN_PACKAGE = Path(__file__).resolve().parents[1] / "assets" / "everyday"
_IN_CLONE = Path(__file__).resolve().parents[2] / "checkpoints" / "everyday"
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
    5: {"training": {"accumulate": 1}},
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
    """What config.json holds, of which `CheckpointMetadata` is made. `sha256` is that of the other
    files, by name; `seal` that of all the rest of this record."""

    format: int
    tokenizer: str
    vocab_size: int
    model: dict[str, Scalar]
    corpus_options: dict[str, Scalar]
    training: dict[str, Scalar]
    corpus: CorpusFacts
    scores: Scores
    saved_at: str
    sha256: dict[str, str]
    seal: str = ""

    def sealed(self) -> str:
        """What `seal` must be."""
        return hashlib.sha256(unsealed(self)).hexdigest()


class TrainingFile(Record, forbid_unknown_fields=True):
    """What stands in the header of training.safetensors, beside the tensors. `seal` is the sha256
    of all the rest and of the tensors."""

    config: ConfigFile
    tokenizer: str  # base64 of its file
    paths: list[str]
    progress: dict[str, Scalar | list[Scalar] | dict[str, Scalar]]
    metrics: list[dict[str, Scalar]]
    seal: str = ""


def unsealed(record: ConfigFile | TrainingFile) -> bytes:
    """What a seal is made of: the record as it will be read, its keys in order, without a seal."""
    as_read = decode(encode(record), type(record))
    return encode_sorted(to_builtins(as_read) | {"seal": ""})


class _Enclosed(Record):
    config: Format


class _Header(Record, rename={"metadata": "__metadata__"}):
    """Of a safetensors file, what is no tensor."""

    metadata: dict[str, str]


class _Metrics(Record):
    """What of a line of metrics.jsonl is drawn."""

    step: int
    epoch: float
    seconds: float
    train_loss: float | None
    valid_loss: float | None
    bits_per_byte: float | None


@dataclass(frozen=True)
class CheckpointMetadata:
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
    sha256: dict[str, str]  # of the other files of the folder, by name

    def facts(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        facts: dict[str, Any] = {"checkpoint": str(self.folder), "bytes": self.bytes}
        for name in ("model", "corpus_options", "training"):
            facts[name] = asdict(getattr(self, name))
        for name in ("tokenizer", "vocab_size", "corpus", "scores", "saved_at"):
            facts[name] = to_builtins(getattr(self, name))
        return facts


def load_metrics(path: str | os.PathLike[str]) -> tuple[CheckpointMetadata, list[dict[str, Any]]]:
    """What a folder says of its model, and its evaluations. Raises CheckpointError."""
    folder = require_checkpoint(path)
    try:
        about = read_config(folder)
        content = read_content(folder, METRICS)
        if METRICS in about.sha256:  # formats 1 to 3 kept none
            _check_hash(about, METRICS, content)
        lines = _read_lines(folder, METRICS, content)
    except DamagedError:
        if not os.path.isfile(folder / TRAINING):
            raise
        with open_training(folder) as (state, _):
            about = about_of(folder, state.config)
            content = b"\n".join(map(encode, state.metrics))
            lines = _read_lines(folder, TRAINING, content)
    return about, [to_builtins(line) for line in lines]


def _read_lines(folder: Path, name: str, content: bytes) -> list[_Metrics]:
    try:
        return decode_lines(content, _Metrics)
    except ValueError as error:
        raise damaged(folder, name, str(error)) from error


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds what chargen writes, whole or not."""
    return os.path.isfile(folder / CONFIG) or os.path.isfile(folder / TRAINING)


def list_checkpoints(
    root: Path = Path("checkpoints"), refused: Callable[[ChargenError], None] = lambda error: None
) -> list[CheckpointMetadata]:
    """The checkpoints right below `root`, the newest first. What cannot be read is left out, and
    `refused` hears why. Raises CheckpointError where `root` itself is closed to us."""
    listed = []
    try:
        folders = sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CheckpointError(f"cannot look into {root}: {error.strerror}") from error
    for folder in folders:
        if is_checkpoint(folder):
            try:
                listed.append(read_about(folder))
            except ChargenError as error:
                refused(error)
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


def require_checkpoint(path: str | os.PathLike[str]) -> Path:
    """The folder, if there is a checkpoint in it, whole or not. Raises CheckpointError."""
    folder = Path(path)
    try:
        folder.stat()
        exists = True
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a NUL names no file
        exists = False
    except OSError as error:  # a name that is too long, a folder above that is closed, a loop
        raise CheckpointError(f"cannot look at {str(path)[:80]}: {error.strerror}") from error
    if not exists:
        near: list[str] = []
        with suppress(ChargenError):
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
    if not os.access(folder, os.X_OK):
        raise CheckpointError(f"cannot look into {folder}: Permission denied")
    if not is_checkpoint(folder):
        raise CheckpointError(
            f"{folder} has no {CONFIG}", hint="pass the folder that `chargen train` wrote"
        )
    return folder


def read_about(folder: Path) -> CheckpointMetadata:
    """What the folder says of its model: its config.json, or the training state where that is
    missing or damaged. Raises CheckpointError."""
    try:
        return read_config(folder)
    except DamagedError:
        if not os.path.isfile(folder / TRAINING):
            raise
    with open_training(folder) as (state, _):
        return about_of(folder, state.config)


def read_config(folder: Path) -> CheckpointMetadata:
    """What its config.json says. Raises CheckpointError."""
    content = read_content(folder, CONFIG, MAX_CONFIG_BYTES)
    check_format(folder, _read_json(folder, CONFIG, content, Format))
    return about_of(folder, _read_json(folder, CONFIG, content, ConfigFile))


@contextmanager
def open_training(folder: Path) -> Iterator[tuple[TrainingFile, BufferedReader]]:
    """What the header of training.safetensors says, and the file, to be read from its beginning.
    Raises CheckpointError."""
    try:
        with open_regular(folder / TRAINING) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MAX_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = decode(file.read(length), _Header)
            content = header.metadata.get("chargen", "").encode()
            check_format(folder, _read_json(folder, TRAINING, content, _Enclosed).config)
            state = _read_json(folder, TRAINING, content, TrainingFile)
            file.seek(0)
            yield state, file
    except OSError as error:
        raise _unreadable(folder, TRAINING, error) from error
    except ValueError as error:
        raise damaged(folder, TRAINING, str(error)) from error


def about_of(folder: Path, config: ConfigFile) -> CheckpointMetadata:
    """What the file says, of any format, about a model in the folder; here it is all checked.
    Raises CheckpointError."""
    about = CheckpointMetadata(
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
    if (config.format >= SEALED_SINCE or config.seal) and config.seal != config.sealed():
        raise damaged(folder, CONFIG, "its seal is not that of what it says, so it was changed")
    return about


def _size(folder: Path) -> int:
    size = 0
    with suppress(OSError):  # it may be closed to us
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


def _read_json(folder: Path, name: str, content: bytes, kind: type[RecordType]) -> RecordType:
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
        return build_config(config_type, values)
    except ChargenError as error:
        raise damaged(folder, CONFIG, str(error)) from error


def read_content(folder: Path, name: str, at_most: int = MAX_BYTES) -> bytes:
    """A file of a checkpoint, of no more than so many bytes. Raises DamagedError."""
    try:
        return read_file(folder / name, at_most)
    except (OSError, ValueError) as error:
        raise _unreadable(folder, name, error) from error


def read_hashed(about: CheckpointMetadata, name: str, at_most: int = MAX_BYTES) -> bytes:
    """The same, if it is what was written. Raises DamagedError."""
    content = read_content(about.folder, name, at_most)
    _check_hash(about, name, content)
    return content


def _check_hash(about: CheckpointMetadata, name: str, content: bytes) -> None:
    if about.sha256.get(name) != hashlib.sha256(content).hexdigest():
        raise damaged(about.folder, name, f"its sha256 is not the one in {CONFIG}")


class DamagedError(CheckpointError):
    """A file is missing or not what was written; the training state may still be whole."""


def damaged(folder: Path, name: str, why: str) -> DamagedError:
    """The error that tells what is wrong with a file of the folder."""
    hint = "use another checkpoint, or train it again"
    if name == TRAINING:
        hint = "its model may be whole: use that, or start from it with --init-from"
    return DamagedError(f"{folder / name} is damaged: {why}", hint=hint)


def _unreadable(folder: Path, name: str, error: OSError | ValueError) -> DamagedError:
    why = error.strerror if isinstance(error, OSError) else error
    hint = "pass a whole folder that `chargen train` wrote"
    if isinstance(error, PermissionError):
        hint = "it may be whole: have yourself allowed to read it"
    return DamagedError(f"cannot read {folder / name}: {why}", hint=hint)
