"""Choose the sizes and strengths of a training for its text, its device and its time.

Values in, values out: what a step costs is asked of a function that is passed in, and only where
the time is what is given. benchmarks/recipe.py measures what the numbers below are worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chargen.config import ModelConfig, TrainConfig
from chargen.nn.weights import NUM_GATES
from chargen.options import field_names
from chargen.training.replay import replay_streams

HIDDEN_SIZES = (64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048)
TYPICAL_SIZE = 256  # of what is planned for a CPU and some minutes
PRESET_SIZES = {"small": 128, "medium": 256, "large": 512}  # the names are config.PRESETS
# A wider network learns more from each token, but reads fewer of them in the time. In three minutes
# of one core tinyshakespeare came, on a part of its training text that was split off, to 1.382,
# 1.374, 1.366 and 1.372 nats with 256, 320, 384 and 448 units, which read 40, 22, 11 and 7 tokens
# for each weight.
TOKENS_PER_WEIGHT = {"char": 6.0, "byte": 6.0, "subword": 2.5, "word": 2.5}
# Two layers, of so many units at least, learn more than one that takes as long, in a run that is so
# many times as long as such narrow ones need: in four minutes of one core War and Peace came to
# 1.086 with 2 x 256 (12 tokens for each weight) and to 1.099 with 384, in three tinyshakespeare to
# 1.365 (9) and 1.366, in 48 seconds to 1.432 with 2 x 192 (5) and to 1.424 with 256. In fifteen
# minutes of two cores War and Peace came to 1.069 with 2 x 448 (6) and to 1.073 with 2 x 320 (21).
DEEP_FROM, DEEP_TIME = 256, 1.7
SHARE_OF_STEPS = 0.9  # of the time; the rest is validation, saving and showing
# More weights than this for each token of the text only overfit it.
WEIGHTS_PER_TOKEN = 2.5
# Most weights of a model of words are in their table, of which a step moves few. On 300 kB of
# Shakespeare 4.6 weights a token are better than 2 or 11, and after 10 epochs dropout 0.5 than 0.3.
WEIGHTS_PER_WORD = 5.0
WEIGHTS_PER_SUBWORD = 4.0  # of which half are in the output layer
# Of documents that begin with a fresh state a wider network learns more in fewer epochs: on 15,000
# words of one book 11 weights a token came in 10 epochs to 1.770 nats a character (0.9 tokens for
# each weight), 24 in 7 to as much, and 3 in 20 to 1.789.
WEIGHTS_PER_TOKEN_OF_DOCUMENTS, TOKENS_PER_WEIGHT_OF_DOCUMENTS = 12.0, 1.25
MANY_EPOCHS = 4.0  # where a text is read so often; in fewer nobody has looked
# Epochs of characters, as which one of these overfits. 270,000 subwords, read 25 times, came to
# 1.957 bits per byte with dropout 0.5 and to 2.058 with 0.1.
EPOCHS_AS = {"char": 1.0, "byte": 1.0, "subword": 2.0, "word": 3.0}
# Where no time is given nobody knows what is too slow: no wider than this.
WIDEST_WITHOUT_TIME = 512
BATCH_SIZE, BPTT = 16, 64
# A text of so many tokens teaches as much with 32 streams as with 16, and a CPU reads them faster:
# in three minutes of one core tinyshakespeare came to 1.383 nats instead of 1.388, on a part of its
# training text that was split off.
LONG_TEXT = 2**19
PEAK_RATES = {"lstm": 0.012, "gru": 0.006, "rnn": 0.004}  # of learning, with 16 streams
# Of that rate, for a model that was trained before: about where another bit that it learns of the
# new text costs a bit of what it knew (benchmarks/finetune.py).
FINE_TUNING_RATE = 0.25
WIDEST_AT_PEAK = 512  # wider layers learn at a rate that falls with their width
# Where reading twice the streams takes less than this many times as long, they are doubled.
WORTH_DOUBLING = 1.25
MAX_STREAMS = 256
TEXT_PER_STEP = 8  # of a step: so that an epoch has some
PATIENCE = 5
MIN_TOKENS_A_STEP = 16  # tokens a step: a text with less is too short to plan for
# Of a document that is read in pieces: a step reads all of it.
MAX_PIECES = 64
# For a text that is read fewer times than the first: dropout, and DropConnect. On parts of training
# texts that were split off, War and Peace, read 4 times, was learned best with none; with 0, 0.1
# and 0.2 tinyshakespeare, read 10 times, came to 1.374, 1.366 and 1.374 nats; with 0.1 and 0.3
# WikiText, read 12 times, to 1.352 and 1.345.
DROPOUT_BY_EPOCHS = (
    (6.0, 0.0, 0.0),
    (11.0, 0.1, 0.0),
    (24.0, 0.3, 0.0),
    (36.0, 0.4, 0.0),
    (float("inf"), 0.5, 0.4),
)
# The same where each document begins with a fresh state: words of one book, read 20 times, came to
# 1.81 nats a character with (0.3, 0), to 1.90 with (0.5, 0.4), 30 times to 1.80 and 1.81 with
# (0.5, 0) and (0.5, 0.2).
DROPOUT_OF_DOCUMENTS = (
    (4.0, 0.0, 0.0),
    (8.0, 0.1, 0.0),
    (24.0, 0.3, 0.0),
    (float("inf"), 0.5, 0.0),
)
# The same where short answers alone count. Few tokens teach all that is learned, and what stands
# before them is not there to be known by heart: on lines that were split off, labels by characters
# were right at 98, 98 and 89 % with (0, 0), (0, 0.2) and (0.3, 0), and translations by subwords at
# 89, 95 and, with (0.2, 0.2), 97 % (benchmarks/answers.py --tune).
DROPOUT_OF_ANSWERS = ((8.0, 0.0, 0.0), (float("inf"), 0.0, 0.2))


@dataclass(frozen=True)
class Task:
    """What is to be learned, where, and how long it may take."""

    train_tokens: int
    vocab_size: int
    device: str  # its type, as torch names it
    seconds: float | None  # of training; None where steps or epochs are given
    network_is_given: bool = False  # one that was trained before
    replays: bool = False  # some of the streams read an old text
    memory: int | None = None  # bytes that are free there; None where nobody tells
    answers: bool = False  # what counts in the loss are short answers, no running text
    ranks: int = 1  # processes that share the streams, each on a device of its own
    tokenizer: str = "char"  # its kind
    # Tokens of a document of the text, with its end, on average, and of the longest; 0 where nobody
    # has counted.
    mean_document: float = 0.0
    longest_document: int = 0
    lines: bool = False  # each line is a document


@dataclass(frozen=True)
class PlannedOption:
    """A value that was chosen for an option, and why."""

    name: str
    value: Any
    reason: str


# Options -> the seconds that a training step takes with them.
StepSeconds = Callable[[Mapping[str, Any]], float]


def typical_network(
    task: Task, given: Mapping[str, Any], preset: str | None = None
) -> dict[str, Any]:
    """Options with all the sizes that a step takes its time by, about as a CPU's plan has them."""
    width = TYPICAL_SIZE if preset is None else PRESET_SIZES[preset]
    options = {"hidden_size": width, "num_layers": 1, **given}
    if _ties(task, given):
        options["tie_weights"] = True
    if options.get("tie_weights"):
        options["embedding_size"] = options["hidden_size"]
    options.setdefault("embedding_size", _embedding_size(task, given))
    if _are_short(task, given):
        options["fresh_state"] = True
    room = _documents if options.get("fresh_state") else _room
    options["batch_size"], options["bptt"], _ = room(task, options)
    return options


