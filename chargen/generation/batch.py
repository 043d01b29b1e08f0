"""Texts that are sampled side by side and come and go between any two steps (continuous batching,
Yu et al. 2022), each of them as if it were alone.

The state of a recurrent network is a row, so a text joins by setting one and leaves by freeing it.
Steps are by `independent` rows, and nothing else here looks at more than one: what is sampled
depends on the prompt, the options and the random stream, to the last bit, and not on what stands
beside it.

Shapes: B rows, V vocabulary, N tokens before, P parts of the state, H hidden.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chargen.generation.completion import CompletionBuilder, Piece
from chargen.generation.healing import Spellings, spell
from chargen.generation.logits import divergence, relevance
from chargen.generation.prompt_state import PromptState, after_tokens
from chargen.generation.rows import StepRows
from chargen.generation.rules import Rules
from chargen.generation.sampling import (
    BUFFERED_NUMBERS,
    RandomStream,
    Sampler,
    own_logprobs,
    spelling_sampler,
    uniform_numbers,
)
from chargen.generation.stopping import FinishReason
from chargen.generation.unprompted import UnpromptedRows
from chargen.nn.engine import Engine, Floats
from chargen.nn.softmax import AnyFloats, Doubles, log_probabilities, quiet
from chargen.tokenizers.base import Tokenizer, Tokens

NO_STATES = np.empty(0, np.int32)  # of rows that no guide limits


class TokenScore(NamedTuple):
    """A token, its log-probability in nats under the model itself, before any logits processor, and
    the most likely tokens in its place, best first, it among them."""

    token: int
    logprob: float | None  # None where nothing predicts it
    top: tuple[tuple[int, float], ...]


NO_SCORES: tuple[TokenScore, ...] = ()


class Written(NamedTuple):
    """A piece of a text, and where that was asked for the score of each of its tokens. Tokens of a
    character that the end of the text cuts off have scores, too, and no piece that shows them."""

    piece: Piece
    scores: tuple[TokenScore, ...] = NO_SCORES


class GeneratedText:
    """A text as it comes. One thread adds to it, another may take from it."""

    def __init__(self) -> None:
        self.num_tokens = 0  # sampled so far
        self.logprob = 0.0  # of the pieces so far, in nats
        self._written: deque[Written] = deque()
        self._finish_reason: FinishReason | None = None

    def take(self) -> list[Written]:
        """What is new."""
        return [self._written.popleft() for _ in range(len(self._written))]

    @property
    def num_untaken(self) -> int:
        return len(self._written)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the text has ended, once all of it is taken."""
        reason = self._finish_reason  # asked first: its end may be written meanwhile
        return None if self._written else reason

    def write(self, written: Written) -> None:
        self._written.append(written)
        self.logprob += written.piece.logprob

    def finish(self, reason: FinishReason) -> None:
        self._finish_reason = reason


class BatchedText(GeneratedText):
    """A text while it is sampled: what the network is still to read, then what is written."""

    def __init__(
        self,
        start: PromptState,
        rules: Rules,
        builder: CompletionBuilder,
        stream: RandomStream,
        num_top: int | None = None,
    ) -> None:
        """What goes on from a start; with scores of its tokens, and so many of the most likely
        ones, where `num_top` is given."""
        super().__init__()
        self.start, self.rules, self.builder = start, rules, builder
        self.stream, self.num_top = stream, num_top
        self.error: Exception | None = None  # why it cannot go on
        self.has_begun = False  # whether there was anything to show
        self.recent = deque(start.recent, maxlen=rules.config.penalty_window)
        self.guided = 0  # the state of the guide
        self._scores: deque[TokenScore] = deque()  # of tokens that no piece shows yet

    @property
    def compares(self) -> bool:
        """Whether it depends on what the text would be without its prompt."""
        return self.rules.config.relevance > 0 and self.start.unprompted is not None

    @property
    def is_over(self) -> bool:
        return self._finish_reason is not None or self.error is not None

    def score(self, token: int, logprob: float, logprobs: Doubles | None = None) -> None:
        """Keep the score of the next token, and the most likely ones of (V,) log-probabilities."""
        top: tuple[tuple[int, float], ...] = ((token, logprob),)
        if logprobs is not None:
            top = most_likely(logprobs, self.num_top or 0, token)
            logprob = float(logprobs[token])  # by which clients see whether it is the most likely
        self._scores.append(TokenScore(token, logprob, top))

    def add(self, token: int, logprob: float, inside: int = 0) -> bool:
        """Go on by a token, whose first `inside` bytes stand in the prompt. Whether there is
        something to show for the first time."""
        builder = self.builder
        piece = builder.add(token, logprob, inside)
        if not (inside and builder.is_silent):  # of those none that stands in the prompt
            self.num_tokens += 1
        is_first = False
        if piece is not None:
            scores = NO_SCORES
            if self.num_top is not None:
                scores = tuple([self._scores.popleft() for _ in piece.tokens])
            self.write(Written(piece, scores))
            is_first, self.has_begun = not self.has_begun, True
        if builder.finish_reason is not None:
            if self._scores and builder.finish_reason == "length":
                # A character that only begins is not shown, but who counts scores gets its tokens'.
                self.write(Written(Piece("", (), 0.0), tuple(self._scores)))
            self.finish(builder.finish_reason)
        return is_first


