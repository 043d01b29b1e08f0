"""Beam search: the most likely texts as a whole, and at once what all of them begin with.

All beams grow by one token a round. A text that has ended leaves the search and keeps its place
among the best; a text that comes about in several ways is kept in the most likely.
Log-probabilities only fall, so the search is over once no beam can overtake the worst of the best.

Shapes: B beams, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from chargen.config import CHARACTER_BYTES, SampleConfig
from chargen.generation.completion import Completion, CompletionBuilder, Piece, completion_of
from chargen.generation.constraints import Guide, States
from chargen.generation.healing import Spellings
from chargen.generation.logits import NEG_INF, check_finite, mask_logits
from chargen.generation.prompt_state import DecodingStart
from chargen.generation.stopping import UnitProgress, find_stop, unit_end
from chargen.nn.engine import Engine
from chargen.nn.softmax import AnyFloats, log_probabilities, logsumexp
from chargen.nn.weights import Bools
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import Tokenizer, Tokens


@dataclass(frozen=True)
class BeamResult:
    """The result of a beam search: its `completions`, the best first."""

    completions: list[Completion]


@dataclass(frozen=True)
class Hypothesis:
    """One beam: what it has written, and what that costs, in nats."""

    builder: CompletionBuilder
    pieces: tuple[Piece, ...] = ()
    logprob: float = 0.0
    num_tokens: int = 0
    guided: int = 0  # the state of the guide

    def grow(self, token: int, logprob: float, inside: int, guided: int) -> Hypothesis:
        builder = self.builder.copy()
        piece = builder.add(token, logprob, inside)
        pieces = (*self.pieces, piece) if piece else self.pieces
        shown = 0 if builder.is_silent else 1  # none of a token that stands in the prompt
        total = self.logprob + logprob
        if builder.finish_reason == "length":  # which may have cut off half a character
            total = sum((piece.logprob for piece in pieces), start=0.0)
        return Hypothesis(builder, pieces, total, self.num_tokens + shown, guided)


@dataclass(frozen=True)
class Candidates:
    """What the beams may grow by, the most likely first: row of the beam, token, log-probability,
    bytes inside the prompt, and the state of the guide after it."""

    rows: list[int]
    tokens: list[int]
    logprobs: list[float]
    inside: list[int]
    guided: list[int]

    def __iter__(self) -> Iterator[tuple[int, int, float, int, int]]:
        lists = (self.rows, self.tokens, self.logprobs, self.inside, self.guided)
        return zip(*lists, strict=True)


class BeamSearch:
    """Finds the `config.beams` most likely texts from a beginning."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        config: SampleConfig,
        dropped: Bools,
        guide: Guide | None,
    ) -> None:
        """`dropped` are (V,) booleans, true for tokens that are never written."""
        self._engine = engine
        self._tokenizer = tokenizer
        self._config = config
        self._width = config.beams or 1
        self._dropped = dropped
        self._guide = guide
        self._enders: dict[UnitProgress, list[Tokens]] = {}
        # By text: what it is ranked by, the log-probability of text and end, and the whole.
        self._best: dict[str, tuple[float, float, Hypothesis]] = {}
        self._live: list[Hypothesis] = []

    def run(
        self, beginning: DecodingStart, prompt: str, on_progress: OnShare = no_progress
    ) -> Iterator[Piece | BeamResult]:
        """Yield the pieces of the best text, each as soon as nothing else can be in its place; at
        the end all that was found. `on_progress` gets the share of the longest text that has been
        searched, and what it raises ends the search."""
        state, spellings = beginning.state, beginning.spellings
        live = [Hypothesis(CompletionBuilder(self._tokenizer, self._config))]
        if spellings is None:
            candidates = self._candidates(live, beginning.logits)
        else:
            state = spellings.state
            live *= len(state)
            candidates = self._spelled(spellings)
        agreed = 0
        for number in count():
            on_progress(min(1.0, number / self._config.token_limit))
            parents: list[int] = []
            tokens: list[int] = []
            self._live = []
            for row, token, logprob, inside, guided in candidates:
                grown = live[row].grow(token, logprob, inside, guided)
                if grown.builder.finish_reason:
                    self._end(grown, grown.logprob)
                elif len(self._live) < self._width:
                    self._live.append(grown)
                    parents.append(row)
                    tokens.append(token)
            over = self._prune()
            if over:
                self._live = []
            for piece in self._agreed(agreed):
                agreed += 1
                yield piece
            if over:
                break
            stepper = self._engine.start(state[parents])
            logits = stepper.step(np.array(tokens))
            live, state = self._live, stepper.state
            candidates = self._candidates(live, logits)
        yield BeamResult(
            [
                completion_of(prompt, list(beam.pieces), beam.builder, logprob)
                for _, logprob, beam in self._best.values()
            ]
        )

    def _candidates(self, live: list[Hypothesis], logits: AnyFloats) -> Candidates:
        """The most likely next tokens over all beams. What ends the word, line, ... that is looked
        for is taken out first, and all together: it ends the same text."""
        config, end = self._config, self._tokenizer.end
        check_finite(logits)
        logprobs: AnyFloats = log_probabilities(logits)  # (B, V)
        states: States = np.array([beam.guided for beam in live], dtype=np.int32)
        if self._guide is not None:
            logprobs = self._guide.limit(logprobs, states)
        logprobs = mask_logits(logprobs, self._dropped)
        for own, beam in zip(logprobs, live, strict=True):  # (V,) each
            if not beam.builder.may_end:
                kept, own[end] = own[end], NEG_INF
                if own.max() == NEG_INF:  # nothing else can follow
                    own[end] = kept
            elif config.until is not None:
                self._end_units(beam, own)
        costs = np.array([beam.logprob for beam in live])
        # Texts that end make room, so look at enough candidates to fill all beams all the same.
        best = _most_likely((costs[:, None] + logprobs).ravel(), 2 * self._width)
        rows, tokens = np.divmod(best, self._engine.vocab_size)
        guided = states[rows]
        if self._guide is not None:
            guided = self._guide.advance(guided, tokens)
        return Candidates(
            rows.tolist(),
            tokens.tolist(),
            logprobs[rows, tokens].tolist(),
            [0] * len(best),
            guided.tolist(),
        )

    def _spelled(self, spellings: Spellings) -> Candidates:
        """The most likely ways to have spelled the prompt, as candidates."""
        best = _most_likely(spellings.logprobs, 2 * self._width)
        tokens = spellings.tokens[best].tolist()
        inside = [spellings.inside[way] for way in best.tolist()]
        guided = [0] * len(best)
        if self._guide is not None:
            guided = [self._guide.begin(*pair) for pair in zip(tokens, inside, strict=True)]
        return Candidates(
            spellings.parents[best].tolist(),
            tokens,
            spellings.logprobs[best].tolist(),
            inside,
            guided,
        )

    def _end_units(self, beam: Hypothesis, logprobs: AnyFloats) -> None:
        """End the beam with all tokens that end its word, line, ...; they are taken from its (V,)
        `logprobs`."""
        stops, texts = self._config.stop, self._tokenizer.texts
        for tokens in self._ending(beam.builder.progress):
            if stops:  # a stop text ends the text elsewhere
                held = beam.builder.held
                ends = [
                    all(find_stop(held + (texts[t] or ""), s) < 0 for s in stops) for t in tokens
                ]
                tokens = tokens[ends]
                if not len(tokens):
                    continue
            allowed = logprobs[tokens]
            if allowed.max() > NEG_INF:
                token = int(tokens[allowed.argmax()])
                ended = beam.grow(token, float(logprobs[token]), 0, 0)
                if ended.builder.finish_reason in ("stop", "end"):
                    self._end(ended, beam.logprob + float(logsumexp(allowed)))
                    logprobs[tokens] = NEG_INF

    def _ending(self, progress: UnitProgress) -> list[Tokens]:
        """The tokens that end what is looked for, those together that leave the same text."""
        assert self._config.until is not None
        if progress not in self._enders:
            groups: dict[tuple[int, str], list[int]] = {}
            for token, text in enumerate(self._tokenizer.texts):
                left = unit_end(self._config.until, progress, text or "")
                if left is not None and text:
                    groups.setdefault((min(left, 0), text[: max(left, 0)]), []).append(token)
            if progress.has_begun and not progress.pending:
                groups.setdefault((0, ""), []).append(self._tokenizer.end)
            self._enders[progress] = [np.array(tokens) for tokens in groups.values()]
        return self._enders[progress]

    def _end(self, beam: Hypothesis, logprob: float) -> None:
        """A text has ended, `logprob` what it and its end there cost."""
        text = "".join(piece.text for piece in beam.pieces)
        rank = logprob / max(1, beam.num_tokens) ** self._config.length_penalty
        if text not in self._best or self._best[text][0] < rank:
            self._best[text] = (rank, logprob, beam)

    def _prune(self) -> bool:
        """Keep the best of the texts that have ended, best first; whether the search is over."""
        ranked = sorted(self._best.items(), key=lambda entry: -entry[1][0])[: self._width]
        self._best = dict(ranked)
        if len(ranked) < self._width:
            return not self._live
        worst, *_ = ranked[-1][1]
        return self._config.early_stopping or all(self._hope(b) <= worst for b in self._live)

    def _hope(self, beam: Hypothesis) -> float:
        """The best rank that a beam can still come to: it may grow long, but not likelier."""
        config = self._config
        longest = max(config.token_limit, CHARACTER_BYTES * (config.min_chars or 0))
        return beam.logprob / float(longest**config.length_penalty)

    def _agreed(self, already: int) -> list[Piece]:
        """The pieces after the first `already` that all who can still be first have in common."""
        first, _, leader = next(iter(self._best.values()), (NEG_INF, NEG_INF, None))
        contenders = [beam.pieces for beam in self._live if self._hope(beam) > first]
        if leader is not None:
            contenders.append(leader.pieces)
        agreed = []
        for same in zip(*(pieces[already:] for pieces in contenders), strict=False):
            if any(piece is not same[0] for piece in same):
                break
            agreed.append(same[0])
        return agreed


def _most_likely(logprobs: AnyFloats, count: int) -> Tokens:
    """Where the `count` largest of (N,) log-probabilities stand, the largest first, of equals the
    one before; fewer where some are minus infinity."""
    [found] = np.nonzero(logprobs > NEG_INF)
    if len(found) > count:
        left = logprobs[found]
        found = found[left >= np.partition(left, -count)[-count]]
    order = np.argsort(-logprobs[found], kind="stable")[:count]
    best: Tokens = found[order]
    return best