def make_plan(
    task: Task,
    given: Mapping[str, Any],
    step_seconds: StepSeconds,
    preset: str | None = None,
) -> list[PlannedOption]:
    """A choice for the planned options that are not among the `given` ones, in the configs' order.

    `step_seconds` is called only where `task.seconds` is set: the same text and options give the
    same plan where it is not.
    """
    chosen: dict[str, PlannedOption] = {}
    options = dict(given)

    def choose(name: str, value: Any, reason: str) -> None:
        if name not in given:
            chosen[name] = PlannedOption(name, value, reason)
            options[name] = value

    if _ties(task, given):
        choose("tie_weights", True, "what reads a word also predicts it")
    if _are_short(task, given):
        choose("fresh_state", True, "documents are short: each is read from a fresh state")
    if options.get("fresh_state"):
        batch_size, bptt, reason = _documents(task, options)
    else:
        batch_size, bptt, reason = _streams(task, options, step_seconds)
    choose("batch_size", batch_size, reason)
    choose("bptt", bptt, "gradients are cut after so many tokens, the state is not")
    if not task.network_is_given:
        choose(
            "embedding_size",
            _embedding_size(task, given),
            f"for a vocabulary of {task.vocab_size:,} tokens",
        )
        layers, width, reason = _layers_and_width(task, options, step_seconds, preset)
        deep = "two learn more in the time than a wider one"
        flat = "two are for long runs over long texts, on a CPU"
        choose("num_layers", layers, deep if layers > 1 else flat)
        choose("hidden_size", width, reason)
        if options["num_layers"] > 1 and task.tokenizer != "word":
            choose("residual", True, "each layer adds to what the one below has found")
        if options.get("tie_weights"):
            choose("embedding_size", options["hidden_size"], "the same, as weights are tied")
    rate, reason = _learning_rate(task, options), "for this cell, width, depth and batch size"
    if task.network_is_given:
        rate = float(f"{FINE_TUNING_RATE * rate:.2g}")
        reason = "a quarter of a new model's, so that less is forgotten"
    choose("learning_rate", rate, reason)
    epochs = planned_epochs(task, options, step_seconds)
    alone = " for its answers" if task.answers else ""
    reason = f"the text is read {epochs:.1f} times{alone}"
    fresh_state = bool(options.get("fresh_state"))
    dropout, weight_dropout = dropout_for(epochs, task.tokenizer, task.answers, fresh_state)
    choose("dropout", dropout, reason)
    choose("weight_dropout", weight_dropout, reason)
    if task.seconds is not None:  # a length in steps or epochs is kept
        choose("patience", PATIENCE, "half of the validations in a row without improvement")
    in_order = [*field_names(ModelConfig), *field_names(TrainConfig)]
    return sorted(chosen.values(), key=lambda choice: in_order.index(choice.name))


