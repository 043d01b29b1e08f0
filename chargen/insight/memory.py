"""How far back a model looks: its loss by how much it has read, and how far its gradient reaches.

Shapes: N tokens of a text, R rows, W targets of a row, H hidden.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from chargen.errors import CorpusError, named
from chargen.insight.charts import Chart, Line
from chargen.insight.reading import Floats
from chargen.nn.model import LanguageModel
from chargen.nn.trace import unroll
from chargen.progress import OnShare, no_progress, share_of
from chargen.runtime.precision import autocast
from chargen.tokenizers.base import Tokens

TARGETS = 8192  # tokens of a text whose loss is measured, with every context the same
SLACK = 16  # a context of n tokens may be longer by a share of this, so that rows can be shared
ROWS = 64  # places from which the gradient is sent back
BURN_IN = 128  # tokens that are read before the gradient's way begins
NUMBERS_AT_ONCE = 1 << 24  # of each kind that a pass computes: memory does not grow with the text
MIN_DRAWN = 1e-9  # of a gradient's norm: less is nothing to a weight


@dataclass(frozen=True)
class MemoryCurves:
    """How far back a model looks, measured on some text.

    `loss` is in nats per token, over the same tokens for each of the `contexts`, which are counted
    in tokens that the state had seen. `gradient_norm` is the mean of ||dL_t / dh_(t-k)||, nats
    per unit of h, for each k of `distances`, in tokens; `cell_gradient_norm` that of the cell c of
    an LSTM, None for other cells.
    """

    contexts: tuple[int, ...]
    loss: tuple[float, ...]
    distances: tuple[int, ...]
    gradient_norm: tuple[float, ...]
    cell_gradient_norm: tuple[float, ...] | None

    def __repr__(self) -> str:
        context, distance = self.contexts[-1], self.distances[-1]
        return f"<MemoryCurves: contexts to {context:,} tokens, distances to {distance:,}>"

    def as_dict(self) -> dict[str, object]:
        """As `chargen inspect --memory --json` prints it."""
        return {
            "contexts": list(self.contexts),
            "loss": list(self.loss),
            "distances": list(self.distances),
            "gradient_norm": list(self.gradient_norm),
            "cell_gradient_norm": self.cell_gradient_norm and list(self.cell_gradient_norm),
        }


def needed_tokens(longest_context: int, longest_distance: int) -> int:
    """How many tokens a text must hold at least."""
    return max(longest_context + _width(longest_context), longest_distance + BURN_IN + 2)


def measure(
    model: LanguageModel,
    tokens: npt.NDArray[np.integer],
    *,
    end: int,
    longest_context: int,
    longest_distance: int,
    on_progress: OnShare = no_progress,
) -> MemoryCurves:
    """Both curves over (N,) tokens of a text: contexts of 1, 2, 4 ... tokens and the longest,
    distances from 0 to the longest. `on_progress` gets the share that is done.

    Raises CorpusError where the text is too short.
    """
    needed = needed_tokens(longest_context, longest_distance)
    if len(tokens) < needed:
        raise CorpusError(
            f"the text is too short, {len(tokens):,} tokens: a context of {longest_context:,} and "
            f"a distance of {longest_distance:,} take {needed:,}",
            hint="give a longer text, or lower " + named("max_context", "max_distance"),
        )
    if (tokens == end).all():
        raise CorpusError("the text is empty", hint="there is nothing to predict")
    powers = (1 << power for power in range(longest_context.bit_length()))
    contexts = tuple(sorted({*powers, longest_context}))
    loss = context_loss(model, tokens, contexts, end=end, on_progress=share_of(on_progress, 0, 0.7))
    h, c = gradient_norms(
        model,
        tokens,
        longest_distance,
        end=end,
        on_progress=share_of(on_progress, 0.7, 1),
    )
    distances = tuple(range(longest_distance + 1))
    return MemoryCurves(
        contexts,
        tuple(loss.tolist()),
        distances,
        tuple(h.tolist()),
        None if c is None else tuple(c.tolist()),
    )


def charts(names: Sequence[str], horizons: Sequence[MemoryCurves]) -> list[Chart]:
    """Both curves of several models, by their names."""
    pairs = list(zip(names, horizons, strict=True))
    loss = [Line(name, h.contexts, h.loss) for name, h in pairs]
    # An axis of powers has no place for a distance of 0.
    norms = [
        Line(
            name,
            h.distances[1:],
            [n if n >= MIN_DRAWN else math.nan for n in h.gradient_norm[1:]],
        )
        for name, h in pairs
    ]
    return [
        Chart("loss by context", "context, tokens", "loss, nats per token", loss, log_x=True),
        Chart(
            "gradient by distance",
            "distance back, tokens",
            "||dL_t / dh_(t-k)||",
            norms,
            log_x=True,
            log_y=True,
        ),
    ]


@torch.inference_mode()
def context_loss(
    model: LanguageModel,
    tokens: npt.NDArray[np.integer],
    contexts: Sequence[int],
    *,
    end: int,
    on_progress: OnShare = no_progress,
) -> Floats:
    """The mean loss, in nats per token, at some tokens of a text when the state has read so many
    before each from zeros, for each of the contexts, the same tokens for all (Khandelwal et al.
    2018). Ends of documents are read but not counted.

    A context n of 32 or more is n to n + n / 16 tokens: that many targets share a row.
    """
    longest = max(contexts)
    block = _width(longest)  # targets that stand side by side in the text
    blocks = min(TARGETS // block, (len(tokens) - longest) // block)
    first = np.linspace(longest, len(tokens) - block, blocks).astype(np.int64)
    losses, done = [], 0
    work = sum(_row(n) * (block // _width(n)) for n in contexts) * blocks
    for n in contexts:
        width = _width(n)
        starts = (first[:, None] + np.arange(0, block, width)).ravel()  # the first target of each
        length = _row(n)
        numbers = max(length * model.config.hidden_size, model.vocab_size)
        at_once = max(1, NUMBERS_AT_ONCE // numbers)
        nats, counted = 0.0, 0
        for at in range(0, len(starts), at_once):
            places = starts[at : at + at_once, None] - n + np.arange(length + 1)  # (R, n + W)
            row = tokens[places].astype(np.int64)
            nats_of = _last_nats(model, row, width, end)  # (R, W)
            counts = row[:, -width:] != end
            nats += float(nats_of[counts].sum())
            counted += int(counts.sum())
            done += len(places) * length
            on_progress(done / work)
        losses.append(nats / counted if counted else np.nan)
    return np.array(losses)


def gradient_norms(
    model: LanguageModel,
    tokens: npt.NDArray[np.integer],
    longest: int,
    *,
    end: int | None = None,
    on_progress: OnShare = no_progress,
) -> tuple[Floats, Floats | None]:
    """||dL_t / dh_(t-k)|| for k from 0 to the longest, (K,), mean over places t of a text; and of
    the cell, ||dL_t / dc_(t-k)||, in an LSTM.

    L_t is the loss, in nats, of the token that follows token t; h_(t-k) all layers' output after
    token t - k, whatever reads it (Hochreiter 1991; Bengio et al. 1994). The `end` of a
    document is no target, unless there is no other.
    """
    # What has gone far is so small that float32 knows it no more.
    model = copy.deepcopy(model).cpu().double().eval()
    parts = ("hidden", "cell") if model.config.cell == "lstm" else ("hidden",)
    sums = {part: np.zeros(longest + 1) for part in parts}
    width = BURN_IN + longest + 1
    targets = np.arange(width, len(tokens))  # their places
    if end is not None and (tokens[width:] != end).any():
        targets = targets[tokens[width:] != end]
    starts = targets[np.linspace(0, len(targets) - 1, ROWS).astype(np.int64)] - width
    numbers = longest * model.config.num_layers * model.config.hidden_size
    at_once = max(1, NUMBERS_AT_ONCE // (8 * numbers))
    for at in range(0, ROWS, at_once):
        places = starts[at : at + at_once, None] + np.arange(width + 1)
        rows = torch.from_numpy(tokens[places].astype(np.int64))  # (R, BURN_IN + K + 1)
        state = model.initial_state(len(rows))
        with torch.no_grad():
            before = rows[:, :BURN_IN]
            if end is None:
                _, state = model.read(before, state)
            else:
                _, state = model.read_documents(before, state, end)
        layers, output = unroll(model, rows[:, BURN_IN:-1], state, end)
        loss = F.cross_entropy(model.output_logits(output[:, -1]), rows[:, -1], reduction="sum")
        nodes = [step[part] for part in parts for steps in layers for step in steps]
        gradients = torch.stack(torch.autograd.grad(loss, nodes))
        norms = gradients.view(len(parts), len(layers), longest + 1, len(rows), -1)
        norms = norms.square().sum(dim=(1, 4)).sqrt()  # (parts, K, R), over all layers
        for part, sum_of_rows in zip(parts, norms.sum(dim=2).flip(1), strict=True):
            sums[part] += sum_of_rows.numpy()
        on_progress(min(1.0, (at + at_once) / ROWS))
    return sums["hidden"] / ROWS, sums["cell"] / ROWS if "cell" in sums else None


def _width(context: int) -> int:
    """How many targets share a row, each with one token of context more: a power of 2, so that a
    block of the longest context's is cut without a rest for all others."""
    return 1 << (min(TARGETS, max(1, context // SLACK)).bit_length() - 1)


def _row(context: int) -> int:
    """How many tokens are read for a row."""
    return context + _width(context) - 1


def _last_nats(model: LanguageModel, rows: Tokens, width: int, end: int) -> Floats:
    """What the last W tokens of (R, T + 1) rows cost, in nats, each row read from zeros."""
    device = model.head.weight.device
    inputs = torch.from_numpy(rows[:, :-1]).to(device)
    targets = torch.from_numpy(rows[:, -width:]).to(device)
    with autocast(device):
        x, _ = model.read_documents(inputs, model.initial_state(len(rows)), end)  # (R, T, H)
        costs = []
        at_once = max(1, NUMBERS_AT_ONCE // (len(rows) * model.vocab_size))
        for at in range(0, width, at_once):
            begin = x.shape[1] - width + at
            logits = model.output_logits(x[:, begin : begin + min(at_once, width - at)]).float()
            expected = targets[:, at : at + at_once]
            costs.append(F.cross_entropy(logits.transpose(1, 2), expected, reduction="none"))
    nats: Floats = torch.cat(costs, dim=1).cpu().double().numpy()
    return nats
