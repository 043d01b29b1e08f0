"""What a text does to a network: what surprised it, and what each cell and gate did.

    text -> trace, in chunks -> surprisal, probed values, gates in use -> views to colour it by

Shapes: P parts of a text (a token each, or the tokens of one character), T tokens, K probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chargen.config import ModelConfig
from chargen.errors import CheckpointError, CorpusError
from chargen.evaluation.surprisal import Surprisal, TokenProbability
from chargen.generation.generator import TextGenerator
from chargen.insight.reading import (
    CHUNK_TOKENS,
    Floats,
    memory_of,
    parts_of,
    read_traces,
    tokens_of,
)
from chargen.nn.cells import GATE_NAMES
from chargen.nn.softmax import log_probabilities, logprobs_of
from chargen.nn.trace import Trace
from chargen.progress import OnShare, no_progress
from chargen.reprs import FULL_SURPRISE, quoted
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import spelled

MAX_LOGITS = 1 << 22  # that are computed at once: memory does not grow with the vocabulary
OPEN, SHUT = 0.9, 0.1  # a gate beyond these is saturated (Karpathy et al. 2015)


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

    def __repr__(self) -> str:
        return f"<View of {self.title}, {self.unit}: {len(self.values):,} values>"

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
class Inspection:
    """A text as a network read it: its `parts` with their surprise, `views` of it (the first is the
    surprise, in bits), and how the `gates` were used."""

    parts: tuple[Surprisal, ...]
    views: tuple[View, ...]  # the first is the surprise, in bits
    gates: tuple[GateUse, ...]

    def __repr__(self) -> str:
        return f"<Inspection of {quoted(self.text)}>"

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
    """Read a text from its beginning: what each part cost and the `top` most likely there, and
    after it the value of each probe; its `titles` are the probes' names unless given.

    The memory of a cell is tanh(c) in an LSTM, h in other cells. Raises TokenizerError;
    CheckpointError where the network has no such cell or gate; CorpusError where the text is empty.
    """
    model, tokenizer = generator.model, generator.tokenizer
    for probe in probes:
        check_probe(model.config, probe)
    tokenizer.check(text)
    tokens = tokens_of(generator, text)
    if not len(tokens):
        raise CorpusError("the text is empty", hint="there is nothing to inspect")
    gates = [
        (layer, gate)
        for layer in range(model.config.num_layers)
        for gate in GATE_NAMES[model.config.cell]
    ]
    use = np.zeros((len(gates), 3))  # sums of the value, of open and of shut
    nats: list[Floats] = []
    most_likely: list[tuple[TokenProbability, ...]] = []
    values: list[Floats] = []
    at_once = min(CHUNK_TOKENS, max(1, MAX_LOGITS // model.vocab_size))
    for chunk, foretelling, found in read_traces(generator, tokens, at_once, on_progress):
        logprobs = log_probabilities(model.output_logits(foretelling)[0].cpu().numpy())  # (T, V)
        nats.append(-logprobs_of(logprobs, chunk))
        best = np.argsort(-logprobs, axis=-1, kind="stable")[:, :top]
        chances_of = np.exp(np.take_along_axis(logprobs, best, axis=-1))
        for ids, chances in zip(best.tolist(), chances_of.tolist(), strict=True):
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
    spans = parts_of(tokenizer, tokens)
    costs_of_tokens, begins = np.concatenate(nats), [begin for begin, _, _ in spans]
    cost = np.add.reduceat(costs_of_tokens, begins)  # (P,)
    parts = tuple(
        Surprisal(part, float(nat), most_likely[begin])
        for (begin, _, part), nat in zip(spans, cost, strict=True)
    )
    after = np.concatenate(values)[[end - 1 for _, end, _ in spans]]  # (P, K)
    names = [probe.name for probe in probes] if titles is None else titles
    bits = cost / NATS_PER_BIT
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
    if probe.gate is not None and probe.gate not in GATE_NAMES[config.cell]:
        gates = ", ".join(GATE_NAMES[config.cell])
        raise CheckpointError(
            f"the cells of {'an' if config.cell in ('lstm', 'rnn') else 'a'} {config.cell} have no "
            f"{probe.gate} gate",
            hint=f"they have {gates}" if gates else "they have no gates at all",
        )


def _probed(found: Trace, probe: Probe) -> Floats:
    """The values of a probe, (T,)."""
    values = found.layers[probe.layer]
    column = memory_of(values) if probe.gate is None else values[probe.gate].cpu().numpy()
    column = column[0].astype(np.float64)  # (T, H)
    of_unit: Floats = column.mean(1) if probe.unit is None else column[:, probe.unit]
    return of_unit
