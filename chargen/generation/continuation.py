"""One prompt and how texts go on from it: sampled side by side, or one as a stream of pieces.

    prompt state -> DecodingStart -> sampler -> tokens -> CompletionBuilder -> pieces

Gets ready parts, and knows no checkpoint. Shapes: B rows, N tokens before, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from chargen.config import MAX_PROMPT, SampleConfig
from chargen.errors import ConfigError, TokenizerError, named, setting
from chargen.generation.completion import Completion, CompletionBuilder, Piece, completion_of
from chargen.generation.constraints import NOWHERE, Guide, States
from chargen.generation.healing import Spellings
from chargen.generation.logits import LOOKING_BACK, NEG_INF, check_finite, mask_logits
from chargen.generation.prompt_state import PromptState, prefill, start_decoding
from chargen.generation.sampling import RandomStream, Sampler, UniformBuffer
from chargen.generation.stopping import FinishReason
from chargen.nn.engine import Engine
from chargen.nn.model import LanguageModel, State
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import Tokenizer


class SampledTokens(NamedTuple):
    """A token sampled for each of B rows."""

    pieces: list[Piece | None]  # what can be shown of each text now
    tokens: Tensor  # (B,)
    state: State  # (B, H) before these tokens; the next step overwrites it
    used: int  # random numbers of each row so far
    inside: list[int] | None = None  # where the prompt's end was spelled anew: see Spellings


class Continuation:
    """One prompt and how to go on from it; everything that can be rejected is rejected here."""

    def __init__(
        self,
        model: LanguageModel,
        engine: Engine,
        tokenizer: Tokenizer,
        start: PromptState,
        prompt: str,
        config: SampleConfig,
        on_progress: OnShare = no_progress,
    ) -> None:
        """The `prompt` is read after the `start`. Raises ConfigError, TokenizerError."""
        self._tokenizer, self._engine = tokenizer, engine
        self.prompt, self.config = prompt, config
        check_prompt(tokenizer, prompt)
        seen = model.seen.cpu()
        self._unseen = ~seen
        self._looks_back = any(getattr(config, name) is not None for name in LOOKING_BACK)
        self._banned = _banned(config, tokenizer, seen)
        allowed = seen if self._banned is None else seen & ~self._banned
        self.guide = Guide.of(config, tokenizer, allowed)
        # What a search leaves out; a guide itself keeps out what was never seen.
        self.dropped = ~seen if self.guide is None else torch.zeros_like(seen)
        if self._banned is not None:
            self.dropped |= self._banned
        # After the prompt, and how texts go on from there.
        self.prompt_state = prefill(
            model,
            tokenizer,
            start,
            prompt,
            heal=config.heal,
            window=config.penalty_window,
            on_progress=on_progress,
        )
        self.decoding_start = start_decoding(model, engine, tokenizer, self.prompt_state)
        if self.decoding_start.spellings is None:
            self._check_not_hopeless()
        else:
            spellings = self._limited(self.decoding_start.spellings)
            self.decoding_start = replace(self.decoding_start, spellings=spellings)

    def builder(self) -> CompletionBuilder:
        """An empty one, for one of the texts."""
        return CompletionBuilder(self._tokenizer, self.config)

    def write(
        self, streams: Sequence[RandomStream], needed: int, on_progress: OnShare
    ) -> Iterator[Completion]:
        """The first `needed` of the texts that are sampled with the streams, all at once."""
        builders = [self.builder() for _ in streams]
        written: list[list[Piece]] = [[] for _ in range(needed)]
        for number, sampled in enumerate(self.sample(builders, streams, builders[:needed])):
            for row, piece in zip(written, sampled.pieces, strict=False):
                if piece is not None:
                    row.append(piece)
            on_progress(min(1.0, (number + 1) / self.config.token_limit))
        for row, builder in zip(written, builders, strict=False):
            yield completion_of(self.prompt, row, builder)

    @torch.inference_mode()
    def sample(
        self,
        builders: list[CompletionBuilder],
        streams: Sequence[RandomStream],
        needed: list[CompletionBuilder] | None = None,
    ) -> Iterator[SampledTokens]:
        """Sample a token for each builder and yield what they can show, again and again until
        all of them, or all that are `needed`, have finished."""
        engine, spellings = self._engine, self.decoding_start.spellings
        needed = needed or builders
        uniforms = UniformBuffer(streams)
        sampler = Sampler(self.config, uniforms, self._banned)
        recent = torch.tensor(self.prompt_state.recent, dtype=torch.int64)
        before = recent.expand(len(builders), -1)  # (B, N)
        states = np.zeros(len(builders), dtype=np.int32)
        if spellings is None:
            logits = self.decoding_start.logits.expand(len(builders), -1)  # (B, V)
            memory = engine.start(
                self.decoding_start.state.map(lambda p: p.expand(len(builders), -1))
            )
        else:
            ways = self._sample_spellings(spellings, uniforms, len(builders))  # (B,)
            tokens = spellings.tokens[ways]
            inside = [spellings.inside[way] for way in ways.tolist()]
            if self.guide is not None:
                pairs = zip(tokens.tolist(), inside, strict=True)
                states = np.array([self.guide.begin(*pair) for pair in pairs], dtype=np.int32)
            costs = spellings.logprobs[ways].tolist()
            memory = engine.start(spellings.state.select(spellings.parents[ways]))
            pieces = _add(builders, tokens, costs, inside)
            yield SampledTokens(pieces, tokens, memory.state, uniforms.used, inside)
            before = self._append(before, tokens)
            logits = engine.step(tokens, memory)
        while not all(builder.finish_reason for builder in needed):
            own = logits.float().cpu()
            check_finite(own)
            tokens = sampler(self._allowed(own, states, builders), before)
            costs = own.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0].tolist()
            yield SampledTokens(_add(builders, tokens, costs), tokens, memory.state, uniforms.used)
            if all(builder.finish_reason for builder in needed):
                return
            before = self._append(before, tokens)
            if self.guide is not None:
                states = self.guide.advance(states, tokens)
            logits = engine.step(tokens, memory)

    def _append(self, before: Tensor, tokens: Tensor) -> Tensor:
        """The (B, N) tokens before, with (B,) more, as far as any processor looks back."""
        if not self._looks_back:
            return before
        return torch.cat([before, tokens[:, None]], dim=1)[:, -self.config.penalty_window :]

    def _allowed(self, logits: Tensor, states: States, builders: list[CompletionBuilder]) -> Tensor:
        """The (B, V) logits of what may be sampled at all."""
        if self.guide is not None:
            logits = self.guide.limit(logits, states)
        else:
            logits = logits.masked_fill(self._unseen, NEG_INF)
        if self.config.min_chars is not None:
            ends = torch.zeros_like(logits, dtype=torch.bool)
            ends[:, self._tokenizer.end] = torch.tensor([not b.may_end for b in builders])
            logits = mask_logits(logits, ends)
        return logits

    def _limited(self, spellings: Spellings) -> Spellings:
        """The spellings without those that go beyond the prompt by what may not be sampled."""
        banned, rejected = [], []
        for token, inside in zip(spellings.tokens.tolist(), spellings.inside, strict=True):
            beyond = inside < len(self._tokenizer.pieces[token])
            banned.append(beyond and self._banned is not None and bool(self._banned[token]))
            rejected.append(self.guide is not None and self.guide.begin(token, inside) == NOWHERE)
        if all(rejected):
            self._check_not_hopeless()
        left = spellings.logprobs.masked_fill(torch.tensor(rejected), NEG_INF)
        return replace(spellings, logprobs=mask_logits(left[None], torch.tensor([banned]))[0])

    def _check_not_hopeless(self) -> None:
        if self.guide is not None and not self.guide.can_begin:
            raise ConfigError(
                "no text that this model can write keeps to "
                + named("regex", "charset", last=" or "),
                hint="it never samples what its training text did not contain, nor what is banned",
            )

    def _sample_spellings(self, spellings: Spellings, uniforms: UniformBuffer, rows: int) -> Tensor:
        """Sample the end of the prompt and the first token, as one, for each row: (B,)."""
        off: dict[str, Any] = dict.fromkeys(LOOKING_BACK) | {"ban": ()}
        logprobs = spellings.logprobs.expand(rows, -1)  # (B, N)
        sampler = Sampler(replace(self.config, **off), uniforms)
        return sampler(logprobs, torch.empty(rows, 0, dtype=torch.int64))


class TextStream(Iterator[Piece]):
    """One text as it is written: its pieces, and where it stands after those that were given.

    To go on from there with the same settings gives what this text itself would have given.
    """

    def __init__(self, work: Continuation, tokenizer: Tokenizer, stream: RandomStream) -> None:
        self.start = work.prompt_state  # after the prompt
        self._pieces = tokenizer.pieces
        self._end = tokenizer.end
        self._builder = work.builder()
        self._samples = work.sample([self._builder], [stream])
        self._first, self._used = stream, 0
        # The text so far: a state, which may be the one that a step will change, and what it has
        # not read.
        self._state, self._is_live = self.start.state, False
        with torch.inference_mode(False):  # room for it, that may be written to in any mode
            self._kept = self._state.map(torch.empty_like)
        self._room = self._kept.parts()
        self._unread, self._tail = list(self.start.unread), self.start.tail
        self._recent = deque(self.start.recent, maxlen=work.config.penalty_window)
        self._pending: deque[tuple[int, int]] = deque()  # sampled, not shown; numbers used by then
        # Where the tail is spelled anew: the state before the token that does it, and how many of
        # its bytes stand in the prompt. It counts once any of that token is shown.
        self._respelled: tuple[State, int] | None = None

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the text has ended; None while it has not."""
        return self._builder.finish_reason

    @property
    def stream(self) -> RandomStream:
        """The random numbers that come after those that the text so far was sampled with."""
        return replace(self._first, used=self._first.used + self._used)

    @property
    def prompt_state(self) -> PromptState:
        """Where the text so far ends, without the end of a document."""
        return PromptState(
            self._state.map(Tensor.clone), tuple(self._unread), self._tail, tuple(self._recent)
        )

    def __next__(self) -> Piece:
        while True:
            if self._is_live:
                torch._foreach_copy_(self._room, self._state.parts())
                self._state, self._is_live = self._kept, False
            sampled = next(self._samples)
            [piece], token = sampled.pieces, int(sampled.tokens)
            is_all = piece is not None and piece.tokens == (token,) and not self._pending
            if is_all and sampled.inside is None and self.finish_reason is None and not self._tail:
                # The short way of most tokens, which says the same as the long one.
                self._used = sampled.used
                self._recent.append(token)
                self._state, self._is_live, self._unread = sampled.state, True, [token]
                assert piece is not None
                return piece
            self._pending.append((token, sampled.used))
            shown = piece.tokens if piece else ()
            if sampled.inside is not None:
                [inside] = sampled.inside
                self._respelled = sampled.state.map(Tensor.clone), inside
                if inside == len(self._pieces[token]):
                    shown = (token,)  # it ends with the prompt
            if shown:
                self._follow(shown, piece.text if piece else "")
                is_read = self._unread[-1] == token and token != self._end and not self._tail
                if is_read and not self._pending:
                    self._state, self._is_live, self._unread = sampled.state, True, [token]
            if piece is not None:
                return piece

    def _follow(self, shown: tuple[int, ...], text: str) -> None:
        """Move the state on past tokens that show a text; the last may spell more than it."""
        state, unread, tail, inside = self._state, self._unread, self._tail, 0
        if self._respelled is not None:
            (state, inside), unread, tail = self._respelled, [], b""
        spelled = [self._pieces[token] for token in shown]
        spelled[0] = spelled[0][inside:]
        is_cut = b"".join(spelled).decode(errors="replace") != text
        for token in shown[:-1] if is_cut else shown:
            if token != self._end:
                unread.append(token)
                self._recent.append(token)
        for _ in shown:
            _, self._used = self._pending.popleft()
        if is_cut:
            rest = text.removeprefix(b"".join(spelled[:-1]).decode(errors="replace")).encode()
            if unread:
                tail = rest
            else:
                state, unread, tail = self._state, self._unread, self._tail + rest
        self._state, self._unread, self._tail, self._respelled = state, unread, tail, None