def most_likely(logprobs: Doubles, count: int, token: int) -> tuple[tuple[int, float], ...]:
    """So many of the most likely tokens by (V,) log-probabilities, of equals the one with the
    smaller id first; and the given one, if it is not among them."""
    found: list[int] = []
    if count:
        count = min(count, len(logprobs))
        least = np.partition(logprobs, -count)[-count]
        candidates = np.flatnonzero(logprobs >= least)  # more where some are equal
        order = np.argsort(-logprobs[candidates], kind="stable")
        found = candidates[order][:count].tolist()
    if token not in found:
        found.append(token)
    return tuple((index, float(logprobs[index])) for index in found)


class _Group:
    """Rows whose tokens are sampled by the same rules."""

    def __init__(self, batch: Batch, rules: Rules, rows: list[int]) -> None:
        self.rules, self.rows = rules, rows
        self.texts = [batch.texts[row] for row in rows]
        self.places = np.array(rows)
        is_all = rows == list(range(len(rows)))
        self.at = slice(len(rows)) if is_all else self.places  # of which numpy need make no copy
        self._batch = batch
        self._sampler = Sampler(rules.config, self, rules.banned, rules.shortlist)
        self._compare = relevance(rules.config.relevance)
        self.unprompted: Tokens | None = None  # (B,) rows of the same texts without their prompts
        if self.texts[0].compares and self.texts[0] in batch.unprompted.texts:
            self.unprompted = np.array([batch.unprompted.texts.index(t) for t in self.texts])

    def next(self) -> Doubles:
        """(B, 1) random numbers, each from the stream of its text."""
        return self._batch.next_numbers(self.places)

    def sample(self, logits: AnyFloats, unprompted: Floats | None = None) -> Tokens:
        """The (B, V) logits of these rows, and where they are compared with those the ones of the
        same texts without their prompts -> a token for each."""
        rules, texts = self.rules, self.texts
        if unprompted is not None:
            logits = self._compare(logits, unprompted)
        states = NO_STATES
        if rules.guide is not None:
            states = np.array([text.guided for text in texts], np.int32)
        may_end = [text.builder.may_end for text in texts] if rules.config.min_chars else ()
        recent = [text.recent if rules.looks_back else () for text in texts]
        before = np.array(recent, np.int64)  # (B, N)
        tokens = self._sampler(rules.allowed(logits, states, may_end), before)
        if rules.looks_back:
            for text, token in zip(texts, tokens.tolist(), strict=True):
                text.recent.append(token)
        if rules.guide is not None:
            for text, state in zip(texts, rules.guide.advance(states, tokens), strict=True):
                text.guided = int(state)
        return tokens


class _Phases(NamedTuple):
    """The rows of a batch by what is to be done with them after a step."""

    reading: list[int]  # of which more is to be read
    spelling: list[int]  # whose prompt ends with a word that a token may continue
    groups: list[_Group]


