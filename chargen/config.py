"""Every option of chargen: its name, default, limits and one line of help.

The name of a field is its flag (`hidden_size`, `--hidden-size`), its JSON key and its Python
argument. A config is frozen, flat and JSON-able, and checks itself at birth, so deeper code
trusts it. `None` is the only "off".
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chargen.errors import ConfigError, named, setting

DEFAULT_MINUTES = 10.0
TEMPLATE = "{text} => {label}"  # how a text and its label stand in a line, unless told
MAX_PROMPT = 100_000_000  # characters, or bytes of a file; a CPU reads some 10,000 a second
MAX_VALUE = 1e12  # of anything that has no lower limit of its own
DEVICES = ("auto", "cpu", "cuda", "mps")
PRESETS = ("small", "medium", "large")


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    planned: bool = False,
) -> Any:
    """A config field: its default, its help in one line with the unit, and its limits.

    What is `planned` is chosen for the text, the device and the time where it is not given; the
    default stands for it in configs that are made by hand.
    """
    limits = {"at least": at_least, "at most": at_most, "above": above, "below": below}
    limits = {words: bound for words, bound in limits.items() if bound is not None}
    metadata = {"help": help, "choices": choices, "limits": limits, "planned": planned}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What all configs share: they check their own fields when they are made."""

    def __post_init__(self) -> None:
        known = field_types(type(self))
        for field in dataclasses.fields(self):
            _check(field, *known[field.name], getattr(self, field.name))
        self.check_together()

    def check_together(self) -> None:
        """Refuse options that are right one by one but cannot go together."""


@dataclass(frozen=True, kw_only=True)
class CorpusConfig(Config):
    """How a text becomes tokens and is split."""

    tokenizer: str = option(
        "char", "what a token is: a character, a byte or a subword",
        choices=("char", "byte", "subword"),
    )  # fmt: skip
    vocab_size: int = option(
        2000, "tokens that a subword vocabulary may hold", at_least=270, at_most=1_000_000
    )
    subword_model: str = option("unigram", "how subwords are found", choices=("unigram", "bpe"))
    documents: str = option(
        "file", "what a document is: a file, split by position, or a line, shuffled first",
        choices=("file", "line"),
    )  # fmt: skip
    newlines: str = option(
        "keep", "keep CRLF and CR as they are, or turn them into LF", choices=("keep", "lf")
    )
    valid_fraction: float = option(
        0.05, "share of the text, in bytes, kept for validation", at_least=0, below=1
    )
    test_fraction: float = option(
        0.05, "share of the text, in bytes, never looked at in training", at_least=0, below=1
    )
    user: str = option(
        "You:", "how a turn of the user begins in the text's dialogues, for the REPL's chat mode"
    )
    bot: str = option("Bot:", "how a turn of the model begins in them")

    def check_together(self) -> None:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ConfigError(
                named("valid_fraction", "test_fraction") + " together leave no text to train on",
                hint="their sum must be below 1",
            )
        for name in SPEAKERS:
            text = getattr(self, name)
            if not text:
                raise ConfigError("must not be empty", option=name)
            # Control characters, lone surrogates, separators of lines and paragraphs.
            if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
                raise ConfigError(
                    f"must be one line without control characters, not {text!r}", option=name
                )
        if self.user == self.bot:
            raise ConfigError(
                named("user", "bot") + f" must differ, but both are {self.user!r}",
                hint="give what a turn of each begins with",
            )


