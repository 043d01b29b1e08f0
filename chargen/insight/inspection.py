"""What a text does to a network: what surprised it, what each cell and gate did, and which cells
follow something that people can read.

    text -> trace, in chunks -> surprises, probed values, gates in use -> views to colour it by

Shapes: P parts of a text (a token each, or the tokens of one character), T tokens, K probes or
features, U cells of all layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chargen.config import ModelConfig
from chargen.errors import CheckpointError, CorpusError
from chargen.evaluation.surprisal import Surprisal, TokenProbability, spelled
from chargen.generation.generator import TextGenerator
from chargen.nn.trace import GATES_OF, Trace, trace
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import StreamDecoder, Tokenizer, Tokens

CHUNK_TOKENS = 512
MAX_LOGITS = 1 << 22  # that are computed at once: memory does not grow with the vocabulary
OPEN, SHUT = 0.9, 0.1  # a gate beyond these is saturated (Karpathy et al. 2015)
MIN_TO_SEARCH = 1000  # characters from which cells are looked for
FULL_SURPRISE = 8.0  # bits from which a surprise has the strongest colour
FOLLOWS = 0.3  # the correlation from which a cell is said to follow something

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Probe:
    """What of the network is looked at: the memory of a cell, or one of its gates; where no `unit`
    is named, the mean over the layer's."""

    layer: int
    unit: int | None = None
    gate: str | None = None

    @property
    def name(self) -> str:
        unit = f"layer {self.layer}" if self.unit is None else f"cell {self.layer}:{self.unit}"
        return unit if self.gate is None else f"{self.gate} gate of {unit}"


@dataclass(frozen=True)
class View:
    """Numbers that a text is coloured by, (P,), and the range that the colours span. Where `low` is
    `-high` there are two colours, and none in the midst."""

    title: str
    unit: str
    values: Floats
    low: float
    high: float
    probe: Probe | None = None  # whose values they are

    @property
    def signed(self) -> bool:
        return self.low == -self.high

    @property
    def shades(self) -> Floats:
        """How strong the colours are, (P,): 0 is none, 1 and -1 the two that are full."""
        base = 0.0 if self.signed else self.low
        shades: Floats = (self.values - base) / max(self.high - base, 1e-9)
        return np.clip(shades, -1.0 if self.signed else 0.0, 1.0)

    @property
    def scale(self) -> list[tuple[float, float]]:
        """Some shades and the values that have them, the lowest first."""
        base = 0.0 if self.signed else self.low
        shades = (-1.0, -0.5, 0.0, 0.5, 1.0) if self.signed else (0.0, 0.25, 0.5, 0.75, 1.0)
        return [(shade, base + shade * (self.high - base)) for shade in shades]


@dataclass(frozen=True)
class GateUse:
    """How a layer's gate was used along a text: its mean, and the shares of all its values, over
    units and tokens, above 0.9 and below 0.1."""

    layer: int
    gate: str
    mean: float
    open: float
    shut: float


@dataclass(frozen=True)
class Follower:
    """The cell that follows a feature of the text most closely, by Pearson's correlation.

    It is chosen on the first half of a text, where its correlation is `chosen_by`, and
    `correlation` is that on the second.
    """

    feature: str
    layer: int
    unit: int
    correlation: float
    chosen_by: float

    @property
    def follows(self) -> bool:
        """Whether closely enough to be called so."""
        return abs(self.correlation) >= FOLLOWS and self.correlation * self.chosen_by > 0


