"""What config.json says of a model. Knows no tensors, so it needs no torch.

Every version that was ever written is read: what has been added since is filled in. Since format 4
a record carries its own sha256, the seal: no number in it can have changed unnoticed.
"""

from __future__ import annotations

import hashlib
import os
from calendar import timegm
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from io import BufferedReader
from pathlib import Path
from time import strptime
from typing import Any

from chargen.checkpoint.files import (
    CONFIG,
    MAX_CONFIG_BYTES,
    MAX_HEADER_BYTES,
    TRAINING,
    DamagedError,
    blaming,
    read_content,
)
from chargen.config import (
    CorpusConfig,
    ExportConfig,
    ModelConfig,
    SamplingDefaults,
    TrainConfig,
)
from chargen.errors import CheckpointError
from chargen.options import ConfigType, build_config
from chargen.runtime.files import (
    MAX_BYTES,
    UNSET,
    Count,
    Record,
    Scalar,
    Unset,
    decode,
    encode,
    encode_sorted,
    open_regular,
    to_builtins,
)

FORMAT = 9
SEALED_SINCE = 4
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
    7: {
        "corpus_options": {
            "me": None,
            "encoding": None,
            "format": None,
            "field": None,
            "include": (),
            "skip_bad": False,
            "loss": "all",
            "loss_after": None,
        }
    },
    8: {"model": {"fresh_state": False}},
    9: {"model": {"chrono": 0}},
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
    # Of a model that was fine-tuned, since format 7: text of the old kind, and how much more it
    # costs than before.
    old_bits_per_character: float | Unset = UNSET
    forgotten_bits_per_character: float | Unset = UNSET
    answers: float | Unset = UNSET  # share of them exactly right; since format 7, if they count


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
    corpus_options: dict[str, Scalar | list[str]]
    training: dict[str, Scalar]
    corpus: CorpusFacts
    scores: Scores
    saved_at: str
    sha256: dict[str, str]
    seal: str = ""
    sampling: dict[str, Scalar | list[str]] | Unset = UNSET  # since format 6, if there is any
    weights: str | Unset = UNSET  # since format 9, if they are not stored in float32

    def sealed(self) -> str:
        """What `seal` must be."""
        return hashlib.sha256(unsealed(self)).hexdigest()


class Replayed(Record, forbid_unknown_fields=True, frozen=True):
    """An old text that is mixed into what a model learns: where it lies, what it is, how it is read
    and split, and how many streams read it."""

    paths: list[str]
    corpus: CorpusFacts
    corpus_options: dict[str, Scalar | list[str]]
    seed: Count
    streams: Count


class FineTuned(Record, forbid_unknown_fields=True, frozen=True):
    """What a run that began with another model's weights knows of that: its name, and the old text
    that shows what is forgotten: tokens that the model wrote itself, or what is replayed."""

    origin: str
    old_text: list[Count]
    replayed: Replayed | Unset = UNSET


class TrainingFile(Record, forbid_unknown_fields=True):
    """What stands in the header of training.safetensors, beside the tensors. `seal` is the sha256
    of all the rest and of the tensors."""

    config: ConfigFile
    tokenizer: str  # base64 of its file
    paths: list[str]
    progress: dict[str, Scalar | list[Scalar] | dict[str, Scalar]]
    metrics: list[dict[str, Scalar]]
    seal: str = ""
    fine_tuned: FineTuned | Unset = UNSET  # since format 7, if it was


def unsealed(record: ConfigFile | TrainingFile) -> bytes:
    """What a seal is made of: the record as it will be read, its keys in order, without a seal."""
    as_read = decode(encode(record), type(record))
    return encode_sorted(to_builtins(as_read) | {"seal": ""})


class _Enclosed(Record):
    config: Format


