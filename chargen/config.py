"""The options of chargen: corpus, model, training, sampling, looking inside, exporting, serving.

Each config says which of its options cannot go together; all else about them is in `options`.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chargen.errors import ConfigError, named, setting
from chargen.options import (
    MAX_VALUE,
    Config,
    ConfigType,
    build_config,
    check_names,
    field_names,
    option,
)

DEFAULT_MINUTES = 10.0
VOCAB_SIZES = {"subword": 2000, "word": 10_000}  # at most, of the vocabularies that are learned
TEMPLATE = "{text} => {label}"  # how a text and its label stand in a line, unless asked
MAX_PROMPT = 100_000_000  # characters, or bytes of a file; a CPU reads some 10,000 a second
DEVICES = ("auto", "cpu", "cuda", "mps")
PRESETS = ("small", "medium", "large")
FORMATS = (  # of files that hold texts; chargen.formats reads them
    "text", "csv", "tsv", "jsonl", "json", "parquet", "html", "epub", "notebook", "subtitles",
    "whatsapp", "telegram", "discord", "slack", "irc",
)  # fmt: skip
MODES = ("complete", "story", "chat")  # how a session takes what its user writes


@dataclass(frozen=True, kw_only=True)
class CorpusConfig(Config):
    """How a text becomes tokens and is split."""

    tokenizer: str = option(
        "char",
        "what a token is: a character, a byte, a subword or a word",
        choices=("char", "byte", "subword", "word"),
    )
    vocab_size: int | None = option(
        None,
        "maximum size of a vocabulary of subwords or words, in tokens (default: "
        f"{VOCAB_SIZES['subword']:,} or {VOCAB_SIZES['word']:,})",
        at_least=270,
        at_most=1_000_000,
    )
    subword_model: str = option("unigram", "subword algorithm", choices=("unigram", "bpe"))
    documents: str = option(
        "file",
        "what a document is: a whole file, split by position, or each line or each paragraph "
        "between blank lines, shuffled before the split",
        choices=("file", "line", "paragraph"),
    )
    newlines: str = option(
        "keep",
        "line ends: keep CRLF and CR as they are, or convert them to LF",
        choices=("keep", "lf"),
    )
    valid_fraction: float = option(
        0.05, "fraction of the text, in bytes, held out for validation", at_least=0, below=1
    )
    test_fraction: float = option(
        0.05,
        "fraction of the text, in bytes, held out and never used in training",
        at_least=0,
        below=1,
    )
    user: str = option(
        "You:", "how the user's turns begin in the text's dialogues, for the REPL's chat mode"
    )
    bot: str = option(
        "Bot:",
        "how the model's turns begin in the text's dialogues; of a chat, as whom it answers",
    )
    me: str | None = option(None, "who of a chat's people you are; the model answers as the other")
    encoding: str | None = option(
        None, "encoding of texts without a byte order mark, such as cp1252 (default: UTF-8)"
    )
    format: str | None = option(
        None, "read all files as this, instead of as what they seem to be", choices=FORMATS
    )
    field: str | None = option(
        None,
        "column or key of a record's text, or several as in '{title} {body}' (default: text, or "
        "the only one)",
    )
    include: tuple[str, ...] = option((), "of a folder or an archive, read only files like this")
    skip_bad: bool = option(False, "leave out files and records that cannot be read, and say so")
    loss: str | None = option(
        None,
        "what counts in the loss: all of the text, or the model's turns alone (default: turns "
        "in chats and records that have roles, else all)",
        choices=("all", "turns"),
    )
    loss_after: str | None = option(
        None,
        "count only what follows this text in each document, or in each line of a file; "
        "\\n is a newline",
        escapes=True,
    )

    def check_together(self) -> None:
        if self.encoding is not None:
            try:
                known = codecs.lookup(self.encoding)
            except (LookupError, ValueError):
                raise ConfigError(
                    f"must be the name of an encoding, not {self.encoding!r}",
                    option="encoding",
                ) from None
            if not known._is_text_encoding:
                raise ConfigError(
                    f"must be an encoding of text, not {self.encoding!r}", option="encoding"
                )
        for name in ("field", "me", "loss_after"):
            if getattr(self, name) == "":
                raise ConfigError("must not be empty", option=name)
        if not all(self.include):
            raise ConfigError("must not be empty", option="include")
        if self.loss is not None and self.loss_after is not None:
            raise ConfigError(named("loss", "loss_after") + " cannot be combined", hint="give one")
        if self.loss == "turns" and self.user == self.bot:
            raise ConfigError(
                setting("loss", "turns")
                + " needs two sides that begin differently, and both begin with "
                + repr(self.bot),
                hint="learn both sides, with " + setting("loss", "all"),
            )
        if self.valid_fraction + self.test_fraction >= 1:
            raise ConfigError(
                named("valid_fraction", "test_fraction") + " together leave no text to train on",
                hint="their sum must be below 1",
            )
        for name in ("user", "bot"):
            text = getattr(self, name)
            if not text:
                raise ConfigError("must not be empty", option=name)
            # Control characters, lone surrogates, separators of lines and paragraphs.
            if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
                raise ConfigError(
                    f"must be one line without control characters, not {text!r}", option=name
                )
        # Both sides may begin with one mark, as where all lines begin with >.
        if self.user == self.bot and any(map(str.isalnum, self.user)):
            raise ConfigError(
                named("user", "bot") + f" must differ, but both are {self.user!r}",
                hint="give what a turn of each begins with",
            )


# Options that say how to talk to a model of the text, and change nothing in its tokens.
SPEAKERS = ("user", "bot", "me")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """The shape of the network."""

    cell: str = option("lstm", "the recurrent cell", choices=("lstm", "gru", "rnn"))
    hidden_size: int = option(256, "units in each layer", at_least=1, at_most=65536, planned=True)
    num_layers: int = option(
        1, "number of stacked recurrent layers", at_least=1, at_most=64, planned=True
    )
    embedding_size: int = option(
        64,
        "dimension of the token embeddings",
        at_least=1,
        at_most=65536,
        planned=True,
    )
    dropout: float = option(
        0.0,
        "dropout before the output layer, with one mask for all positions of a step",
        at_least=0,
        below=1,
        planned=True,
    )
    layer_dropout: float | None = option(
        None,
        "dropout between layers (default: the same as " + named("dropout") + ")",
        at_least=0,
        below=1,
    )
    embedding_dropout: float = option(
        0.0, "dropout on the units of the embeddings", at_least=0, below=1
    )
    token_dropout: float = option(
        0.0,
        "dropout of whole rows of the embedding matrix, with one mask per step",
        at_least=0,
        below=1,
    )
    weight_dropout: float = option(
        0.0,
        "dropout on the recurrent weights, with one mask per step (DropConnect)",
        at_least=0,
        below=1,
        planned=True,
    )
    layer_norm: bool = option(False, "layer normalization of each layer's output")
    residual: bool = option(
        False,
        "residual connections around layers whose input and output sizes are equal, as is planned "
        "for more than one",
        planned=True,
    )
    nonlinearity: str = option("tanh", "activation of the rnn cell", choices=("tanh", "relu"))
    tie_weights: bool = option(
        False,
        "tie the embedding to the output layer, as is planned for words (needs embedding size = "
        "hidden size)",
        planned=True,
    )
    fresh_state: bool = option(
        False,
        "begin each document with a fresh state, as is planned for short lines; else the state "
        "is carried from one document into the next",
        planned=True,
    )
    chrono: int = option(
        0,
        "chrono initialization: the gates of LSTM and GRU begin with memories of up to so many "
        "tokens",
        at_least=0,
        at_most=1_000_000,
    )

    def check_together(self) -> None:
        if self.chrono and self.cell == "rnn":
            raise ConfigError(
                setting("chrono", self.chrono) + " needs gates, and cell rnn has none",
                hint="leave it out, or choose lstm or gru",
            )
        if self.tie_weights and self.embedding_size != self.hidden_size:
            raise ConfigError(
                named("tie_weights")
                + " needs "
                + named("embedding_size")
                + f" ({self.embedding_size}) equal to "
                + named("hidden_size")
                + f" ({self.hidden_size})",
                hint="add " + setting("embedding_size", self.hidden_size),
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How the network learns, and for how long."""

    batch_size: int = option(
        16,
        "number of parallel text streams in a step, or of documents with " + named("fresh_state"),
        at_least=1,
        planned=True,
    )
    accumulate: int = option(
        1,
        "gradient accumulation: compute each step in this many parts, to save memory",
        at_least=1,
    )
    bptt: int = option(
        64, "length of truncated back-propagation through time, in tokens", at_least=1, planned=True
    )
    random_bptt: bool = option(
        False,
        "randomize the length of each step, between 0.5 and 1.5 times " + named("bptt"),
    )
    learning_rate: float | None = option(None, "peak learning rate of AdamW", above=0, planned=True)
    warmup: float = option(
        0.05, "fraction of the run over which the learning rate warms up", at_least=0, below=1
    )
    weight_decay: float = option(0.1, "weight decay of AdamW, on weight matrices only", at_least=0)
    clip: float = option(1.0, "maximum norm of the gradient; larger gradients are clipped", above=0)
    reset: float = option(
        0.02,
        "probability, per step and stream, of resetting the state and reading from the "
        "beginning of a document, paragraph, line or sentence",
        at_least=0,
        at_most=1,
    )
    activation_penalty: float = option(
        0.0, "penalty on the mean square of the top layer's output (AR)", at_least=0
    )
    temporal_penalty: float = option(
        0.0,
        "penalty on the mean squared change of the top layer's output between tokens (TAR)",
        at_least=0,
    )
    average: float = option(
        0.0,
        "decay per step of an exponential moving average of the weights (EMA), which is then "
        "scored and saved instead of them",
        at_least=0,
        below=1,
    )
    precision: str = option(
        "auto",
        "precision of matrix products; auto is bfloat16 where that is faster, else float32",
        choices=("auto", "float32", "bfloat16"),
    )
    minutes: float | None = option(
        None,
        f"train for this many minutes, everything included (default: {DEFAULT_MINUTES:g})",
        above=0,
    )
    epochs: float | None = option(None, "train for this many passes over the text", above=0)
    steps: int | None = option(None, "train for this many steps", at_least=1)
    evaluations: int = option(10, "number of validations, spread evenly over the run", at_least=1)
    patience: int | None = option(
        None,
        "stop early after this many validations in a row without improvement",
        at_least=1,
        planned=True,
    )
    save_every: float = option(30.0, "seconds between saves of the training state", above=0)
    seed: int = option(1, "seed for all randomness", at_least=0, at_most=2**63 - 1)

    def check_together(self) -> None:
        if sum(length is not None for length in (self.minutes, self.epochs, self.steps)) > 1:
            raise ConfigError(
                named("minutes", "epochs", "steps") + " cannot be combined", hint="give one"
            )


