"""Beam search: the most likely texts as a whole, and at once what all of them begin with.

All beams grow by one token a round. A text that has ended leaves the search and keeps its place
among the best; a text that comes about in several ways is kept in the most likely.
Log-probabilities only fall, so the search is over once no beam can overtake the worst of the best.

Shapes: B beams, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chargen.config import CHARACTER_BYTES, SampleConfig
from chargen.generation.completion import Completion, CompletionBuilder, Piece, completion_of
from chargen.generation.constraints import Guide
from chargen.generation.healing import Spellings
from chargen.generation.logits import NEG_INF, check_finite, mask_logits
from chargen.generation.prompt_state import DecodingStart
from chargen.generation.stopping import UnitProgress, find_stop, unit_end
from chargen.nn.logprobs import log_probabilities
from chargen.nn.torch_engine import Engine
from chargen.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class BeamResult:
    """The end of a search: its texts, best first."""

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
    """What the beams may grow by: row of the beam, token, log-probability and bytes inside the
    prompt, the most likely first."""

    rows: list[int]
    tokens: list[int]
    logprobs: list[float]
    inside: list[int]


class BeamSearch:
    """Finds the `config.beams` most likely texts from a beginning."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        config: SampleConfig,
        dropped: Tensor,
        guide: Guide | None,
    ) -> None:
        """`dropped` are (V,) booleans, true for tokens that are never written."""
        self._engine = engine
        self._tokenizer = tokenizer
        self._config = config
        self._width = config.beams or 1
        self._dropped = dropped
        self._guide = guide
        self._enders: dict[UnitProgress, list[Tensor]] = {}
        # By text: what it is ranked by, the log-probability of text and end, and the whole.
        self._best: dict[str, tuple[float, float, Hypothesis]] = {}
        self._live: list[Hypothesis] = []

    @torch.inference_mode()
    def run(self, beginning: DecodingStart, prompt: str) -> Iterator[Piece | BeamResult]:
        """Yield the pieces of the best text, each as soon as nothing else can be in its place; at
        the end all that was found."""
        state, spellings = beginning.state, beginning.spellings
        live = [Hypothesis(CompletionBuilder(self._tokenizer, self._config))]
        if spellings is None:
            candidates = self._candidates(live, beginning.logits)
        else:
            state = spellings.state
            live *= len(state.layers[0][0])
            candidates = self._spelled(spellings)
        agreed = 0
        while True:
            parents: list[int] = []
            tokens: list[int] = []
            self._live = []
            for row, token, logprob, inside in zip(
                candidates.rows,
                candidates.tokens,
                candidates.logprobs,
                candidates.inside,
                strict=True,
            ):
                beam = live[row]
                grown = beam.grow(token, logprob, inside, self._guided(beam, token, inside))
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
            rows = torch.tensor(parents, device=self._engine.device)
            memory = self._engine.start(state.select(rows))
            logits = self._engine.step(torch.tensor(tokens), memory)
            live, state = self._live, memory.state
            candidates = self._candidates(live, logits)
        yield BeamResult(
            [
                completion_of(prompt, list(beam.pieces), beam.builder, logprob)
                for _, logprob, beam in self._best.values()
            ]
        )

    def _candidates(self, live: list[Hypothesis], logits: Tensor) -> Candidates:
        """The most likely next tokens over all beams. What ends the word, line, ... that is looked
        for is taken out first, and all together: it ends the same text."""
        config, end = self._config, self._tokenizer.end
        check_finite(logits)
        logprobs = log_probabilities(logits)  # (B, V)
        if self._guide is not None:
            logprobs = self._guide.limit(logprobs, np.array([beam.guided for beam in live]))
        logprobs = mask_logits(logprobs, self._dropped)
        for row, beam in enumerate(live):
            if not beam.builder.may_end:
                kept = logprobs[row, end].clone()
                logprobs[row, end] = NEG_INF
                if not logprobs[row].isfinite().any():  # nothing else can follow
                    logprobs[row, end] = kept
            elif config.until is not None:
                self._end_units(beam, logprobs[row])
        costs = torch.tensor([beam.logprob for beam in live], dtype=torch.double)
        totals = (costs[:, None] + logprobs).flatten()
        # Texts that end make room, so look at enough candidates to fill all beams all the same.
        count = min(2 * self._width, int(totals.isfinite().sum()))
        best = totals.topk(count).indices
        rows, tokens = best // self._engine.vocab_size, best % self._engine.vocab_size
        return Candidates(
            rows.tolist(), tokens.tolist(), logprobs[rows, tokens].tolist(), [0] * count
        )

    def _spelled(self, spellings: Spellings) -> Candidates:
        """The most likely ways to have spelled the prompt, as candidates."""
        logprobs = spellings.logprobs
        best = logprobs.topk(min(2 * self._width, int(logprobs.isfinite().sum()))).indices
        return Candidates(
            spellings.parents[best].tolist(),
            spellings.tokens[best].tolist(),
            logprobs[best].tolist(),
            [spellings.inside[way] for way in best.tolist()],
        )

    def _guided(self, beam: Hypothesis, token: int, inside: int) -> int:
        if self._guide is None:
            return 0
        if inside:
            return self._guide.begin(token, inside)
        [after] = self._guide.advance(np.array([beam.guided]), torch.tensor([token])).tolist()
        return int(after)

    def _end_units(self, beam: Hypothesis, logprobs: Tensor) -> None:
        """End the beam with all tokens that end its word, line, ...; they are taken from its (V,)
        `logprobs`."""
        stops, texts = self._config.stop, self._tokenizer.texts
        for tokens in self._ending(beam.builder.progress):
            if stops:  # a stop text ends the text elsewhere
                held = beam.builder.held
                ends = [
                    all(find_stop(held + (texts[t] or ""), s) < 0 for s in stops) for t in tokens
                ]
                tokens = tokens[torch.tensor(ends)]
                if not len(tokens):
                    continue
            allowed = logprobs[tokens]
            if allowed.max() > NEG_INF:
                token = int(tokens[allowed.argmax()])
                ended = beam.grow(token, float(logprobs[token]), 0, 0)
                if ended.builder.finish_reason in ("stop", "end"):
                    self._end(ended, beam.logprob + float(allowed.logsumexp(dim=0)))
                    logprobs[tokens] = NEG_INF

    def _ending(self, progress: UnitProgress) -> list[Tensor]:
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
            self._enders[progress] = [torch.tensor(tokens) for tokens in groups.values()]
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
