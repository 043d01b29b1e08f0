"""The score of a split while a model trains: fast, on its device, with carried state.

Shapes: B streams, T tokens read at once, N of a step's tokens, V vocabulary, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from chargen.data.documents import EncodedText
from chargen.data.shards import Ids, Shards
from chargen.nn.model import LanguageModel, State
from chargen.runtime.precision import autocast
from chargen.scoring.scores import NOTHING, Nats, Score, score_of
from chargen.tokenizers.base import Tokenizer, Tokens

MAX_LOGITS = 1 << 24  # that are computed at once: memory does not grow with the vocabulary
# A text is read as so many streams side by side, each of which first reads, uncounted, some of what
# stands before it: the state has then all but forgotten that it began in the middle.
VALIDATION_STREAMS = 32
VALIDATION_BURN_IN = 128


def validate(
    model: LanguageModel, tokenizer: Tokenizer, tokens: Shards | Ids, limit: int | None = None
) -> Score:
    """The score of a split, or of its first `limit` tokens: fast, with carried state.

    The split is read as it was in training, end-of-document tokens included, though what they cost
    is not counted.
    """
    return sum(validation(model, tokenizer, tokens, limit), NOTHING)


@torch.inference_mode()
def validation(
    model: LanguageModel, tokenizer: Tokenizer, tokens: Shards | Ids, limit: int | None = None
) -> Iterator[Score]:
    """`validate` part by part: it may take long, and can be left between any two."""
    total = len(tokens) if limit is None else min(limit, len(tokens))
    length = max(-(-total // VALIDATION_STREAMS), VALIDATION_BURN_IN)
    starts = np.arange(0, total, length)
    state = model.initial_state(len(starts))
    for at in range(0, VALIDATION_BURN_IN + length, VALIDATION_BURN_IN):
        columns = np.arange(at, min(at + VALIDATION_BURN_IN, VALIDATION_BURN_IN + length) + 1)
        places = starts[:, None] + columns - VALIDATION_BURN_IN - 1
        rows = tokens[np.clip(places, 0, total - 1)].astype(np.int64)  # (B, T + 1)
        rows[(places < 0) | (places >= total)] = tokenizer.end  # beyond the text
        nats, state = _nats(model, rows[:, :-1], rows[:, 1:], state)
        if at == 0:
            state = state.reset(torch.arange(len(starts), device=model.head.weight.device) == 0)
        else:
            targets, costs = rows[:, 1:].ravel(), nats.ravel()
            spells = targets != tokenizer.end
            yield score_of(EncodedText.spelled(targets[spells], tokenizer), costs[spells])


def _nats(
    model: LanguageModel, inputs: Tokens, targets: Tokens, state: State
) -> tuple[Nats, State]:
    """What each target costs, in nats, (B, T), and the state after them."""
    device = model.head.weight.device
    expected = torch.from_numpy(targets.ravel()).to(device)
    nats = []
    with autocast(device):
        x, state = model.read(torch.from_numpy(inputs).to(device), state)  # (B, T, H)
        x = x.flatten(0, 1)[None]  # (1, B * T, H)
        at_once = max(1, MAX_LOGITS // model.vocab_size)
        for at in range(0, len(expected), at_once):
            logits = model.output_logits(x[:, at : at + at_once])[0].float()  # (N, V)
            nats.append(F.cross_entropy(logits, expected[at : at + at_once], reduction="none"))
    return torch.cat(nats).cpu().double().numpy().reshape(targets.shape), state
