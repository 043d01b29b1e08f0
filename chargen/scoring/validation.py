"""The score of a split while a model trains: fast, on its device, with carried state, or document
by document where the model begins each with a fresh one.

Shapes: B streams or documents, T tokens read at once, N of them that count, V vocabulary, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from chargen.data.answers import ENDS_ANSWER
from chargen.data.document_batches import find_documents, read_side_by_side
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
VALIDATION_TOKENS = VALIDATION_STREAMS * VALIDATION_BURN_IN  # of documents, read at once


def validate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    tokens: Shards | Ids,
    limit: int | None = None,
    answers: Shards | None = None,
) -> Score:
    """The score of a split, or of its first `limit` tokens: fast, with carried state, or with a
    fresh one for each document where the model wants that.

    The split is read as it was in training, end-of-document tokens included, though what they cost
    is not counted. Where there are `answers`, masks of its tokens, these alone are scored, and the
    end of a document that ends one is of it: it counts, as the one byte that the end of a line is.
    """
    return sum(validation(model, tokenizer, tokens, limit, answers), NOTHING)


@torch.inference_mode()
def validation(
    model: LanguageModel,
    tokenizer: Tokenizer,
    tokens: Shards | Ids,
    limit: int | None = None,
    answers: Shards | None = None,
) -> Iterator[Score]:
    """`validate` part by part: it may take long, and can be left between any two."""
    total = len(tokens) if limit is None else min(limit, len(tokens))
    tally = None if answers is None else AnswerTally(answers[:total])
    if model.config.fresh_state:
        yield from _documents(model, tokenizer, tokens[:total], tally)
    else:
        yield from _streams(model, tokenizer, tokens, total, tally)
    if tally is not None:
        yield tally.score()


def _documents(
    model: LanguageModel, tokenizer: Tokenizer, tokens: Ids, tally: AnswerTally | None
) -> Iterator[Score]:
    """Part by part, documents of similar lengths side by side."""
    documents = find_documents(tokens, tokenizer.end)
    order = np.argsort(documents.lengths, kind="stable")
    at = 0
    while at < len(order):
        few = order[at : at + VALIDATION_TOKENS]
        wide = np.arange(1, len(few) + 1) * np.minimum(documents.lengths[few], VALIDATION_BURN_IN)
        rows = max(1, int(np.searchsorted(wide, VALIDATION_TOKENS, side="right")))
        state = model.initial_state(rows)
        pieces = read_side_by_side(
            tokens, documents, order[at : at + rows], tokenizer.end, VALIDATION_BURN_IN
        )
        for inputs, targets, places, beyond in pieces:
            if tally is None:
                counts = ~beyond & (targets != tokenizer.end)
            else:
                counts = ~beyond & (tally.mask[np.where(beyond, 0, places)] > 0)
            state = state.select(slice(len(inputs)))
            score, state = _part(
                model, tokenizer, inputs, targets[counts], counts, places[counts], state, tally
            )
            yield score
        at += rows


def _streams(
    model: LanguageModel,
    tokenizer: Tokenizer,
    tokens: Shards | Ids,
    total: int,
    tally: AnswerTally | None,
) -> Iterator[Score]:
    """Part by part, with carried state."""
    length = max(-(-total // VALIDATION_STREAMS), VALIDATION_BURN_IN)
    starts = np.arange(0, total, length)
    state = model.initial_state(len(starts))
    for at in range(0, VALIDATION_BURN_IN + length, VALIDATION_BURN_IN):
        columns = np.arange(at, min(at + VALIDATION_BURN_IN, VALIDATION_BURN_IN + length) + 1)
        places = starts[:, None] + columns - VALIDATION_BURN_IN - 1
        rows = tokens[np.clip(places, 0, total - 1)].astype(np.int64)  # (B, T + 1)
        beyond = (places < 0) | (places >= total)
        rows[beyond] = tokenizer.end
        # What stands before a stream's own text only warms it up.
        counts = np.zeros_like(beyond) if at == 0 else ~beyond
        if tally is None:
            counts &= rows != tokenizer.end
        else:
            counts &= tally.mask[np.clip(places, 0, total - 1)] > 0
        counts = counts[:, 1:]
        targets, scored = rows[:, 1:][counts], places[:, 1:][counts]  # (N,)
        score, state = _part(model, tokenizer, rows[:, :-1], targets, counts, scored, state, tally)
        if at == 0:
            state = state.reset(torch.arange(len(starts), device=model.head.weight.device) == 0)
        else:
            yield score


def _part(
    model: LanguageModel,
    tokenizer: Tokenizer,
    inputs: Tokens,
    targets: Tokens,
    counts: npt.NDArray[np.bool_],
    places: npt.NDArray[np.int64],
    state: State,
    tally: AnswerTally | None,
) -> tuple[Score, State]:
    """The score of (N,) targets at places of the text, where it `counts` among the (B, T) inputs,
    and the state after those."""
    costs, hits, state = _score(model, inputs, targets, counts, state)
    score = score_of(EncodedText.spelled(targets, tokenizer), costs)
    if tally is not None:
        tally.add(places, hits)
        ends = int((targets == tokenizer.end).sum())
        score += Score(0.0, 0, ends, ends)
    return score, state


class AnswerTally:
    """Which tokens of answers were predicted; `mask` says of each token what answers.py does."""

    def __init__(self, mask: Ids) -> None:
        self.mask = mask
        self._missed = np.zeros(len(mask), np.bool_)

    def add(self, places: npt.NDArray[np.int64], hits: npt.NDArray[np.bool_]) -> None:
        """At (N,) places, whether the most likely token was the right one."""
        self._missed[places] = ~hits

    def score(self) -> Score:
        """How many answers there are, and how many are right to the last token."""
        ends = np.flatnonzero(self.mask == ENDS_ANSWER)
        if not len(ends):
            return NOTHING
        missed = np.add.reduceat(self._missed, np.insert(ends[:-1] + 1, 0, 0), dtype=np.int64)
        if ends[-1] + 1 < len(self.mask):  # the last one goes on beyond what was read
            missed[-1] = self._missed[ends[-2] + 1 if len(ends) > 1 else 0 : ends[-1] + 1].sum()
        return Score(0.0, 0, 0, 0, answers=len(ends), exact=int((missed == 0).sum()))


def _score(
    model: LanguageModel,
    inputs: Tokens,
    targets: Tokens,
    counts: npt.NDArray[np.bool_],
    state: State,
) -> tuple[Nats, npt.NDArray[np.bool_], State]:
    """What each of (N,) targets costs, in nats, where it `counts` among the (B, T) inputs, whether
    it is the most likely token, and the state after them."""
    device = model.head.weight.device
    expected = torch.from_numpy(targets).to(device)
    nats, hits = [torch.zeros(0, device=device)], [torch.zeros(0, dtype=torch.bool, device=device)]
    with autocast(device):
        x, state = model.read(torch.from_numpy(inputs).to(device), state)  # (B, T, H)
        x = x[torch.from_numpy(counts).to(device)][None]  # (1, N, H)
        at_once = max(1, MAX_LOGITS // model.vocab_size)
        for at in range(0, len(expected), at_once):
            logits = model.output_logits(x[:, at : at + at_once])[0].float()
            some = expected[at : at + at_once]
            nats.append(F.cross_entropy(logits, some, reduction="none"))
            hits.append(logits.argmax(dim=1) == some)
    return torch.cat(nats).cpu().double().numpy(), torch.cat(hits).cpu().numpy(), state