class Batch:
    """The texts of one model that are sampled side by side, `capacity` at most."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, capacity: int) -> None:
        self.capacity = capacity
        self.texts: list[BatchedText] = []  # row by row
        self._engine, self._tokenizer = engine, tokenizer
        self._unread: list[list[int]] = []  # of each row, what comes after its next token; reversed
        self._generators: list[np.random.Philox] = []
        self._numbers = np.empty((capacity, BUFFERED_NUMBERS))  # that come next in each row
        self._used = np.zeros(capacity, np.int64)  # of each row, all that it has used here
        self._phases: _Phases | None = None  # None: to be found again
        self._spelled: tuple[PromptState, Rules, Spellings] | None = None  # the last of them
        self._rows = StepRows(engine, capacity)
        self.unprompted: UnpromptedRows[BatchedText] = UnpromptedRows(engine, capacity)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def is_full(self) -> bool:
        return len(self.texts) >= self.capacity

    def add(self, *texts: BatchedText) -> None:
        """Go on with these texts from the next step on."""
        self._rows.resize(len(self.texts) + len(texts))
        for row, text in enumerate(texts, len(self.texts)):
            first, *rest = text.start.unread
            self.texts.append(text)
            self._unread.append(rest[::-1])
            self._generators.append(text.stream.generator())
            self._used[row] = 0
            self._rows.set(row, text.start.state, first)
        self._phases = None

    def remove(self, *texts: BatchedText) -> None:
        """Leave these texts; added again, they go on from where they are."""
        for text in texts:
            row = self.texts.index(text)
            text.start = replace(
                text.start,
                state=self._rows.state(row),
                unread=(self._rows.tokens.item(row), *reversed(self._unread[row])),
                recent=tuple(text.recent),
            )
            if text in self.unprompted.texts:
                text.start = replace(text.start, unprompted=self.unprompted.remove(text))
            text.stream = replace(text.stream, used=text.stream.used + int(self._used[row]))
            self._free(row)
        self._rows.resize(len(self.texts))

    @quiet
    def step(self) -> list[BatchedText]:
        """Read a token of each text, and sample the next one where its prompt is read. Gives the
        texts that have something to show for the first time, and those that have ended, which are
        in the batch no more."""
        logits = self._rows.step()  # (B, V)
        tokens = self._rows.tokens
        phases = self._phases = self._phases or self._find_phases()
        news = self._fail_diverged(logits, self.texts)
        for row in phases.reading:
            tokens[row] = self._unread[row].pop()
            if not self._unread[row]:
                self._phases = None
        for row in phases.spelling:
            self._phases = None
            if self.texts[row].error is None:
                self._spell(row, logits[row : row + 1])
                news.append(self.texts[row])
        beside: Floats | None = None  # (U, V)
        if self.unprompted.texts:
            beside = self.unprompted.step()
            news += self._fail_diverged(beside, self.unprompted.texts)
        for group in phases.groups:
            try:
                if group.unprompted is None or beside is None:
                    tokens[group.at] = group.sample(logits[group.at])
                else:
                    found = group.sample(logits[group.at], beside[group.unprompted])
                    tokens[group.at] = found
                    self.unprompted.read_next(group.unprompted, found)
            except Exception as error:  # what one request asks for must not end the others
                sound = [text for text in group.texts if text.error is None]
                for text in sound:
                    text.error = error
                news += sound
        news += self._show(phases.groups, logits)
        for text in news:
            if text.is_over:
                self._free(self.texts.index(text))
        self._rows.resize(len(self.texts))
        return news

    def _show(self, groups: list[_Group], logits: Floats) -> list[BatchedText]:
        """Give each text its token; those of which there is news."""
        news = []
        size = len(self.texts)
        tokens = self._rows.tokens[:size]
        costs, written = own_logprobs(logits[:size], tokens), tokens.tolist()
        for group in groups:
            for row, text in zip(group.rows, group.texts, strict=True):
                if text.error is not None:
                    continue
                token, cost = written[row], costs[row]
                if text.num_top is not None:
                    text.score(token, cost, log_probabilities(logits[row]))
                if text.add(token, cost) or text.is_over:
                    news.append(text)
        return news

    def _fail_diverged(self, logits: Floats, texts: list[BatchedText]) -> list[BatchedText]:
        """Those texts, row by row, for which the network gives no numbers any more; their logits
        become zeros, so that others can be sampled beside them."""
        if math.isfinite(np.add.reduce(logits[: len(texts)], None)):  # the quickest to tell
            return []
        largest = logits[: len(texts)].max(axis=1)
        failed = []
        for row in np.flatnonzero(~np.isfinite(largest)).tolist():
            logits[row] = 0
            if texts[row].error is None:
                texts[row].error = divergence()
                failed.append(texts[row])
        return failed

    def _find_phases(self) -> _Phases:
        reading, spelling = [], []
        rows_of: dict[tuple[int, int, bool], list[int]] = {}
        for row, text in enumerate(self.texts):
            if self._unread[row]:
                reading.append(row)
            elif text.start.tail:
                spelling.append(row)
            else:
                # What looks back looks back equally far in all rows of an array.
                recent = len(text.recent) if text.rules.looks_back else 0
                rows_of.setdefault((id(text.rules), recent, text.compares), []).append(row)
                unprompted = text.start.unprompted
                if text.compares and unprompted and text not in self.unprompted.texts:
                    self.unprompted.add(text, unprompted)
        groups = [_Group(self, self.texts[rows[0]].rules, rows) for rows in rows_of.values()]
        return _Phases(reading, spelling, groups)

    def _spell(self, row: int, logits: Floats) -> None:
        """Sample the end of a prompt and the first token, as one, by the (1, V) logits."""
        text = self.texts[row]
        rules, start = text.rules, text.start
        text.start = replace(start, tail=b"")
        try:
            # What several texts go on from is spelled once.
            known = self._spelled
            if known is None or known[0] is not start or known[1] is not rules:
                state = self._rows.state(row)
                ways = spell(self._engine, self._tokenizer, start.tail, logits, state)
                known = self._spelled = start, rules, rules.limited(ways)
            spellings = known[2]
            sampler = spelling_sampler(rules.config, _Group(self, rules, [row]))
            [way] = sampler(spellings.logprobs[None], np.empty((1, 0), np.int64)).tolist()
        except Exception as error:
            text.error = error
            return
        token, inside = int(spellings.tokens[way]), spellings.inside[way]
        cost = float(spellings.logprobs[way])
        if rules.guide is not None:
            text.guided = rules.guide.begin(token, inside)
        text.recent.append(token)
        parent = spellings.parents[way]
        self._rows.set(row, spellings.state[parent][None], token)
        if start.unprompted is not None:
            path = (*spellings.paths[parent], token)
            text.start = replace(text.start, unprompted=after_tokens(start.unprompted, path))
        if inside < len(self._tokenizer.pieces[token]):  # else it stands in the prompt
            text.score(token, cost)
        text.add(token, cost, inside)

    def next_numbers(self, rows: Tokens) -> Doubles:
        """(B, 1) random numbers for these rows, each from the stream of its text."""
        if len(rows) == 1:  # the same, with as few calls as can be
            row = rows.item()
            place = self._used.item(row) % BUFFERED_NUMBERS
            if place == 0:
                self._numbers[row] = uniform_numbers(self._generators[row])
            self._used[row] += 1
            return self._numbers[row : row + 1, place : place + 1]
        places = self._used[rows] % BUFFERED_NUMBERS
        for row in rows[places == 0].tolist():
            self._numbers[row] = uniform_numbers(self._generators[row])
        self._used[rows] += 1
        return self._numbers[rows, places, None]

    def _free(self, row: int) -> None:
        """The last row takes the place of this one."""
        if self.texts[row] in self.unprompted.texts:
            self.unprompted.remove(self.texts[row])
        last = len(self.texts) - 1
        if row < last:
            self._rows.move(last, row)
            self._numbers[row], self._used[row] = self._numbers[last], self._used[last]
        columns: tuple[list[Any], ...] = (self.texts, self._unread, self._generators)
        for column in columns:
            column[row] = column[last]
            column.pop()
        self._phases = None
