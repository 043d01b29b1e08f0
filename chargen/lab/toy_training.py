"""Train a small network on batches that are made as it goes. Knows nothing of what they mean.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from chargen.config import ModelConfig, TrainConfig
from chargen.nn.model import LanguageModel
from chargen.progress import OnShare, no_progress
from chargen.scoring.units import NATS_PER_BIT
from chargen.training.optimizer import learning_rate_factor, make_optimizer

LEARNING_RATE = 0.005
ROWS = 32
LENGTH = 64  # tokens in a row of a batch of text
IGNORE_INDEX = -100  # a target that is not counted: torch's own default in cross_entropy

Batch = tuple[Tensor, Tensor]  # tokens and targets, (B, T) int64 each


@dataclass(frozen=True)
class TrainingCurve:
    """What happened at each step: the loss in nats per target, the norm of the gradient before it
    was clipped. Both end with the first that is not finite."""

    losses: tuple[float, ...]
    norms: tuple[float, ...]

    @property
    def diverged(self) -> bool:
        return not (math.isfinite(self.losses[-1]) and math.isfinite(self.norms[-1]))

    def smoothed_bits(self, width: int = 10) -> list[float]:
        """The losses in bits, each the mean of itself and up to `width` - 1 before it."""
        bits = [loss / NATS_PER_BIT for loss in self.losses]
        return [statistics.fmean(bits[max(0, at - width + 1) : at + 1]) for at in range(len(bits))]


@contextmanager
def reproducible() -> Iterator[None]:
    """Within it one thread computes: networks so small gain nothing by a second, lose much where
    another process wants the core, and add up the same on any number of cores. torch's threads and
    random state are afterwards what they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


class CharVocab:
    """The characters of a text and their numbers."""

    def __init__(self, text: str) -> None:
        self.characters = "".join(sorted(set(text)))
        self._token_of = {character: token for token, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Tensor:
        """(N,) int64. Raises KeyError on a character that is not there."""
        return torch.tensor([self._token_of[character] for character in text])

    def decode(self, tokens: Tensor) -> str:
        return "".join(self.characters[token] for token in tokens.tolist())


def make_network(
    cell: str,
    vocab_size: int,
    *,
    seed: int,
    hidden_size: int,
    embedding_size: int = 16,
    dropout: float = 0.0,
) -> LanguageModel:
    """One layer of `cell`: lstm, gru, rnn or rnn relu. The weights are those of the seed."""
    name, _, nonlinearity = cell.partition(" ")
    config = ModelConfig(
        cell=name,
        nonlinearity=nonlinearity or "tanh",
        hidden_size=hidden_size,
        num_layers=1,
        embedding_size=embedding_size,
        dropout=dropout,
        weight_dropout=0.0,
    )
    torch.manual_seed(seed)
    return LanguageModel(config, vocab_size)


def random_windows(
    tokens: Tensor, random: torch.Generator, rows: int, length: int, starts: Tensor | None = None
) -> Batch:
    """Windows of a text (N,) and what follows each token, (rows, length) each: they begin
    anywhere, or at one of `starts`."""
    last = len(tokens) - length - 1
    if starts is None:
        begin = torch.randint(last + 1, (rows,), generator=random)
    else:
        fitting = starts[starts <= last]
        begin = fitting[torch.randint(len(fitting), (rows,), generator=random)]
    places = begin[:, None] + torch.arange(length + 1)  # (rows, length + 1)
    windows = tokens[places]
    return windows[:, :-1], windows[:, 1:]


def train_toy(
    model: LanguageModel,
    batch: Callable[[int], Batch],
    steps: int,
    *,
    learning_rate: float,
    clip: float = 1.0,
    bptt: int | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    on_share: OnShare = no_progress,
) -> TrainingCurve:
    """Train on `batch(step)` for so many steps, the learning rate as chargen's training has it.

    The gradient goes back `bptt` tokens from where it begins, the state is carried on (Williams
    and Peng 1990); None is the whole row. The optimizer is AdamW unless given. It ends early where
    the loss or its gradient is not finite.
    """
    optimizer = optimizer or make_optimizer(model, TrainConfig(weight_decay=0.01))
    losses, norms = [], []
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * learning_rate_factor((step + 1) / (steps + 1), 0.05)
        tokens, targets = batch(step)
        optimizer.zero_grad(set_to_none=True)
        losses.append(_backward(model, tokens, targets, bptt))
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip)))
        on_share((step + 1) / steps)
        if not (math.isfinite(losses[-1]) and math.isfinite(norms[-1])):
            break
        optimizer.step()
    model.eval()
    return TrainingCurve(tuple(losses), tuple(norms))


def train_on_text(
    model: LanguageModel,
    tokens: Tensor,
    seed: int,
    steps: int,
    on_share: OnShare,
    *,
    length: int = LENGTH,
    starts: Tensor | None = None,
) -> TrainingCurve:
    """Train on windows of a text (N,), which begin anywhere or at one of `starts`."""
    random = torch.Generator().manual_seed(seed)
    return train_toy(
        model,
        lambda step: random_windows(tokens, random, ROWS, length, starts),
        steps,
        learning_rate=LEARNING_RATE,
        on_share=on_share,
    )


def train_memoryless(
    model: LanguageModel, tokens: Tensor, seed: int, steps: int, on_share: OnShare
) -> TrainingCurve:
    """`train_on_text`, each letter a row of its own, so that the state never holds another one."""
    random = torch.Generator().manual_seed(seed)

    def batch(step: int) -> Batch:
        rows, targets = random_windows(tokens, random, ROWS, LENGTH)
        return rows.reshape(-1, 1), targets.reshape(-1, 1)

    return train_toy(model, batch, steps, learning_rate=2 * LEARNING_RATE, on_share=on_share)


def _backward(model: LanguageModel, tokens: Tensor, targets: Tensor, bptt: int | None) -> float:
    """Add the gradient of the mean loss over the targets that are asked; the loss."""
    length = tokens.shape[1]
    asked = int((targets != IGNORE_INDEX).sum())
    state = model.initial_state(len(tokens))
    bptt = bptt or length
    # Cut from the end, so that what is asked there is seen with the whole bptt.
    first = length % bptt
    cuts = [*([first] if first else []), *range(first + bptt, length + 1, bptt)]
    total, begin = 0.0, 0
    for end in cuts:
        expected = targets[:, begin:end]
        wanted = bool((expected != IGNORE_INDEX).any())
        with torch.set_grad_enabled(wanted):
            x, state = model.read(tokens[:, begin:end], state)  # (B, T, H)
            if wanted:
                places = expected != IGNORE_INDEX
                logits = model.output_logits(x)[places]  # (N, V)
                loss = F.cross_entropy(logits, expected[places], reduction="sum") / asked
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
        state, begin = state.detach(), end
    return total
