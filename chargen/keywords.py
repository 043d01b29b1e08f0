"""The fields of the configs as keyword arguments, for editors and type checkers: `**options:
Unpack[SampleOptions]`. What each means, its default and its limits stand in `config` alone; that
both have the same names and types is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

Device = Literal["auto", "cpu", "cuda", "mps"] | str  # editors offer these, variables may be text
Preset = Literal["small", "medium", "large"]
Mode = Literal["complete", "story", "chat"] | str
Texts = str | Sequence[str] | None


class CorpusOptions(TypedDict, total=False):
    """The options of CorpusConfig, as a typed dictionary."""

    tokenizer: Literal["char", "byte", "subword", "word"]
    vocab_size: int | None
    subword_model: Literal["unigram", "bpe"]
    documents: Literal["file", "line", "paragraph"]
    newlines: Literal["keep", "lf"]
    valid_fraction: float
    test_fraction: float
    user: str
    bot: str
    me: str | None
    encoding: str | None
    format: (
        Literal[
            "text", "csv", "tsv", "jsonl", "json", "parquet", "html", "epub", "notebook",
            "subtitles", "whatsapp", "telegram", "discord", "slack", "irc",
        ]
        | None
    )  # fmt: skip
    field: str | None
    include: Texts
    skip_bad: bool
    loss: Literal["all", "turns"] | None
    loss_after: str | None


class ModelOptions(TypedDict, total=False):
    """The options of ModelConfig, as a typed dictionary."""

    cell: Literal["lstm", "gru", "rnn"]
    hidden_size: int
    num_layers: int
    embedding_size: int
    dropout: float
    layer_dropout: float | None
    embedding_dropout: float
    token_dropout: float
    weight_dropout: float
    layer_norm: bool
    residual: bool
    nonlinearity: Literal["tanh", "relu"]
    tie_weights: bool
    fresh_state: bool
    chrono: int


class TrainOptions(CorpusOptions, ModelOptions, total=False):
    """The options of `train`: those of CorpusConfig, ModelConfig and TrainConfig."""

    batch_size: int
    accumulate: int
    bptt: int
    random_bptt: bool
    learning_rate: float | None
    warmup: float
    weight_decay: float
    clip: float
    reset: float
    activation_penalty: float
    temporal_penalty: float
    average: float
    precision: Literal["auto", "float32", "bfloat16"]
    minutes: float | None
    epochs: float | None
    steps: int | None
    evaluations: int
    patience: int | None
    save_every: float
    seed: int


class TextOptions(TypedDict, total=False):
    """The options of SampleConfig, without the two that ask for several texts."""

    max_tokens: int | None
    max_chars: int | None
    min_chars: int | None
    stop: Texts
    until: Literal["word", "sentence", "line", "paragraph"] | None
    relevance: float
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    no_repeat_ngram: int | None
    penalty_window: int
    ban: Texts
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    temperature: float
    charset: str | None
    regex: str | None
    heal: bool
    batch_size: int
    length_penalty: float
    early_stopping: bool
    seed: int | None


class SampleOptions(TextOptions, total=False):
    """The options of `generate` and `stream`: those of SampleConfig."""

    num_samples: int | None
    beams: int | None


class InspectOptions(TypedDict, total=False):
    """The options of `inspect`: those of InspectConfig."""

    cell: Texts
    gate: Literal["forget", "input", "output", "reset", "update"] | None
    top: int
    max_chars: int


class LookBackOptions(TypedDict, total=False):
    """The options of `look_back`: those of LookBackConfig."""

    max_context: int
    max_distance: int


class ExportOptions(TypedDict, total=False):
    """The options of `export_html` and `export_checkpoint`: those of ExportConfig."""

    weights: Literal["float32", "float16", "int8"] | None