@dataclass(frozen=True)
class Inspection:
    """A text as a network read it: its parts with what they cost, views of it, gates in use."""

    parts: tuple[Surprisal, ...]
    views: tuple[View, ...]  # the first is the surprise, in bits
    gates: tuple[GateUse, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


@torch.inference_mode()
def read_text(
    generator: TextGenerator,
    text: str,
    probes: Sequence[Probe] = (),
    *,
    titles: Sequence[str] | None = None,
    top: int = 3,
    on_progress: OnShare = no_progress,
) -> Inspection:
    """Read a text from its beginning: what each part cost and the `top` likeliest there, and after
    it the value of each probe; its `titles` are the probes' names unless given.

    The memory of a cell is tanh(c) in an LSTM, h in other cells. Raises TokenizerError;
    CheckpointError where the network has no such cell or gate; CorpusError where the text is empty.
    """
    model, tokenizer = generator.model, generator.tokenizer
    for probe in probes:
        check_probe(model.config, probe)
    tokenizer.check(text)
    tokens = lines_as_documents(generator, tokenizer.encode_array(text))
    if not len(tokens):
        raise CorpusError("the text is empty", hint="there is nothing to inspect")
    gates = [
        (layer, gate)
        for layer in range(model.config.num_layers)
        for gate in GATES_OF[model.config.cell]
    ]
    use = np.zeros((len(gates), 3))  # sums of the value, of open and of shut
    nats: list[Floats] = []
    most_likely: list[tuple[TokenProbability, ...]] = []
    values: list[Floats] = []
    at_once = min(CHUNK_TOKENS, max(1, MAX_LOGITS // model.vocab_size))
    for chunk, foretelling, found in _read(generator, tokens, at_once, on_progress):
        logits = model.read_out(foretelling)[0].float().cpu()
        logprobs = logits.double().log_softmax(-1)  # (T, V)
        costs = -logprobs.gather(-1, torch.from_numpy(chunk)[:, None])[:, 0]
        nats.append(costs.numpy())
        best = logprobs.topk(min(top, logprobs.shape[1]), dim=-1)
        for ids, chances in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True):
            pairs = zip(ids, chances, strict=True)
            most_likely.append(
                tuple(TokenProbability(spelled(tokenizer.pieces[t]), p) for t, p in pairs)
            )
        columns = [_probed(found, probe) for probe in probes]
        values.append(np.stack(columns, 1) if columns else np.empty((len(chunk), 0)))
        for row, (layer, gate) in enumerate(gates):
            value = found.layers[layer][gate].cpu()
            shares = (value, value > OPEN, value < SHUT)
            use[row] += [float(share.double().mean(-1).sum()) for share in shares]
    spans = _parts(tokenizer, tokens)
    costs_of_tokens, begins = np.concatenate(nats), [begin for begin, _, _ in spans]
    cost = np.add.reduceat(costs_of_tokens, begins)  # (P,)
    parts = tuple(
        Surprisal(part, float(nat), most_likely[begin])
        for (begin, _, part), nat in zip(spans, cost, strict=True)
    )
    after = np.concatenate(values)[[end - 1 for _, end, _ in spans]]  # (P, K)
    names = [probe.name for probe in probes] if titles is None else titles
    bits = cost / math.log(2)
    views = [View("surprise", "bits", bits, 0.0, FULL_SURPRISE)]
    views += map(_view, probes, names, after.T)
    return Inspection(
        parts,
        tuple(views),
        tuple(
            GateUse(*gate, *(sums / len(tokens)).tolist())
            for gate, sums in zip(gates, use, strict=True)
        ),
    )


def _view(probe: Probe, title: str, column: Floats) -> View:
    """The values of a probe, (P,), and the range of their colours."""
    if probe.gate is None:
        high = max(1.0, float(np.abs(column).max()))  # above 1 only where ReLU has no bound
        return View(title, "memory", column, -high, high, probe)
    if probe.unit is None:  # a mean moves little, so it has the colours for itself
        low, high = float(column.min()), float(column.max())
        return View(title, "mean; 0 shut, 1 open", column, low, high, probe)
    return View(title, "0 shut, 1 open", column, 0.0, 1.0, probe)


def check_probe(config: ModelConfig, probe: Probe) -> None:
    """Raises CheckpointError where the network has no such layer, cell or gate."""
    size, layers = config.hidden_size, config.num_layers
    if not 0 <= probe.layer < layers or not 0 <= (probe.unit or 0) < size:
        there = "layer 0 alone" if layers == 1 else f"layers 0 to {layers - 1}"
        raise CheckpointError(
            f"the network has no {Probe(probe.layer, probe.unit).name}",
            hint=f"it has {there}, with cells 0 to {size - 1}",
        )
    if probe.gate is not None and probe.gate not in GATES_OF[config.cell]:
        gates = ", ".join(GATES_OF[config.cell])
        raise CheckpointError(
            f"the cells of {'an' if config.cell in ('lstm', 'rnn') else 'a'} {config.cell} have no "
            f"{probe.gate} gate",
            hint=f"they have {gates}" if gates else "they have no gates at all",
        )


# -- what cells follow ------------------------------------------------------------------------


def features(text: str) -> dict[str, Floats]:
    """What is so after each character of a text, (N,) by name: counts of characters, or 1 and 0."""
    rows = []
    line = word = sentence = capitals = depth = 0
    quoted, before = False, ""
    for letter in text:
        line = 0 if letter == "\n" else line + 1
        word = word + 1 if letter.isalnum() else 0
        sentence = 0 if letter in ".!?" else sentence + 1
        capitals = capitals + 1 if letter.isupper() else 0
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(0, depth - 1)
        if letter == '"':
            quoted = not quoted
        elif letter in "\u201c\u201d":  # the curly ones say which they are
            quoted = letter == "\u201c"
        if before + letter == "\n\n":  # what was left open ends with the paragraph
            quoted, depth = False, 0
        before = letter
        rows.append((line, word, sentence, quoted, depth > 0, capitals > 0, capitals > 1))
    return dict(zip(FEATURES, np.array(rows, dtype=np.float64).T, strict=True))


FEATURES = (
    "position in line",
    "position in word",
    "position in sentence",
    "inside quotes",
    "inside brackets",
    "after a capital",
    "inside capitals",
)


@torch.inference_mode()
def find_followers(
    generator: TextGenerator, text: str, on_progress: OnShare = no_progress
) -> list[Follower]:
    """For each feature that the text has, the cell that follows it most closely, the closest
    first: what Karpathy, Johnson and Fei-Fei (2015) found by eye. Raises CorpusError where the text
    is too short."""
    if len(text) < MIN_TO_SEARCH:
        raise CorpusError(
            f"the text holds {len(text):,} characters, too few to look for cells in",
            hint=f"it must be {MIN_TO_SEARCH:,} long at least",
        )
    model, tokenizer = generator.model, generator.tokenizer
    tokens = lines_as_documents(generator, tokenizer.encode_array(text))
    spans = _parts(tokenizer, tokens)
    ends = np.array([end for _, end, _ in spans])
    last = np.cumsum([len(part) for *_, part in spans]) - 1  # the last character of each part
    there = np.stack(list(features(text).values()), 1)[last]  # (P, K)
    size, layers = model.config.hidden_size, model.config.num_layers
    halves = [_Sums(there.shape[1], layers * size) for _ in range(2)]
    middle = len(tokens) // 2
    at = 0
    for chunk, _, found in _read(generator, tokens, CHUNK_TOKENS, on_progress):
        memory = np.concatenate([_memory(values)[0] for values in found.layers], 1)  # (T, U)
        places = np.arange(at, at + len(chunk))
        for half, sums in enumerate(halves):
            rows = np.isin(places + 1, ends) & ((places < middle) == (half == 0))
            sums.add(there[np.searchsorted(ends, places[rows] + 1)], memory[rows])
        at += len(chunk)
    first, second = (sums.correlations() for sums in halves)  # (K, U)
    followers = []
    for row, name in enumerate(FEATURES):
        if np.isfinite(first[row] + second[row]).all():
            unit = int(np.abs(first[row]).argmax())
            found_there, chosen_by = float(second[row, unit]), float(first[row, unit])
            followers.append(Follower(name, *divmod(unit, size), found_there, chosen_by))
    return sorted(followers, key=lambda follower: -abs(follower.correlation))


class _Sums:
    """Of what correlations are made, between K features and U cells, in one pass."""

    def __init__(self, features: int, cells: int) -> None:
        self._count = 0
        self._x, self._xx = np.zeros(features), np.zeros(features)
        self._y, self._yy = np.zeros(cells), np.zeros(cells)
        self._xy = np.zeros((features, cells))

    def add(self, x: Floats, y: npt.NDArray[np.float32]) -> None:
        """Take in (N, K) features and the (N, U) cells beside them."""
        y = y.astype(np.float64)  # in float32 the squares of a saturated cell lose its variance
        self._count += len(x)
        self._x += x.sum(0)
        self._xx += (x * x).sum(0)
        self._y += y.sum(0)
        self._yy += (y * y).sum(0)
        self._xy += x.T @ y

    def correlations(self) -> Floats:
        """Pearson's, (K, U); 0 for a cell that never moves, nan for a feature that never does."""
        count = max(1, self._count)
        covariance = self._xy / count - np.outer(self._x, self._y) / count**2
        x = np.sqrt(np.maximum(self._xx / count - (self._x / count) ** 2, 0))
        y = np.sqrt(np.maximum(self._yy / count - (self._y / count) ** 2, 0))
        x[x < 1e-9] = np.nan
        found: Floats = np.where(y > 1e-9, covariance / (x[:, None] * np.maximum(y, 1e-9)), 0.0)
        found[np.isnan(x)] = np.nan
        return found


# -- reading ----------------------------------------------------------------------------------


def lines_as_documents(generator: TextGenerator, tokens: Tokens) -> Tokens:
    """The tokens of a text as the network knows such: where lines are documents, each ends with the
    end of the document."""
    if not generator.lines_are_documents:
        return tokens
    tokenizer = generator.tokenizer
    newlines = [token for token, piece in enumerate(tokenizer.pieces) if piece == b"\n"]
    return np.where(np.isin(tokens, newlines), tokenizer.end, tokens)


def _read(
    generator: TextGenerator, tokens: Tokens, at_once: int, on_progress: OnShare
) -> Iterator[tuple[Tokens, Tensor, Trace]]:
    """Some tokens after others, the (1, T, H) output that foretold them, and what they did."""
    model, device = generator.model, generator.model.head.weight.device
    begin = torch.tensor([[generator.tokenizer.end]], device=device)
    x, state = model.read(begin, model.initial_state(1))
    for at in range(0, len(tokens), at_once):
        chunk = tokens[at : at + at_once]
        found = trace(model, torch.from_numpy(chunk[None]).to(device), state)
        yield chunk, torch.cat([x, found.output[:, :-1]], dim=1), found
        x, state = found.output[:, -1:], found.state
        on_progress(min(1.0, (at + len(chunk)) / len(tokens)))


def _parts(tokenizer: Tokenizer, tokens: Tokens) -> list[tuple[int, int, str]]:
    """The tokens that spell whole characters together: first, first of the next, their text."""
    decoder = StreamDecoder(tokenizer)
    parts, begin, text = [], 0, ""
    for place, token in enumerate(tokens.tolist(), start=1):
        text += "\n" if token == tokenizer.end else decoder.feed(token)
        if not decoder.inside_character:
            parts.append((begin, place, text))
            begin, text = place, ""
    return parts


def _memory(values: dict[str, Tensor]) -> npt.NDArray[np.float32]:
    """What a layer remembers, between -1 and 1 but for ReLU: (B, T, H)."""
    memory = values["cell"].tanh() if "cell" in values else values["hidden"]
    found: npt.NDArray[np.float32] = memory.cpu().numpy()
    return found


def _probed(found: Trace, probe: Probe) -> Floats:
    """The values of a probe, (T,)."""
    values = found.layers[probe.layer]
    column = _memory(values) if probe.gate is None else values[probe.gate].cpu().numpy()
    column = column[0].astype(np.float64)  # (T, H)
    of_unit: Floats = column.mean(1) if probe.unit is None else column[:, probe.unit]
    return of_unit