# What is done to the logits before a token is sampled, in this order, each where its option is set.
PROCESSOR_ORDER = (
    "relevance",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "no_repeat_ngram",
    "ban",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "temperature",
)
UNITS = ("word", "sentence", "line", "paragraph")
DEFAULT_TOKENS = 200  # of a text whose length is not asked for in any way
WHOLE_TOKENS = 5000  # in which a paragraph or a match should have ended: some never do
CHARACTER_BYTES = 4  # of UTF-8 at most, so tokens too: each spells a byte at least


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """How text is sampled from the model."""

    max_tokens: int | None = option(
        None,
        f"maximum tokens to generate (default: {DEFAULT_TOKENS}, or what other limits need)",
        at_least=1,
    )
    max_chars: int | None = option(None, "maximum characters to generate", at_least=1)
    min_chars: int | None = option(
        None,
        "ignore stop texts and ends of documents before this many characters",
        at_least=1,
    )
    stop: tuple[str, ...] = option((), "stop before this text; \\n is a newline")
    until: str | None = option(None, "stop after a whole unit of text", choices=UNITS)
    relevance: float = option(
        0.0,
        "favor what fits the prompt, or a chat's last turn, over what fits any",
        at_least=0,
        below=1,
    )
    repetition_penalty: float | None = option(
        None,
        "divide logits of recent tokens by this; above 1 discourages repetition",
        at_least=0.01,
        at_most=100,
    )
    presence_penalty: float | None = option(
        None, "subtract this from the logits of recent tokens, in nats", at_least=-1e6, at_most=1e6
    )
    frequency_penalty: float | None = option(
        None,
        "subtract this from recent tokens' logits for each occurrence, in nats",
        at_least=-1e6,
        at_most=1e6,
    )
    no_repeat_ngram: int | None = option(
        None, "never repeat an n-gram of this many tokens within the penalty window", at_least=1
    )
    penalty_window: int = option(
        256,
        "recent tokens, prompt included, for penalties and " + named("no_repeat_ngram"),
        at_least=1,
        at_most=1_000_000,
    )
    ban: tuple[str, ...] = option((), "never sample a token that contains this text")
    top_k: int | None = option(None, "sample only from the k most likely tokens", at_least=1)
    top_p: float | None = option(
        None,
        "sample only from the most likely tokens with this total probability",
        above=0,
        at_most=1,
    )
    min_p: float | None = option(
        None,
        "drop tokens below this fraction of the most likely token's probability",
        at_least=0,
        at_most=1,
    )
    typical_p: float | None = option(
        None,
        "sample only from the most typical tokens with this total probability",
        above=0,
        at_most=1,
    )
    temperature: float = option(
        1.0, "0 always picks the most likely token; above 1 is more random", at_least=0, at_most=1e6
    )
    charset: str | None = option(
        None, "generate only these characters; ranges such as a-z, \\n is a newline"
    )
    regex: str | None = option(
        None, "generate only text that matches this regular expression as a whole"
    )
    heal: bool = option(True, "token healing: the text may continue the prompt's last word")
    num_samples: int | None = option(None, "number of texts to sample, in batches", at_least=1)
    batch_size: int = option(
        128, "maximum number of texts sampled side by side", at_least=1, at_most=65536
    )
    beams: int | None = option(
        None,
        "beam width: search for the most likely texts instead of sampling",
        at_least=1,
        at_most=10_000,
    )
    length_penalty: float = option(
        0.0,
        "divide logprobs by tokens to this power; above 0 favors longer texts",
        at_least=0,
        at_most=10,
    )
    early_stopping: bool = option(
        False, "end the search once as many texts have ended as there are beams"
    )
    seed: int | None = option(
        None,
        "seed for repeatable samples (default: a new one each time)",
        at_least=0,
        at_most=2**63 - 1,
    )

    @property
    def token_limit(self) -> int:
        """Tokens to write at most. A default never cuts off what is asked for, so with `min_chars`
        and no `max_tokens` there are more where they are needed."""
        if self.max_tokens is not None:
            return self.max_tokens
        if self.max_chars is not None:
            return CHARACTER_BYTES * self.max_chars
        return DEFAULT_TOKENS if self.until is self.regex is None else WHOLE_TOKENS

    def check_together(self) -> None:
        for name in ("stop", "ban"):
            if any(not text for text in getattr(self, name)):
                raise ConfigError("must not be empty", option=name)
        for name in ("charset", "regex"):
            if getattr(self, name) == "":
                raise ConfigError("must not be empty", option=name)
        if (self.no_repeat_ngram or 0) > self.penalty_window:
            raise ConfigError(
                named("no_repeat_ngram") + " must not be more than " + named("penalty_window")
            )
        if self.charset is not None and self.regex is not None:
            raise ConfigError(
                named("charset", "regex") + " cannot be combined",
                hint="write the characters into the expression, as in [a-z ]*",
            )
        if (self.min_chars or 0) > (self.max_chars or MAX_VALUE):
            raise ConfigError(named("min_chars") + " must not be more than " + named("max_chars"))
        if self.beams is None:
            for name in BEAM_OPTIONS:
                if getattr(self, name) != getattr(type(self), name):
                    raise ConfigError(
                        named(name) + " needs " + named("beams"),
                        hint="add " + setting("beams", 5),
                    )
            return
        for name in SAMPLING_OPTIONS:
            if getattr(self, name) != getattr(type(self), name):
                raise ConfigError(
                    named("beams", name) + " cannot be combined",
                    hint="beam search finds the most likely texts and samples nothing",
                )