def _ties(task: Task, given: Mapping[str, Any]) -> bool:
    """Whether words share their embedding with the output layer, unless two sizes are asked for: a
    word that is rare is learned from wherever it stands, and half of the weights are left."""
    embedding_size = given.get("embedding_size")
    sizes_agree = embedding_size is None or embedding_size == given.get("hidden_size")
    return task.tokenizer == "word" and not task.network_is_given and sizes_agree


def _are_short(task: Task, given: Mapping[str, Any]) -> bool:
    """Whether documents are planned to be read from a fresh state each: they are the lines of a
    list, not conversations, whose next turn comes when the last one has ended; no longer than a
    step, on average; none is out of all proportion; and nothing is asked for that streams alone
    have. Reviews of 60 characters, labelled at their ends, were so labelled rightly at 97 %, with
    the state carried at 88 %: figures of the text that the rule was chosen by."""
    if task.replays or given.get("random_bptt") or given.get("reset"):
        return False
    bptt: int = given.get("bptt", BPTT)
    is_short = 0 < task.mean_document <= bptt
    return task.lines and is_short and 0 < task.longest_document <= MAX_PIECES * bptt


def step_tokens(task: Task, options: Mapping[str, Any]) -> float:
    """Tokens that a step with these options reads, on average."""
    batch_size: int = options["batch_size"]
    if options.get("fresh_state") and task.mean_document:
        documents = task.train_tokens / task.mean_document
        return task.train_tokens / math.ceil(documents / batch_size)  # the last has what is left
    if task.replays:
        batch_size -= replay_streams(batch_size)
    return float(batch_size * options["bptt"])


