"""Go on from a prompt that ends inside a token, as if the model had been asked by characters.

A model over subwords has learned the text as its tokenizer cuts it. "strawb" cut by itself is other
tokens than the beginning of "strawberry", and the model never saw them go on "erry". So the last
word of the prompt is taken back, and all the ways are followed in which tokens can spell it; the
last token of each may go beyond the prompt. The probabilities of these `Spellings` are what the
model, asked by characters, would say (up to those among the ways that are too unlikely to be kept).

Shapes: P ways to have spelled the prompt's end short of one token, N ways with that token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chargen.nn.logprobs import log_probabilities
from chargen.nn.model import State
from chargen.nn.torch_engine import Engine
from chargen.tokenizers.base import Tokenizer

MAX_WORD_BYTES = 32  # bytes that are taken back at most
MAX_WAYS = 32  # that are followed from one place in the word


@dataclass(frozen=True)
class Spellings:
    """The ways that a text can take from a prompt, each with the one token that ends it.

    Way n has been in row `parents[n]` of `state`, then comes `tokens[n]`, whose first
    `inside[n]` bytes stand in the prompt: all of them where it ends with the prompt.
    """

    state: State  # (P, H) each of its parts
    parents: Tensor  # (N,)
    tokens: Tensor  # (N,)
    inside: list[int]
    logprobs: Tensor  # (N,) of each way, given the prompt: all of them together are 1
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


@torch.inference_mode()
def spell(
    engine: Engine, tokenizer: Tokenizer, seen: Tensor, word: bytes, logits: Tensor, state: State
) -> Spellings:
    """All likely ways to spell `word` from a (1, H) `state` and its (1, V) `logits` on.

    A token that goes beyond the word is one that was `seen` in training, (V,) booleans.
    """
    pieces = tokenizer.pieces
    states: list[State] = []
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
            parents = torch.tensor([parent for _, parent, _ in ways], device=engine.device)
            memory = engine.start(_joined(states).select(parents))
            logits = engine.step(torch.tensor([token for *_, token in ways]), memory)
            state = memory.state
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
        rows += len(costs)
    total = torch.tensor([logprob for logprob, *_ in ended], dtype=torch.double)
    return Spellings(
        _joined(states),
        torch.tensor([parent for _, parent, _, _ in ended]),
        torch.tensor([token for *_, token, _ in ended]),
        [inside for *_, inside in ended],
        total.log_softmax(dim=0),
        float(total.logsumexp(dim=0)),
    )


def _joined(states: list[State]) -> State:
    """States of some rows each as one of all the rows."""
    layers = zip(*(state.layers for state in states), strict=True)
    return State(
        tuple(tuple(torch.cat(parts) for parts in zip(*layer, strict=True)) for layer in layers)
    )
