"""Learn from what was just read, in memory alone: dynamic evaluation (Mikolov et al. 2010).

A gradient step on each chunk of a text, every weight at a rate of its own and pulled back to where
it began (Krause et al. 2018). Knows nothing of text, files or prompts.

Shapes: B streams, N tokens of a text, T of a chunk, H hidden, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chargen.generation.sampling import UniformBuffer, sample_tokens, streams
from chargen.nn.engine import Engine, initial_state
from chargen.nn.engine import State as StateArray
from chargen.nn.fresh_engine import FreshEngine
from chargen.nn.model import LanguageModel, State
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.transfer import state_of, weights_of
from chargen.progress import OnShare, no_progress, share_of
from chargen.tokenizers.base import Tokenizer, Tokens

# Chosen on validation text and on made-up talks (benchmarks/learn.py reports on others).
RATE = 1e-3  # twice as much learns faster and spoils what a well-trained model knew
DECAY = 2e-3  # the share of the way back that each step goes
CHUNK_TOKENS = 32  # of a step: more of them learn too slowly from a line or two
PASSES = 3  # over a text that is to be remembered; one does for a long text that is read once
# No weight follows a gradient beyond so many times its usual size: a step is at most RATE times it.
MAX_SURPRISED = 10.0
# How much of its own text a model writes to find the usual size of its gradients. A quarter of it
# gave nearly the same scores.
SAMPLE_STREAMS = 8
SAMPLE_CHUNKS = 4


class DynamicEvaluator:
    """A copy of a model, `model`, that learns; the one that it was given stays as it is.

    The copy stays in eval mode: nothing is dropped, and the same texts teach it the same. It keeps
    two numbers a weight beside the given model, and three while it learns. Make a new TextGenerator
    of `model` after learning: an engine has copies of the weights.
    """

    @torch.inference_mode(False)
    def __init__(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(True)
        self._end = tokenizer.end
        self._weights: list[Tensor] = list(self.model.parameters())
        self._origin = [weight.detach() for weight in model.parameters()]
        # The root mean square gradient of each weight. Krause et al. measure it on the training
        # text; where the model writes as it was taught, its own text does as well.
        squares = _squared_gradients(self.model, self._weights, tokenizer.end)
        scales = [square.sqrt() for square in squares]
        mean = sum(float(s.sum()) for s in scales) / sum(s.numel() for s in scales)
        self._scales = [scale.add_(mean) for scale in scales]  # none is next to nothing

    @torch.inference_mode(False)
    def learn(
        self,
        tokens: Tokens,
        state: StateArray,
        passes: int = PASSES,
        on_progress: OnShare = no_progress,
    ) -> float:
        """Learn (N,) tokens that follow each other after a (1, P, H) state: the first of them is
        only read, each other predicted. Returns the mean nats per token in the first pass, each
        chunk before the step on it.

        Where a number is not finite, or there is nothing to predict, it returns nan and leaves the
        model as it was, and so does what `on_progress`, which hears how far it has come, raises.
        Memory does not grow with the text.
        """
        if len(tokens) < 2:
            return math.nan
        begun = state_of(state, self.model)
        before = [weight.detach().clone() for weight in self._weights]
        learned = False
        try:
            losses = [
                self._read_and_learn(
                    tokens, begun, share_of(on_progress, done / passes, (done + 1) / passes)
                )
                for done in range(passes)
            ]
            learned = math.isfinite(sum(losses))
        finally:
            if not learned:
                with torch.no_grad():
                    torch._foreach_copy_(self._weights, before)
        if not learned:
            return math.nan
        # What it has learned to write it may write.
        self.model.seen[torch.from_numpy(tokens[1:]).to(self.model.seen.device)] = True
        return losses[0]

    def _read_and_learn(self, tokens: Tokens, state: State, on_progress: OnShare) -> float:
        """One pass over (N,) tokens, up to the first number that is not finite: then nan."""
        device = self.model.head.weight.device
        nats = 0.0
        for at in range(0, len(tokens) - 1, CHUNK_TOKENS):
            on_progress(at / len(tokens))
            chunk = torch.from_numpy(tokens[None, at : at + CHUNK_TOKENS + 1]).to(device)
            loss, gradients, state = _gradients(self.model, self._weights, chunk, state, self._end)
            nats += loss
            torch._foreach_div_(gradients, self._scales)
            size = float(torch.stack(torch._foreach_norm(gradients)).norm())
            if not math.isfinite(loss + size):
                return math.nan
            self._step(gradients)
        return nats / (len(tokens) - 1)

    @torch.no_grad()
    def _step(self, surprises: list[Tensor]) -> None:
        """`surprises` are gradients, each in its usual size."""
        for weight, origin, step in zip(self._weights, self._origin, surprises, strict=True):
            step.clamp_(-MAX_SURPRISED, MAX_SURPRISED)
            weight.lerp_(origin, DECAY).sub_(step, alpha=RATE)


def _gradients(
    model: LanguageModel, weights: Sequence[Tensor], chunk: Tensor, state: State, end: int
) -> tuple[float, list[Tensor], State]:
    """The nats of (1, T + 1) tokens after the first, their gradients and the state after them.

    The gradient is that of the sum over CHUNK_TOKENS, so a short chunk moves weights less.
    """
    # cuDNN has no gradients in eval mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        x, state = model.read_documents(chunk[:, :-1], state, end)
        logits = model.output_logits(x)  # (1, T, V)
        nats = F.cross_entropy(logits[0].float(), chunk[0, 1:], reduction="sum")
        gradients = torch.autograd.grad(nats / CHUNK_TOKENS, weights)
    return float(nats.detach()), list(gradients), state.detach()


def _squared_gradients(model: LanguageModel, weights: Sequence[Tensor], end: int) -> list[Tensor]:
    """The mean square of each weight's gradient over chunks that the model itself writes."""
    squares = [torch.zeros_like(weight) for weight in weights]
    text = _write(model, end, SAMPLE_CHUNKS * CHUNK_TOKENS)  # (B, N)
    for row in text:
        state = model.initial_state(1)
        for at in range(0, len(row) - 1, CHUNK_TOKENS):
            chunk = row[None, at : at + CHUNK_TOKENS + 1]
            _, gradients, state = _gradients(model, weights, chunk, state, end)
            torch._foreach_addcmul_(squares, gradients, gradients)
    torch._foreach_div_(squares, float(SAMPLE_STREAMS * SAMPLE_CHUNKS))
    return squares


def _write(model: LanguageModel, end: int, length: int) -> Tensor:
    """SAMPLE_STREAMS texts of the model's own, `length` tokens after the `end` before them."""
    engine: Engine = NumpyEngine(weights_of(model))
    engine = FreshEngine(engine, end) if model.config.fresh_state else engine
    stepper = engine.start(initial_state(model.config, SAMPLE_STREAMS))
    uniforms = UniformBuffer(list(islice(streams(0), SAMPLE_STREAMS)))
    columns = [np.full(SAMPLE_STREAMS, end)]
    for _ in range(length):
        logits = np.where(engine.seen, stepper.step(columns[-1]), -np.inf)
        # Where a network overflows, any token.
        finite = np.isfinite(logits.max(axis=-1, keepdims=True))
        columns.append(sample_tokens(np.where(finite, logits, 0.0), uniforms.next()))
    return torch.from_numpy(np.stack(columns, axis=1)).to(model.head.weight.device)