# Options that say how to talk to a model of the text, and change nothing in its tokens.
SPEAKERS = ("user", "bot")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """The shape of the network."""

    cell: str = option("lstm", "the recurrent cell", choices=("lstm", "gru", "rnn"))
    hidden_size: int = option(256, "units in each layer", at_least=1, at_most=65536, planned=True)
    num_layers: int = option(
        1, "recurrent layers, one upon the other", at_least=1, at_most=64, planned=True
    )
    embedding_size: int = option(
        64, "numbers that stand for a token on its way in",
        at_least=1, at_most=65536, planned=True,
    )  # fmt: skip
    dropout: float = option(
        0.0, "share of the top layer's units dropped in training, the same all along a step",
        at_least=0, below=1, planned=True,
    )  # fmt: skip
    layer_dropout: float | None = option(
        None, "the same between layers (default: as --dropout)", at_least=0, below=1
    )
    embedding_dropout: float = option(0.0, "the same of the embedding's units", at_least=0, below=1)
    token_dropout: float = option(
        0.0, "share of the tokens whose embedding is dropped for a step", at_least=0, below=1
    )
    weight_dropout: float = option(
        0.0, "share of the recurrent weights dropped for a step (DropConnect)",
        at_least=0, below=1, planned=True,
    )  # fmt: skip
    layer_norm: bool = option(False, "normalise the output of each layer")
    residual: bool = option(False, "add to a layer's output what it read, where their sizes match")
    nonlinearity: str = option("tanh", "activation of the plain rnn cell", choices=("tanh", "relu"))
    tie_weights: bool = option(
        False, "use one matrix to read and to write tokens (needs embedding size = hidden size)"
    )

    def check_together(self) -> None:
        if self.tie_weights and self.embedding_size != self.hidden_size:
            raise ConfigError(
                named("tie_weights")
                + " needs "
                + named("embedding_size")
                + f" ({self.embedding_size}) equal to "
                + named("hidden_size")
                + f" ({self.hidden_size})",
                hint=f"add --embedding-size {self.hidden_size}",
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How the network learns, and for how long."""

    batch_size: int = option(16, "parallel streams of text in a step", at_least=1, planned=True)
    accumulate: int = option(
        1, "parts that the streams of a step are read in, one after the other, for less memory",
        at_least=1,
    )  # fmt: skip
    bptt: int = option(64, "tokens that back-propagation reaches back", at_least=1, planned=True)
    random_bptt: bool = option(
        False, "draw the length of each step, evenly from half of --bptt to one and a half"
    )
    learning_rate: float | None = option(None, "peak step size of AdamW", above=0, planned=True)
    warmup: float = option(
        0.05, "share of the run in which the learning rate rises", at_least=0, below=1
    )
    weight_decay: float = option(0.1, "decay of weight matrices, by AdamW", at_least=0)
    clip: float = option(1.0, "longest gradient norm that a step follows", above=0)
    reset: float = option(
        0.02, "chance, per step and stream, to forget the state and start afresh",
        at_least=0, at_most=1,
    )  # fmt: skip
    activation_penalty: float = option(
        0.0, "penalty on the mean square of the top layer's output (AR)", at_least=0
    )
    temporal_penalty: float = option(
        0.0, "penalty on the mean square of its change from token to token (TAR)", at_least=0
    )
    average: float = option(
        0.0, "decay, a step, of a running mean of the weights, which is what is scored and kept",
        at_least=0, below=1,
    )  # fmt: skip
    precision: str = option(
        "auto", "of products: bfloat16 where the device is faster so, else float32",
        choices=("auto", "float32", "bfloat16"),
    )  # fmt: skip
    minutes: float | None = option(
        None, f"train for so many minutes, everything included (default {DEFAULT_MINUTES:g})",
        above=0,
    )  # fmt: skip
    epochs: float | None = option(None, "train for so many passes over the text", above=0)
    steps: int | None = option(None, "train for so many steps", at_least=1)
    evaluations: int = option(10, "validations, spread evenly over the run", at_least=1)
    patience: int | None = option(
        None, "end after so many validations in a row without a better one",
        at_least=1, planned=True,
    )  # fmt: skip
    save_every: float = option(30.0, "seconds between saves of the state", above=0)
    seed: int = option(1, "seed of all randomness", at_least=0, at_most=2**63 - 1)

    def check_together(self) -> None:
        if sum(length is not None for length in (self.minutes, self.epochs, self.steps)) > 1:
            raise ConfigError(
                named("minutes", "epochs", "steps") + " cannot be combined", hint="give one"
            )


# What is done to the logits before a token is drawn, in this order, each where its option is set.
PROCESSOR_ORDER = (
    "repetition_penalty", "presence_penalty", "frequency_penalty", "no_repeat_ngram", "ban",
    "top_k", "top_p", "min_p", "typical_p", "temperature",
)  # fmt: skip
UNITS = ("word", "sentence", "line", "paragraph")


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """How text is drawn from the model."""

    max_tokens: int = option(200, "tokens to write at most", at_least=1)
    max_chars: int | None = option(None, "characters to write at most", at_least=1)
    min_chars: int | None = option(
        None, "characters before which no stop text and no end of a document ends the text",
        at_least=1,
    )  # fmt: skip
    stop: tuple[str, ...] = option((), "end before this text, \\n a newline (may be given again)")
    until: str | None = option(None, "end after so much", choices=UNITS)
    repetition_penalty: float | None = option(
        None, "divide the logits of recent tokens by this, above 1 against repeating",
        at_least=0.01, at_most=100,
    )  # fmt: skip
    presence_penalty: float | None = option(
        None, "take this from the logits of recent tokens, in nats", at_least=-1e6, at_most=1e6
    )
    frequency_penalty: float | None = option(
        None, "take this from them for each time that they stand there, in nats",
        at_least=-1e6, at_most=1e6,
    )  # fmt: skip
    no_repeat_ngram: int | None = option(
        None, "draw no token that ends so many that stand in the window already", at_least=1
    )
    penalty_window: int = option(
        256, "tokens, the prompt's last ones too, that these four look at", at_least=1,
        at_most=1_000_000,
    )  # fmt: skip
    ban: tuple[str, ...] = option((), "draw no token that holds this text (may be given again)")
    top_k: int | None = option(None, "draw only from the k likeliest tokens", at_least=1)
    top_p: float | None = option(
        None, "draw only from the fewest tokens that hold this share", above=0, at_most=1
    )
    min_p: float | None = option(
        None, "drop tokens below this share of the likeliest one's", at_least=0, at_most=1
    )
    typical_p: float | None = option(
        None, "draw only from the most typical tokens that hold this share", above=0, at_most=1
    )
    temperature: float = option(
        1.0, "0 always picks the likeliest token; above 1 is wilder", at_least=0, at_most=1e6
    )
    charset: str | None = option(
        None, "draw only these characters, ranges such as a-z, \\n a newline"
    )
    regex: str | None = option(None, "draw only what can match this expression as a whole")
    heal: bool = option(True, "let the text go on inside a word that the prompt began (subwords)")
    num_samples: int | None = option(None, "texts to draw, in batches", at_least=1)
    batch_size: int = option(
        256, "texts that are drawn side by side at most", at_least=1, at_most=65536
    )
    beams: int | None = option(
        None, "search with so many beams for the likeliest texts instead of drawing",
        at_least=1, at_most=10_000,
    )  # fmt: skip
    length_penalty: float = option(
        0.0, "rank beams by log-probability over tokens to this power; above 0 favours long texts",
        at_least=0, at_most=10,
    )  # fmt: skip
    early_stopping: bool = option(False, "end the search once as many texts as beams have ended")
    seed: int | None = option(
        None, "repeat the same draws (default: new ones)", at_least=0, at_most=2**63 - 1
    )

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
            for name in SEARCHING:
                if getattr(self, name) != getattr(type(self), name):
                    raise ConfigError(
                        named(name) + " needs " + named("beams"),
                        hint="add " + setting("beams") + " 5",
                    )
            return
        for name in DRAWING:
            if getattr(self, name) != getattr(type(self), name):
                raise ConfigError(
                    named("beams", name) + " cannot be combined",
                    hint="beam search finds the likeliest texts, it draws nothing",
                )


@dataclass(frozen=True, kw_only=True)
class InspectConfig(Config):
    """What is looked at inside a network."""

    cell: tuple[str, ...] = option(
        (), "colour the text by this cell, L:I, its layer and place from 0 (may be given again)"
    )
    gate: str | None = option(
        None, "by this gate: of the cells that are given, else the mean over each layer",
        choices=("forget", "input", "output", "reset", "update"),
    )  # fmt: skip
    top: int = option(3, "likeliest tokens to show at each place", at_least=1, at_most=100)
    max_chars: int = option(
        20_000, "characters of a text to read at most; of the model's own it is 2,000 unless told",
        at_least=1, at_most=1_000_000,
    )  # fmt: skip

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
        4096, "with --memory: the longest context, tokens", at_least=1, at_most=1 << 20
    )
    max_distance: int = option(
        512, "with --memory: how far the gradient travels back, tokens", at_least=1, at_most=1 << 16
    )


# Options that a search for the likeliest texts has no use for, and those that it alone has.
DRAWING = (
    "repetition_penalty", "presence_penalty", "frequency_penalty", "no_repeat_ngram",
    "penalty_window", "top_k", "top_p", "min_p", "typical_p", "temperature", "num_samples",
    "batch_size", "seed",
)  # fmt: skip
SEARCHING = ("length_penalty", "early_stopping")


def unescape(text: str) -> str:
    """A typed text with `\\n` and `\\t` as what they stand for."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


ConfigType = TypeVar("ConfigType", bound=Config)


def field_types(config_type: type[Config]) -> dict[str, tuple[Any, bool]]:
    """Of each option, by name: its type without None, and whether it may be None."""
    return {name: _kind(hint) for name, hint in typing.get_type_hints(config_type).items()}


def field_names(config_type: type[Config]) -> list[str]:
    """The names of a config's options, in order."""
    return [field.name for field in dataclasses.fields(config_type)]


def help_of(config_type: type[Config], name: str) -> str:
    """What the option of this name does."""
    return str(config_type.__dataclass_fields__[name].metadata["help"])


def choices_of(config_type: type[Config], name: str) -> tuple[str, ...]:
    """The values that the option of this name may have; none where any will do."""
    fields = config_type.__dataclass_fields__
    return tuple(fields[name].metadata["choices"] or ())


def build_config(config_type: type[ConfigType], options: Mapping[str, Any]) -> ConfigType:
    """The config with the given options, all others at their defaults.

    Raises ConfigError for a name that the config does not have, or a value it refuses.
    """
    for name in options:
        if name not in field_names(config_type):
            raise ConfigError(f"there is no option {name!r}", hint=_known(config_type))
    return config_type(**options)


Configs = tuple[CorpusConfig, ModelConfig, TrainConfig]


def split_options(options: Mapping[str, Any]) -> Configs:
    """The three configs of a training, with the given options. Raises ConfigError."""
    field_types: tuple[type[Config], ...] = (CorpusConfig, ModelConfig, TrainConfig)
    known = [name for kind in field_types for name in field_names(kind)]
    for name in options:
        if name not in known:
            raise ConfigError(f"there is no option {name!r}", hint=f"there are {', '.join(known)}")
    if options.get("tie_weights"):  # where one of the two sizes is given, it is both
        sizes = ("hidden_size", "embedding_size")
        size = next((options[name] for name in sizes if name in options), ModelConfig.hidden_size)
        options = dict.fromkeys(sizes, size) | dict(options)
    corpus, model, training = (
        build_config(kind, {name: options[name] for name in field_names(kind) if name in options})
        for kind in field_types
    )
    assert isinstance(corpus, CorpusConfig)
    assert isinstance(model, ModelConfig)
    assert isinstance(training, TrainConfig)
    return corpus, model, training


def parse(config_type: type[Config], name: str, text: str) -> Any:
    """The value that `text` spells for the option `name`; `off` or `none` is None.

    Raises ConfigError where there is no such option or the text is not of its type.
    """
    if name not in field_names(config_type):
        raise ConfigError(f"there is no option {name!r}", hint=_known(config_type))
    kind, optional = field_types(config_type)[name]
    if optional and text.lower() in ("off", "none"):
        return None
    if kind is bool:
        if text.lower() not in ("true", "false", "on", "off"):
            raise ConfigError(f"must be on or off, not {text!r}", option=name)
        return text.lower() in ("true", "on")
    if kind is tuple:
        return () if text.lower() in ("off", "none") else (unescape(text),)
    try:
        return kind(text)
    except ValueError:
        noun = {int: "a whole number", float: "a number"}.get(kind, "a text")
        raise ConfigError(f"must be {noun}, not {text!r}", option=name) from None


def _known(config_type: type[Config]) -> str:
    return "there are " + ", ".join(field_names(config_type))


def _kind(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType):
        return next(arm for arm in hint.__args__ if arm is not types.NoneType), True
    return typing.get_origin(hint) or hint, False


def _check(field: dataclasses.Field[Any], kind: Any, optional: bool, value: Any) -> None:
    if value is None and optional:
        return
    if kind in (int, float):
        accepted = (int, float) if kind is float else (int,)
        if isinstance(value, bool) or not isinstance(value, accepted):
            noun = "a whole number" if kind is int else "a number"
            raise ConfigError(f"must be {noun}, not {value!r}", option=field.name)
        if value != value:
            raise ConfigError("must be a number, not nan", option=field.name)
        for words, bound in ({"at most": MAX_VALUE} | field.metadata["limits"]).items():
            if not _within(value, words, bound):
                shown = str(value)[:20]
                raise ConfigError(
                    f"must be {words} {_written(bound)}, not {shown}", option=field.name
                )
    elif kind in (str, bool):
        if not isinstance(value, kind):
            raise ConfigError(f"must be a {kind.__name__}, not {value!r}", option=field.name)
        choices = field.metadata["choices"]
        if choices and value not in choices:
            raise ConfigError(f"must be one of {', '.join(choices)}, not {value!r}",
                              option=field.name)  # fmt: skip
    elif not isinstance(value, tuple) or not all(isinstance(text, str) for text in value):
        raise ConfigError(f"must be a tuple of texts, not {value!r}", option=field.name)


def _written(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) and abs(bound) >= 1e6 else f"{bound:g}"


def _within(value: float, words: str, bound: float) -> bool:
    match words:
        case "at least":
            return value >= bound
        case "at most":
            return value <= bound
        case "above":
            return value > bound
        case _:
            return value < bound