def _documents(task: Task, options: Mapping[str, Any]) -> tuple[int, int, str]:
    """Batch size, in documents, and bptt: about as many tokens as streams read in a step."""
    least = max(1, task.ranks)
    bptt = options.get("bptt", BPTT)
    mean = task.mean_document or bptt
    batch_size = round(BATCH_SIZE * BPTT / mean)
    room = int(task.train_tokens / mean / TEXT_PER_STEP)
    reason = f"documents of {mean:.0f} tokens, about as many tokens as {BATCH_SIZE} streams read"
    if batch_size > room:
        batch_size, reason = room, "few, since the text is short"
    return options.get("batch_size", max(least, batch_size)), bptt, reason


def _streams(
    task: Task, options: Mapping[str, Any], step_seconds: StepSeconds
) -> tuple[int, int, str]:
    """Batch size and bptt: small batches make many steps; a GPU takes more streams at once for
    nearly nothing, and a CPU some; a short text has room for few."""
    batch_size, bptt, is_short = _room(task, options)
    if is_short:
        return batch_size, bptt, "few, since the text is short"
    room = task.train_tokens // TEXT_PER_STEP
    if task.seconds is None or "batch_size" in options:
        return batch_size, bptt, "small batches make many steps"
    if task.device == "cpu":
        cell, is_long = options.get("cell", "lstm"), task.train_tokens >= LONG_TEXT
        if cell != "lstm" or not is_long or task.seconds < 50 or 2 * BATCH_SIZE * bptt > room:
            return batch_size, bptt, "small batches make many steps"
        return max(batch_size, 2 * BATCH_SIZE), bptt, "a token takes less time than with fewer"
    network = {"hidden_size": 512, "num_layers": 1, "embedding_size": 64, **options, "bptt": bptt}
    if options.get("tie_weights"):
        network["embedding_size"] = network["hidden_size"]
    while 2 * batch_size * bptt <= room and 2 * batch_size <= MAX_STREAMS * task.ranks:
        if not fits(task, {**network, "batch_size": 2 * batch_size}):
            return batch_size, bptt, "twice as many would not fit into memory"
        once, twice = (
            step_seconds({**network, "batch_size": size}) for size in (batch_size, 2 * batch_size)
        )
        if twice > WORTH_DOUBLING * once:
            return batch_size, bptt, "twice as many would take longer on this device"
        batch_size *= 2
    most = 2 * batch_size > MAX_STREAMS * task.ranks
    return batch_size, bptt, "more would not help" if most else "the text has room for no more"


