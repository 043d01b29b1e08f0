"""Go on from a prompt that ends inside a token, as if the model had been asked by characters.

A model over subwords has learned the text as its tokenizer cuts it. "strawb" cut by itself is other
tokens than the beginning of "strawberry", and the model never saw them go on "erry". So the last
word of the prompt is taken back, and all the ways are followed in which tokens can spell it; the
last token of each may go beyond the prompt. The probabilities of these `Spellings` are what the
model, asked by characters, would say (up to those among the ways that are too unlikely to be kept).

Shapes: W ways to have spelled the prompt's end short of one token, N ways with that token, P parts
of the state, H hidden, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chargen.nn.engine import Engine, Floats, State
from chargen.nn.softmax import Doubles, log_probabilities, logsumexp
from chargen.tokenizers.base import Tokenizer, Tokens

MAX_WORD_BYTES = 64  # bytes that are taken back at most: some twenty letters of Hindi
MAX_WAYS = 32  # that are followed from one place in the word


@dataclass(frozen=True)
class Spellings:
    """The ways that a text can take from a prompt, each with the one token that ends it.

    Way n has been in row `parents[n]` of `state`, then comes `tokens[n]`, whose first
    `inside[n]` bytes stand in the prompt: all of them where it ends with the prompt.
    """

    state: State  # (W, P, H)
    paths: list[tuple[int, ...]]  # of each row of it: the tokens of the prompt's end that led there
    parents: Tokens  # (N,)
    tokens: Tokens  # (N,)
    inside: list[int]
    logprobs: Doubles  # (N,) of each way, given the prompt: all of them together are 1
    logprob: float  # of the taken back end of the prompt: of all the ways together


def take_back(tokenizer: Tokenizer, tokens: list[int]) -> tuple[list[int], bytes]:
    """The tokens of a prompt without its last word, and the bytes of that word; no bytes where no
    token of the vocabulary could go beyond any end of it."""
    kept, word = len(tokens), b""
    while kept and not word[:1].isspace():  # a word begins with the space before it
        piece = tokenizer.pieces[tokens[kept - 1]]
        # What is taken back is text: it never begins inside a character.
        if len(word) + len(piece) > MAX_WORD_BYTES and not _is_inside(word):
            break
        kept, word = kept - 1, piece + word
    longer = any(
        len(tokenizer.pieces[token]) > len(word) - at
        and tokenizer.pieces[token].startswith(word[at:])
        for at in range(len(word))
        for token in tokenizer.by_first_byte[word[at]]
    )
    return (tokens[:kept], word) if longer else (tokens, b"")


def _is_inside(word: bytes) -> bool:
    return word[:1] != b"" and word[0] & 0xC0 == 0x80


def spell(
    engine: Engine, tokenizer: Tokenizer, word: bytes, logits: Floats, state: State
) -> Spellings:
    """All likely ways to spell `word` from a (1, P, H) `state` and its (1, V) `logits` on.

    A token that goes beyond the word is one that was seen in training.
    """
    pieces, seen = tokenizer.pieces, engine.seen
    states: list[State] = []
    paths: list[tuple[int, ...]] = []
    rows = 0
    # By how many bytes are spelled: log-probability, row of the state before, and token.
    begun: list[list[tuple[float, int, int]]] = [[] for _ in word]
    ended: list[tuple[float, int, int, int]] = []  # the same, and the bytes inside the word
    for at in range(len(word)):
        left = word[at:]
        ways = sorted(begun[at], reverse=True)[:MAX_WAYS]
        if at:
            if not ways:
                continue
            parents = [parent for _, parent, _ in ways]
            stepper = engine.start(np.concatenate(states)[parents])
            logits = stepper.step(np.array([token for *_, token in ways]))
            state = stepper.state
        costs = [logprob for logprob, _, _ in ways] or [0.0]
        logprobs = log_probabilities(logits)  # (ways, V)
        for token in tokenizer.by_first_byte[left[0]]:
            piece = pieces[token]
            ends = piece.startswith(left)  # with the word, or beyond it
            unseen = len(piece) > len(left) and not seen[token]
            if unseen or not (ends or left.startswith(piece)):
                continue
            pairs = zip(costs, logprobs[:, token].tolist(), strict=True)
            grown = [(cost + own, row, token) for row, (cost, own) in enumerate(pairs, start=rows)]
            if ends:
                ended += [(*way, len(left)) for way in grown]
            else:
                begun[at + len(piece)] += grown
        states.append(state)
        paths += [(*paths[parent], token) for _, parent, token in ways] or [()]
        rows += len(costs)
    total = np.array([logprob for logprob, *_ in ended])
    return Spellings(
        np.concatenate(states),
        paths,
        np.array([parent for _, parent, _, _ in ended]),
        np.array([token for *_, token, _ in ended]),
        [inside for *_, inside in ended],
        log_probabilities(total),
        float(logsumexp(total)),
    )
