"""Texts that are sampled side by side, each from its prompt: the one loop of decoding.

    DecodingStart -> sampler -> tokens -> CompletionBuilder -> pieces

Shapes: B rows, N tokens before, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from chargen.generation.completion import Completion, CompletionBuilder, Piece, completion_of
from chargen.generation.continuation import Continuation
from chargen.generation.healing import Spellings
from chargen.generation.logits import NEG_INF, check_finite
from chargen.generation.prompt_state import PromptState, after_tokens
from chargen.generation.sampling import (
    RandomStream,
    Sampler,
    UniformBuffer,
    new_seed,
    own_logprobs,
    spelling_sampler,
)
from chargen.generation.sampling import streams as streams_of
from chargen.generation.unprompted import UnpromptedTexts
from chargen.nn.engine import Stepper
from chargen.progress import OnShare, no_progress
from chargen.runtime.threads import in_threads
from chargen.tokenizers.base import Tokens


class SampledTokens(NamedTuple):
    """A token sampled for each of B rows."""

    pieces: list[Piece | None]  # what can be shown of each text now
    tokens: Tokens  # (B,)
    stepper: Stepper  # its state is that before these tokens, until the next step
    used: int  # random numbers of each row so far
    inside: list[int] | None = None  # where the prompt's end was spelled anew: see Spellings
    unprompted: Stepper | None = None  # the same without the prompts, where that is compared with


def write(
    works: Sequence[Continuation],
    streams: Sequence[RandomStream],
    needed: int,
    on_progress: OnShare = no_progress,
) -> Iterator[Completion]:
    """The first `needed` of the texts that go on from B prompts of one `_kind`, each sampled with a
    stream of its own, all at once."""
    builders = [work.builder() for work in works]
    written: list[list[Piece]] = [[] for _ in range(needed)]
    for number, sampled in enumerate(sample(works, builders, streams, builders[:needed])):
        for row, piece in zip(written, sampled.pieces, strict=False):
            if piece is not None:
                row.append(piece)
        on_progress(min(1.0, (number + 1) / works[0].config.token_limit))
    for work, row, builder in zip(works, written, builders, strict=False):
        yield completion_of(work.prompt, row, builder)


def write_batches(
    work: Continuation, samples: range, size: int, on_progress: OnShare
) -> Iterator[Completion]:
    """These samples of its config's seed. Every one has a row of its own in a batch of its own,
    padded at the end, so it does not depend on which others there are: rows of a product differ in
    the last digits between sizes."""
    starts = range(samples.start // size * size, samples.stop, size) if samples else range(0)
    seed = new_seed() if work.config.seed is None else work.config.seed

    def batch(start: int, on_share: OnShare) -> list[Completion]:
        streams = list(islice(streams_of(seed, start), size))
        needed = min(samples.stop - start, size)
        found = write([work] * size, streams, needed, on_share)
        return list(found)[max(0, samples.start - start) :]

    for completions in in_threads(batch, starts, work.engine.threads, on_progress):
        yield from completions
    on_progress(1.0)


def write_each(works: Sequence[Continuation], each: int) -> list[list[Completion]]:
    """So many texts from each of the prompts, whose config they share; of its seed every prompt
    uses the same streams. Those of one kind are sampled side by side."""
    found: list[list[Completion]] = [[] for _ in works]
    places_of: dict[tuple[bool, int, bool], list[int]] = {}
    for place, work in enumerate(works):
        places_of.setdefault(_kind(work), []).extend([place] * each)
    for places in places_of.values():
        rows = [works[place] for place in places]
        firsts = [islice(streams_of(work.config.seed), each) for work in rows[::each]]
        written = write(rows, list(chain.from_iterable(firsts)), len(rows))
        for place, completion in zip(places, written, strict=True):
            found[place].append(completion)
    return found


def _kind(work: Continuation) -> tuple[bool, int, bool]:
    """What prompts must have in common to be rows of one batch."""
    recent = len(work.prompt_state.recent) if work.rules.looks_back else 0
    return work.decoding_start.spellings is None, recent, work.compares


def sample(
    works: Sequence[Continuation],
    builders: Sequence[CompletionBuilder],
    streams: Sequence[RandomStream],
    needed: Sequence[CompletionBuilder] | None = None,
) -> Iterator[SampledTokens]:
    """Sample a token for each builder and yield what they can show, again and again until all of
    them, or all that are `needed`, have finished."""
    common = works[0]  # what they have in common: config, network, what may be sampled
    engine, rules = common.engine, common.rules
    guide = rules.guide
    needed = needed or builders
    uniforms = UniformBuffer(streams)
    sampler = Sampler(common.config, uniforms, rules.banned, rules.shortlist)
    recent = [work.prompt_state.recent if rules.looks_back else () for work in works]
    before = np.array(recent, dtype=np.int64)  # (B, N)
    states = np.zeros(len(works), dtype=np.int32)
    starts = [work.decoding_start for work in works]
    spellings = [start.spellings for start in starts if start.spellings is not None]
    places = [work.prompt_state.unprompted for work in works if work.compares]
    unprompted = None
    if not spellings:
        logits = np.concatenate([start.logits for start in starts])  # (B, V)
        stepper = engine.start(np.concatenate([start.state for start in starts]))
        unprompted = _unprompted(common, places, [()] * len(places))
    else:
        ways = _sample_spellings(common, spellings, uniforms)
        rows = list(zip(spellings, ways, strict=True))
        tokens = np.array([spelling.tokens[way] for spelling, way in rows])  # (B,)
        inside = [spelling.inside[way] for spelling, way in rows]
        if guide is not None:
            pairs = zip(tokens.tolist(), inside, strict=True)
            states = np.array([guide.begin(*pair) for pair in pairs], dtype=np.int32)
        costs = [float(spelling.logprobs[way]) for spelling, way in rows]
        stepper = engine.start(np.stack([s.state[s.parents[way]] for s, way in rows]))
        unprompted = _unprompted(common, places, [s.paths[s.parents[way]] for s, way in rows])
        pieces = _add(builders, tokens, costs, inside)
        beside = None if unprompted is None else unprompted.stepper
        yield SampledTokens(pieces, tokens, stepper, uniforms.used, inside, beside)
        before = _append(common, before, tokens)
        logits = stepper.step(tokens)
        if unprompted is not None:
            unprompted.step(tokens)
    while not all(builder.finish_reason for builder in needed):
        check_finite(logits)
        may_end = [builder.may_end for builder in builders] if common.config.min_chars else ()
        compared = logits if unprompted is None else unprompted.compare(logits)
        tokens = sampler(rules.allowed(compared, states, may_end), before)
        pieces = _add(builders, tokens, own_logprobs(logits, tokens))
        beside = None if unprompted is None else unprompted.stepper
        yield SampledTokens(pieces, tokens, stepper, uniforms.used, None, beside)
        if all(builder.finish_reason for builder in needed):
            return
        before = _append(common, before, tokens)
        if guide is not None:
            states = guide.advance(states, tokens)
        logits = stepper.step(tokens)
        if unprompted is not None:
            unprompted.step(tokens)


def _unprompted(
    work: Continuation, places: Sequence[PromptState | None], paths: Sequence[Sequence[int]]
) -> UnpromptedTexts | None:
    """The texts without their prompts, after these tokens of each; None where there are none."""
    after = [after_tokens(place, path) for place, path in zip(places, paths, strict=False) if place]
    return UnpromptedTexts(work.engine, after, work.config.relevance) if after else None


def _append(work: Continuation, before: Tokens, tokens: Tokens) -> Tokens:
    """The (B, N) tokens before, with (B,) more, as far as any processor looks back."""
    if not work.rules.looks_back:
        return before
    return np.concatenate([before, tokens[:, None]], axis=1)[:, -work.config.penalty_window :]


def _sample_spellings(
    work: Continuation, spellings: Sequence[Spellings], uniforms: UniformBuffer
) -> list[int]:
    """Sample the end of the prompt and the first token, as one, for each row: which way of its."""
    # Rows have ways of their own, some more, some fewer. (B, N)
    longest = max(len(spelling.tokens) for spelling in spellings)
    logprobs = np.full((len(spellings), longest), NEG_INF)
    for row, spelling in zip(logprobs, spellings, strict=True):
        row[: len(spelling.tokens)] = spelling.logprobs
    sampler = spelling_sampler(work.config, uniforms)
    ways: list[int] = sampler(logprobs, np.empty((len(spellings), 0), dtype=np.int64)).tolist()
    return ways


def _add(
    builders: Sequence[CompletionBuilder],
    tokens: Tokens,
    costs: list[float],
    inside: list[int] | None = None,
) -> list[Piece | None]:
    insides = inside or [0] * len(builders)
    rows = zip(builders, tokens.tolist(), costs, insides, strict=True)
    return [builder.add(token, cost, first) for builder, token, cost, first in rows]