@dataclass(frozen=True, kw_only=True)
class SamplingDefaults(Config):
    """How a checkpoint wants to be sampled where nobody says otherwise; None is what SampleConfig
    says."""

    temperature: float | None = option(
        None, "temperature at which it is sampled, instead of 1", at_least=0, at_most=1e6
    )
    min_p: float | None = option(
        None,
        "drop tokens below this fraction of the most likely token's probability",
        at_least=0,
        at_most=1,
    )
    stop: tuple[str, ...] = option((), "its texts stop before this text; \\n is a newline")
    mode: str | None = option(None, "mode in which the REPL starts", choices=MODES)

    def check_together(self) -> None:
        if not all(self.stop):
            raise ConfigError("must not be empty", option="stop")

    @property
    def given(self) -> dict[str, Any]:
        """What it says, by name."""
        values = {name: getattr(self, name) for name in field_names(type(self))}
        return {name: value for name, value in values.items() if value not in (None, ())}

    @property
    def options(self) -> dict[str, Any]:
        """What of it are options of SampleConfig, by name."""
        return {name: value for name, value in self.given.items() if name != "mode"}


# At which the bundled model answers what it is asked: 73 of 100 questions rightly, against 75 at 0,
# 70 at 0.5 and 46 at 1, and still not always alike (benchmarks/chat_temperature.py).
CHAT_TEMPERATURE = 0.3