class _Header(Record, rename={"metadata": "__metadata__"}):
    """Of a safetensors file, what is no tensor."""

    metadata: dict[str, str]


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
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    weights: str = "float32"  # in which matrices are stored, as ExportConfig has it

    @property
    def saved_seconds(self) -> int:
        """When it was saved, since the epoch; 0 where the record does not say."""
        with suppress(ValueError):
            return timegm(strptime(self.saved_at, "%Y-%m-%dT%H:%M:%SZ"))
        return 0

    def facts(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        facts: dict[str, Any] = {"checkpoint": str(self.folder), "bytes": self.bytes}
        for name in ("model", "corpus_options", "training"):
            facts[name] = asdict(getattr(self, name))
        for name in ("tokenizer", "vocab_size", "corpus", "scores", "saved_at"):
            facts[name] = to_builtins(getattr(self, name))
        return facts | {"weights": self.weights, "sampling": self.sampling.given}


# -- reading ----------------------------------------------------------------------------------


def read_metadata(folder: Path) -> CheckpointMetadata:
    """What the folder says of its model: its config.json, or the training state where that is
    missing or damaged. Raises CheckpointError."""
    try:
        return read_config(folder)
    except DamagedError:
        if not os.path.isfile(folder / TRAINING):
            raise
    with open_training(folder) as (state, _):
        return metadata_of(folder, state.config)


def read_config(folder: Path) -> CheckpointMetadata:
    """What its config.json says. Raises CheckpointError."""
    content = read_content(folder, CONFIG, MAX_CONFIG_BYTES)
    with blaming(folder, CONFIG):
        _check_format(folder, decode(content, Format))
        return metadata_of(folder, decode(content, ConfigFile))


@contextmanager
def open_training(folder: Path) -> Iterator[tuple[TrainingFile, BufferedReader]]:
    """What the header of training.safetensors says, and the file, to be read from its beginning.
    Whoever reads on finds that file blamed for what goes wrong. Raises CheckpointError."""
    with blaming(folder, TRAINING), open_regular(folder / TRAINING) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError("its header is too long")
        header = decode(file.read(length), _Header)
        content = header.metadata.get("chargen", "").encode()
        _check_format(folder, decode(content, _Enclosed).config)
        state = decode(content, TrainingFile)
        file.seek(0)
        yield state, file


def metadata_of(folder: Path, config: ConfigFile) -> CheckpointMetadata:
    """What the file says, of any format, about a model in the folder; here it is all checked.
    Raises CheckpointError."""
    with blaming(folder, CONFIG):
        metadata = CheckpointMetadata(
            folder=folder,
            bytes=_size(folder),
            model=_options(ModelConfig, _upgraded(config, "model")),
            corpus_options=_options(CorpusConfig, _upgraded(config, "corpus_options")),
            training=_options(TrainConfig, _upgraded(config, "training")),
            tokenizer=config.tokenizer,
            vocab_size=config.vocab_size,
            corpus=config.corpus,
            scores=config.scores,
            saved_at=config.saved_at,
            sha256=config.sha256,
            sampling=_sampling(config),
            weights=_weights(config),
        )
        if (config.format >= SEALED_SINCE or config.seal) and config.seal != config.sealed():
            raise ValueError("its seal does not match its content, so it was changed")
    return metadata


def config_of(metadata: CheckpointMetadata) -> ConfigFile:
    """What config.json says of a model, as it is written today."""
    config = ConfigFile(
        format=FORMAT,
        tokenizer=metadata.tokenizer,
        vocab_size=metadata.vocab_size,
        model=asdict(metadata.model),
        corpus_options=asdict(metadata.corpus_options),
        training=asdict(metadata.training),
        corpus=metadata.corpus,
        scores=metadata.scores,
        saved_at=metadata.saved_at,
        sha256=metadata.sha256,
        sampling=metadata.sampling.given or UNSET,
        weights=UNSET if metadata.weights == "float32" else metadata.weights,
    )
    config.seal = config.sealed()
    return config


def read_hashed(metadata: CheckpointMetadata, name: str, at_most: int = MAX_BYTES) -> bytes:
    """The content of a file of the folder, if it is what was written. Raises DamagedError."""
    content = read_content(metadata.folder, name, at_most)
    check_hash(metadata, name, content)
    return content


def check_hash(metadata: CheckpointMetadata, name: str, content: bytes) -> None:
    """Raises DamagedError where this is not the content that the file was written with."""
    with blaming(metadata.folder, name):
        if metadata.sha256.get(name) != hashlib.sha256(content).hexdigest():
            raise ValueError(f"its sha256 is not the one in {CONFIG}")


def _size(folder: Path) -> int:
    size = 0
    with suppress(OSError):  # it may be closed to us
        for entry in folder.iterdir():
            with suppress(OSError):  # a run that is saving replaces its files
                size += entry.stat().st_size
    return size


def _check_format(folder: Path, config: Format) -> None:
    """Tell another version of chargen before its new fields are taken for damage."""
    if config.format < 1:
        raise CheckpointError(
            f"{folder} has format {config.format}, which no version of chargen wrote"
        )
    if config.format > FORMAT:
        raise CheckpointError(
            f"{folder} was written by a newer version of chargen (format {config.format}, this one "
            f"reads 1 to {FORMAT})",
            hint="upgrade chargen",
        )


def _upgraded(config: ConfigFile, group: str) -> dict[str, Any]:
    """A group of options with all that has been added to it since the file's format."""
    values: dict[str, Any] = getattr(config, group)
    for number, added in _ADDED.items():
        if config.format < number:
            values = added.get(group, {}) | values
    return values


def _sampling(config: ConfigFile) -> SamplingDefaults:
    """Raises ConfigError."""
    values = {} if isinstance(config.sampling, Unset) else config.sampling
    given = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    return build_config(SamplingDefaults, given)


def _weights(config: ConfigFile) -> str:
    """Raises ConfigError."""
    if isinstance(config.weights, Unset):
        return "float32"
    return build_config(ExportConfig, {"weights": config.weights}).weights or "float32"


def _options(config_type: type[ConfigType], values: Mapping[str, Any]) -> ConfigType:
    """The config that `values` spell, every one of its options named. Raises ValueError,
    ConfigError."""
    missing = set(asdict(config_type())) - set(values)
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    return build_config(config_type, values)
