"""Choose among given ways to go on: how likely is each, against the others and by itself?

A choice is joined to the prompt as it is, and both are cut into tokens together, as a text is. It
may be asked for as the beginning of whatever comes, or as all that comes: then the document ends.

Shapes: B choices, T tokens of the longest, V vocabulary, H hidden, P parts of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from chargen.errors import ConfigError, named
from chargen.generation.healing import spell
from chargen.nn.engine import Engine, Floats, State, initial_state, read_tokens
from chargen.nn.softmax import log_probabilities, logprobs_of, softmax
from chargen.tokenizers.base import Tokenizer, Tokens

ROWS_AT_ONCE = 256
MAX_LOGITS = 1 << 20  # that are computed at once: memory does not grow with the choices


@dataclass(frozen=True)
class Choice:
    """One of several continuations of a prompt, and how likely it is.

    `logprob` is the log probability of the choice after the prompt, in nats; `tokens` are those
    that spell it. `probability` is its share among all choices, `rank` its place by that, from 1;
    `rank_per_token` is its place by `logprob_per_token`, which is fair to long choices.
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


def choose(
    engine: Engine,
    tokenizer: Tokenizer,
    prompt: str,
    choices: Sequence[str],
    *,
    ends: bool = False,
) -> list[Choice]:
    """The choices, the most likely first; where it `ends`, the end of the document is the last
    token of each. Raises ConfigError where there are none, or an empty one, or one twice;
    TokenizerError."""
    if isinstance(choices, str) or not choices or not all(choices):
        raise ConfigError(named("choices") + " must not be empty", hint="give a list of texts")
    if len(set(choices)) < len(choices):
        raise ConfigError(named("choices") + " must differ from each other")
    for text in (prompt, *choices):
        tokenizer.check(text)
    before = tokenizer.encode_array(prompt)
    rows, shared = _endings(tokenizer, prompt, before, choices)
    if ends:
        rows = [np.append(row, tokenizer.end) for row in rows]
    head = np.concatenate([[tokenizer.end], before[:shared]])
    x, state = read_tokens(engine, head, initial_state(engine.config))  # (1, H)
    totals: list[float] = []
    for at in range(0, len(rows), ROWS_AT_ONCE):
        totals += _logprobs(engine, rows[at : at + ROWS_AT_ONCE], x, state)
    # What is not shared of the prompt was given all the same, whatever tokens spell it.
    given = b"".join(tokenizer.pieces[token] for token in before[shared:])
    if given:
        cost = spell(engine, tokenizer, given, engine.output_logits(x), state).logprob
        totals = [total - cost for total in totals]
    rows = [_beyond(tokenizer, row, len(given)) for row in rows]
    shares = softmax(np.array(totals)).tolist()
    per_token = [total / len(tokens) for total, tokens in zip(totals, rows, strict=True)]
    order = sorted(range(len(rows)), key=lambda index: -totals[index])
    by_token = sorted(range(len(rows)), key=lambda index: -per_token[index])
    return [
        Choice(
            prompt,
            choices[index],
            shares[index],
            totals[index],
            per_token[index],
            tuple(rows[index].tolist()),
            rank,
            by_token.index(index) + 1,
        )
        for rank, index in enumerate(order, start=1)
    ]


def _endings(
    tokenizer: Tokenizer, prompt: str, before: Tokens, choices: Sequence[str]
) -> tuple[list[Tokens], int]:
    """The tokens of prompt and choice, for each, after the first so many that all of them share
    with those of the prompt alone, `before`."""
    endings: list[tuple[int, Tokens]] = []  # where each begins, and its tokens
    for choice in choices:
        whole = tokenizer.encode_array(prompt + choice)
        length = min(len(whole), len(before))
        [different] = np.nonzero(whole[:length] != before[:length])
        begins = int(different[0]) if len(different) else length
        endings.append((begins, whole[begins:]))
    shared = min(begins for begins, _ in endings)
    return [np.concatenate([before[shared:begins], rest]) for begins, rest in endings], shared


def _beyond(tokenizer: Tokenizer, tokens: Tokens, given: int) -> Tokens:
    """The tokens that spell any more than the first bytes, which are given."""
    ends = tokenizer.byte_lengths[tokens].cumsum()
    return tokens[ends > given]


def _logprobs(engine: Engine, rows: list[Tokens], x: Floats, state: State) -> list[float]:
    """What each row of tokens costs in all, after a (1, P, H) `state` and output `x`, (1, H)."""
    longest = max(map(len, rows))
    tokens = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])  # (B, T)
    state = np.repeat(state, len(rows), axis=0)
    # What the first of the tokens is predicted from: (B, 1, H).
    top = np.repeat(x[:, None], len(rows), axis=0)
    costs = []
    step = max(1, MAX_LOGITS // (len(rows) * engine.vocab_size))
    for at in range(0, longest, step):
        chunk = tokens[:, at : at + step]  # (B, T)
        tops, state = engine.read(chunk, state)  # (B, T, H)
        logits = engine.output_logits(np.concatenate([top, tops[:, :-1]], axis=1))  # (B, T, V)
        costs.append(logprobs_of(log_probabilities(logits), chunk))
        top = tops[:, -1:]
    totals = np.concatenate(costs, axis=1).tolist()
    return [sum(row[: len(tokens)]) for row, tokens in zip(totals, rows, strict=True)]