@dataclass(frozen=True, kw_only=True)
class InspectConfig(Config):
    """What is looked at inside a network."""

    cell: tuple[str, ...] = option(
        (), "color the text by this cell, given as LAYER:CELL, both counted from 0"
    )
    gate: str | None = option(
        None,
        "color the text by this gate: of the cells that " + named("cell") + " names, or else by "
        "its mean over each layer",
        choices=("forget", "input", "output", "reset", "update"),
    )
    top: int = option(
        3, "number of most likely tokens to show at each position", at_least=1, at_most=100
    )
    max_chars: int = option(
        20_000,
        "maximum characters to read (2,000 of the model's own text if no text is given)",
        at_least=1,
        at_most=1_000_000,
    )

    def check_together(self) -> None:
        for text in self.cell:
            if re.fullmatch(r"\d{1,9}:\d{1,9}", text, re.ASCII) is None:
                raise ConfigError(
                    f"must be two numbers as in 0:17, layer and cell, not {text!r}", option="cell"
                )


@dataclass(frozen=True, kw_only=True)
class LookBackConfig(Config):
    """How far back is looked."""

    max_context: int = option(
        4096, "longest context to measure, in tokens", at_least=1, at_most=1 << 20
    )
    max_distance: int = option(
        512, "how far back to follow the gradient, in tokens", at_least=1, at_most=1 << 16
    )


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Config):
    """How a model is written into a page or a checkpoint."""

    weights: str | None = option(
        None,
        "precision of the weights in a page or a checkpoint; float16 halves the file of a model in "
        "float32, int8 quarters it (default: as they are stored)",
        choices=("float32", "float16", "int8"),
    )