def check_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MAX_PROMPT:  # before a copy of it is made
        raise TokenizerError(
            f"a prompt of {len(prompt):,} characters is too long, {MAX_PROMPT:,} are the most",
            hint="give its last part",
        )
    tokenizer.check(prompt)


def _add(
    builders: list[CompletionBuilder],
    tokens: Tensor,
    costs: list[float],
    inside: list[int] | None = None,
) -> list[Piece | None]:
    insides = inside or [0] * len(builders)
    rows = zip(builders, tokens.tolist(), costs, insides, strict=True)
    return [builder.add(token, cost, first) for builder, token, cost, first in rows]


def _banned(config: SampleConfig, tokenizer: Tokenizer, seen: Tensor) -> Tensor | None:
    """The tokens that hold a banned text, (V,) booleans. Raises ConfigError where none does, or all
    do."""
    if not config.ban:
        return None
    banned = torch.zeros_like(seen)
    for text in config.ban:
        tokenizer.check(text)
        holding = torch.tensor([text.encode() in piece for piece in tokenizer.pieces])
        if not holding.any():
            raise ConfigError(
                f"no token of this model holds {text!r}, so "
                + named("ban")
                + " cannot keep it out",
                hint="ban something shorter, or end the text before it with "
                + setting("stop", text),
            )
        banned |= holding
    if not (seen & ~banned).any():
        raise ConfigError(named("ban") + " leaves nothing to sample", hint="ban less")
    return banned
