"""What the tokens of a prompt cost, as somebody asks who has the prompt echoed with its scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chargen.generation.batch import TokenScore, most_likely
from chargen.nn.engine import Engine, initial_state
from chargen.nn.softmax import log_probabilities
from chargen.tokenizers.base import Tokens

MAX_LOGITS = 1 << 16  # that are computed at once: others wait


def score_prompt(engine: Engine, tokens: Tokens, num_top: int) -> Iterator[list[TokenScore]]:
    """The scores of (N,) tokens in parts, which are read one by one: of all but the first, which
    is what a document begins after. With each come so many of the most likely tokens."""
    state = initial_state(engine.config)
    step = max(1, MAX_LOGITS // engine.vocab_size)
    for at in range(0, len(tokens) - 1, step):
        targets = tokens[at + 1 : at + 1 + step]
        outputs, state = engine.read(tokens[None, at : at + len(targets)], state)  # (1, T, H)
        logprobs = log_probabilities(engine.output_logits(outputs[0]))  # (T, V)
        costs = logprobs[np.arange(len(targets)), targets].tolist()
        rows = zip(targets.tolist(), costs, logprobs, strict=True)
        yield [
            TokenScore(token, cost, most_likely(row, num_top, token)) for token, cost, row in rows
        ]