def _room(task: Task, options: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Batch size and bptt as a text has room for them, and whether it has room for few."""
    least = max(task.ranks, 2 if task.replays else 1)
    batch_size = options.get("batch_size", max(BATCH_SIZE, least))
    bptt = options.get("bptt", BPTT)
    room = task.train_tokens // TEXT_PER_STEP
    if batch_size * bptt <= room:
        return batch_size, bptt, False
    if room >= MIN_TOKENS_A_STEP:
        bptt = options.get("bptt", min(bptt, max(8, room // batch_size)))
        fewest = min(batch_size, room // bptt)
        batch_size = options.get("batch_size", max(least, fewest))
    return batch_size, bptt, True


def _layers_and_width(
    task: Task, options: Mapping[str, Any], step_seconds: StepSeconds, preset: str | None
) -> tuple[int, int, str]:
    """How many layers, of how many units, and why so many units. Two layers in a long run over a
    long text; of words, short documents and a GPU nobody has measured it."""
    is_open = "num_layers" not in options and task.device == "cpu" and task.tokenizer != "word"
    if is_open and not options.get("fresh_state"):
        deep = {**options, "num_layers": 2}
        if _allows_two_layers(task, _of_width(DEEP_FROM, deep), step_seconds):
            width, reason = _hidden_size(task, deep, step_seconds, preset, DEEP_FROM)
            if width >= DEEP_FROM and _reads_enough(task, _of_width(width, deep), step_seconds):
                return 2, width, reason
    layers = options.get("num_layers", 1)
    width, reason = _hidden_size(task, {**options, "num_layers": layers}, step_seconds, preset)
    return layers, width, reason


def _allows_two_layers(task: Task, narrow: Mapping[str, Any], step_seconds: StepSeconds) -> bool:
    """Whether the text, the memory and the time are enough for two layers, by narrow ones."""
    has_room = _num_weights(task, narrow) <= _most_weights(task, narrow) * task.train_tokens
    fitting = has_room and fits(task, narrow)
    return fitting and _reads_enough(task, narrow, step_seconds, DEEP_TIME)


def _hidden_size(
    task: Task,
    options: Mapping[str, Any],
    step_seconds: StepSeconds,
    preset: str | None,
    narrowest: int = HIDDEN_SIZES[0],
) -> tuple[int, str]:
    """The widest network that reads enough tokens for each of its weights, in the time and in the
    text. Steps are timed from the next to the narrowest on, and no farther than that."""
    if "hidden_size" in options:
        return options["hidden_size"], "as it was asked for"
    if preset is not None:
        return PRESET_SIZES[preset], f"the {preset} preset"
    widest = narrowest
    for hidden_size in HIDDEN_SIZES[HIDDEN_SIZES.index(narrowest) :]:
        sized = _of_width(hidden_size, options)
        if _num_weights(task, sized) > _most_weights(task, options) * task.train_tokens:
            return widest, "a wider one would overfit such a short text"
        if hidden_size > narrowest and not fits(task, sized):
            return widest, "a wider one would not fit into memory"
        if hidden_size > WIDEST_WITHOUT_TIME and task.seconds is None:
            return widest, "with a limit in minutes it is chosen for the time"
        if hidden_size > narrowest and not _reads_enough(task, sized, step_seconds):
            return widest, "a wider one would read too little text in the time"
        widest = hidden_size
    return widest, "the widest that is planned"


def _of_width(hidden_size: int, options: Mapping[str, Any]) -> dict[str, Any]:
    sized = {**options, "hidden_size": hidden_size}
    if options.get("tie_weights"):
        sized["embedding_size"] = hidden_size
    return sized


def _reads_enough(
    task: Task, options: Mapping[str, Any], step_seconds: StepSeconds, times: float = 1.0
) -> bool:
    """Whether a run reads enough tokens for each of the weights that it trains, or so many times
    enough."""
    tokens = _tokens_in_time(task, options, step_seconds)
    enough = TOKENS_PER_WEIGHT[task.tokenizer]
    if options.get("fresh_state") and tokens >= MANY_EPOCHS * task.train_tokens:
        enough = TOKENS_PER_WEIGHT_OF_DOCUMENTS
    return tokens >= times * enough * _num_weights(task, options)


def _most_weights(task: Task, options: Mapping[str, Any]) -> float:
    """Of a network, for each token of the text."""
    if task.tokenizer == "word":
        return WEIGHTS_PER_WORD
    if task.tokenizer == "subword":
        return WEIGHTS_PER_SUBWORD
    return WEIGHTS_PER_TOKEN_OF_DOCUMENTS if options.get("fresh_state") else WEIGHTS_PER_TOKEN


def memory_needed(task: Task, options: Mapping[str, Any]) -> int:
    """Bytes that a training takes on the device of each rank, at the least: benchmarks/scale.py
    compares it with what is taken.

    Of each weight: itself, its gradient, the optimizer's two means, the best one, and, to go back
    to, itself and its means. Of each token of a step: what back-propagation wants of the layers,
    and of the logits.
    """
    hidden_size, embedding_size = options["hidden_size"], options["embedding_size"]
    own_table = 0 if options.get("tie_weights") else task.vocab_size * embedding_size
    weights = _num_weights(task, options) + own_table
    copies = 8 + bool(options.get("average"))
    streams = -(-options["batch_size"] // task.ranks)
    streams = -(-streams // min(options.get("accumulate", 1), streams))
    length = options["bptt"]
    if options.get("fresh_state") and task.longest_document:
        length = min(length, task.longest_document)
    layers = options["num_layers"] * (NUM_GATES[options.get("cell", "lstm")] + 2) * hidden_size
    kept = embedding_size + layers + 3 * task.vocab_size  # logits, their softmax, its gradient
    return int(4 * (copies * weights + streams * length * kept))


def fits(task: Task, options: Mapping[str, Any]) -> bool:
    """Whether a training with these options has room in the memory, as far as one knows."""
    return task.memory is None or memory_needed(task, options) <= task.memory


def _num_weights(task: Task, options: Mapping[str, Any]) -> int:
    """Of the layers and the output layer: what a token is multiplied with."""
    hidden_size, layers = options["hidden_size"], options["num_layers"]
    gates = NUM_GATES[options.get("cell", "lstm")]
    read = options["embedding_size"] + (layers - 1) * hidden_size + layers * hidden_size
    return int(hidden_size * (gates * read + task.vocab_size))


def _learning_rate(task: Task, options: Mapping[str, Any]) -> float:
    """Falls with width and depth, and grows with the root of the batch size.

    With the root of the depth instead, four LSTM layers of 512 drift into saturation.
    """
    rate = PEAK_RATES[options.get("cell", "lstm")]
    rate *= min(1.0, WIDEST_AT_PEAK / options["hidden_size"]) / options["num_layers"]
    streams = options["batch_size"]
    if options.get("fresh_state"):
        streams = step_tokens(task, options) / BPTT
    return float(f"{rate * (streams / BATCH_SIZE) ** 0.5:.2g}")


def _embedding_size(task: Task, options: Mapping[str, Any]) -> int:
    """Subwords carry more than characters, so they get more numbers."""
    if options.get("tie_weights") and "hidden_size" in options:
        return int(options["hidden_size"])
    return 64 if task.vocab_size < 1000 else 128


def _tokens_in_time(task: Task, options: Mapping[str, Any], step_seconds: StepSeconds) -> float:
    """How many tokens the whole run reads."""
    if task.seconds is not None:
        return SHARE_OF_STEPS * step_tokens(task, options) * task.seconds / step_seconds(options)
    if options.get("epochs") is not None:
        return float(options["epochs"] * task.train_tokens)
    return float(options["steps"] * step_tokens(task, options))


def planned_epochs(task: Task, options: Mapping[str, Any], step_seconds: StepSeconds) -> float:
    """How often a run with these options reads the text."""
    return _tokens_in_time(task, options, step_seconds) / max(1, task.train_tokens)


def dropout_for(
    epochs: float, tokenizer: str, answers: bool, fresh_state: bool = False
) -> tuple[float, float]:
    """Dropout and DropConnect for a text that is read so often, by tokens of this kind: the more
    often, the more, lest it be overfitted. `answers`: whether they alone count in the loss;
    `fresh_state`: whether each document begins with one."""
    by_epochs: Sequence[tuple[float, float, float]] = DROPOUT_BY_EPOCHS
    if answers:
        by_epochs = DROPOUT_OF_ANSWERS
    else:
        epochs *= EPOCHS_AS[tokenizer]
        if fresh_state:
            by_epochs = DROPOUT_OF_DOCUMENTS
    return next(
        (dropout, weight_dropout) for most, dropout, weight_dropout in by_epochs if epochs < most
    )
