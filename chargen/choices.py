"""Choose among given ways to go on: how likely is each, against the others and by itself?

A choice is joined to the prompt as it is, and both are cut into tokens together, as a text is.

Shapes: B choices, T tokens of the longest, V vocabulary, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile

import numpy as np
import torch

from chargen.engine import read_tokens
from chargen.errors import ConfigError
from chargen.model import LanguageModel
from chargen.tokenizer import Tokenizer

ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Choice:
    """A way to go on from a prompt.

    `logprob` is in nats, of its `tokens`; where a token reaches from the prompt into the choice, it
    is one of them. `probability` is the share of the choice among all; `rank_per_token` its place
    by `logprob_per_token`, where a long choice is at no disadvantage.
    """

    prompt: str
    choice: str
    probability: float
    logprob: float
    logprob_per_token: float
    tokens: tuple[int, ...]
    rank: int
    rank_per_token: int

    def as_dict(self) -> dict[str, object]:
        """As `chargen sample --choices --json` prints it."""
        return asdict(self)


@torch.inference_mode()
def choose(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, choices: Sequence[str]
) -> list[Choice]:
    """The choices, the likeliest first. Raises ConfigError where there are none, or an empty one,
    or one twice; TokenizerError."""
    if not choices or not all(choices):
        raise ConfigError("`choices` must not be empty", hint="as in --choices ' red, green'")
    if len(set(choices)) < len(choices):
        raise ConfigError("`choices` must differ from each other")
    whole = [tokenizer.encode(prompt + choice) for choice in choices]
    together = zip(tokenizer.encode(prompt), *whole, strict=False)
    shared = sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, together))
    rows = [tokens[shared:] for tokens in whole]
    head = np.array([tokenizer.end, *whole[0][:shared]])
    x, state = read_tokens(model, head, model.initial_state(1))  # (1, H)
    totals: list[float] = []
    for at in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[at : at + ROWS_AT_ONCE]
        longest = max(map(len, some))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in some])  # (B, T)
        padded = padded.to(model.head.weight.device)
        states = state.select(torch.zeros(len(some), dtype=torch.int64, device=padded.device))
        tops = x.expand(len(some), 1, -1)  # (B, 1, H): what the first of them is predicted from
        if longest > 1:
            tops = torch.cat([tops, model.read(padded[:, :-1], states)[0]], dim=1)  # (B, T, H)
        logprobs = model.read_out(tops).float().cpu().double().log_softmax(dim=-1)  # (B, T, V)
        costs = logprobs.gather(-1, padded.cpu()[..., None])[..., 0].tolist()
        totals += [sum(row[: len(tokens)]) for row, tokens in zip(costs, some, strict=True)]
    shares = torch.tensor(totals, dtype=torch.double).softmax(dim=0).tolist()
    per_token = [total / len(tokens) for total, tokens in zip(totals, rows, strict=True)]
    order = sorted(range(len(rows)), key=lambda index: -totals[index])
    by_token = sorted(range(len(rows)), key=lambda index: -per_token[index])
    return [
        Choice(
            prompt, choices[index], shares[index], totals[index], per_token[index],
            tuple(rows[index]), rank, by_token.index(index) + 1,
        )
        for rank, index in enumerate(order, start=1)
    ]  # fmt: skip