@dataclass(frozen=True, kw_only=True)
class ServeConfig(Config):
    """How models are served over HTTP."""

    host: str = option("127.0.0.1", "address or name to listen on; 0.0.0.0 is all of IPv4, :: all")
    port: int = option(8080, "port to listen on; 0 picks a free one", at_least=0, at_most=65535)
    api_key: str | None = option(
        None,
        "key that clients must send, as Authorization: Bearer KEY; /health and the page need none",
    )
    cors_origin: tuple[str, ...] = option(
        (),
        "let pages of this origin use the server, such as https://chat.example.com; * is any",
    )
    allowed_host: tuple[str, ...] = option(
        (), "let clients address the server by this name, such as models.example.com; * is any"
    )
    max_batch: int = option(
        128, "maximum texts to sample side by side; more wait", at_least=1, at_most=4096
    )

    def check_together(self) -> None:
        for origin in self.cors_origin:
            if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s?#@]+", origin):
                raise ConfigError(
                    f"must be like https://chat.example.com, in lower case and without a path, "
                    f"not {origin!r}",
                    option="cors_origin",
                )
        for option_name, names in (("host", (self.host,)), ("allowed_host", self.allowed_host)):
            for name in names:
                if not re.fullmatch(r"[^\s/@]+", name) or (option_name == "host" and name == "*"):
                    raise ConfigError(
                        f"must be a name or an address, not {name!r}", option=option_name
                    )
        if self.api_key is not None and not re.fullmatch(r"[!-~]+", self.api_key):
            raise ConfigError("must be ASCII without blanks, and not empty", option="api_key")


# What only sampling has a use for, and what only beam search has.
SAMPLING_OPTIONS = (
    *(name for name in PROCESSOR_ORDER if name != "ban"),  # a search leaves banned texts out, too
    "penalty_window",
    "num_samples",
    "batch_size",
    "seed",
)
BEAM_OPTIONS = ("length_penalty", "early_stopping")

Configs = tuple[CorpusConfig, ModelConfig, TrainConfig]


def split_options(options: Mapping[str, Any]) -> Configs:
    """The three configs of a training, with the given options. Raises ConfigError."""
    known = [
        name
        for config_type in (CorpusConfig, ModelConfig, TrainConfig)
        for name in field_names(config_type)
    ]
    check_names(options, known)
    if options.get("tie_weights"):  # where one of the two sizes is given, it is both
        sizes = ("hidden_size", "embedding_size")
        size = next((options[name] for name in sizes if name in options), ModelConfig.hidden_size)
        options = dict.fromkeys(sizes, size) | dict(options)

    def part(config_type: type[ConfigType]) -> ConfigType:
        names = [name for name in field_names(config_type) if name in options]
        return build_config(config_type, {name: options[name] for name in names})

    configs = part(CorpusConfig), part(ModelConfig), part(TrainConfig)
    if configs[1].fresh_state and configs[2].random_bptt:
        raise ConfigError(
            named("fresh_state", "random_bptt") + " cannot be combined",
            hint="whole documents are read, which have lengths of their own",
        )
    return configs
