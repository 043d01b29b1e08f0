"""Write text: `stream` it piece by piece, `generate` many texts at once, or search with beams.

    prompt state -> DecodingStart -> (sampler or beams) -> tokens -> CompletionBuilder -> pieces

Shapes: B rows, N tokens before, V vocabulary.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from chargen.checkpoint.folder import load_checkpoint
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.config import MAX_PROMPT, SampleConfig
from chargen.errors import ConfigError, TokenizerError, named, setting
from chargen.generation.beam_search import BeamResult, BeamSearch
from chargen.generation.choices import Choice, choose
from chargen.generation.constraints import NOWHERE, Guide, States
from chargen.generation.healing import Spellings
from chargen.generation.prompt_state import PromptState, document_start, prefill, start_decoding
from chargen.generation.sampling import (
    LOOKING_BACK,
    NEG_INF,
    Numbers,
    RandomStream,
    Sampler,
    check_finite,
    mask_logits,
    streams,
)
from chargen.generation.writing import Completion, CompletionBuilder, FinishReason, Piece, complete
from chargen.nn.engine import Engine
from chargen.nn.model import LanguageModel, State
from chargen.options import build_config
from chargen.progress import OnShare, no_progress
from chargen.runtime.device import pick_device
from chargen.tokenizers.base import Tokenizer


class TextGenerator:
    """A model and its tokenizer, ready to write; `metadata` says what its checkpoint does, None
    where it was made by hand."""

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        metadata: CheckpointMetadata | None = None,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.metadata = metadata

    @cached_property
    def engine(self) -> Engine:
        """The model, made ready to be stepped: a copy as it was when this was first asked for."""
        return Engine(self.model)

    @cached_property
    def lines_are_documents(self) -> bool:
        """Whether the model was trained on such: it never saw a newline, a line ends as a document
        does. Without metadata that is read off the tokens that it saw."""
        if self.metadata is not None:
            return self.metadata.corpus_options.documents == "line"
        seen = self.model.seen.tolist()
        known = [piece for piece, was in zip(self.tokenizer.pieces, seen, strict=True) if was]
        return bool(seen[self.tokenizer.end]) and not any(b"\n" in piece for piece in known)

    @property
    def document_start(self) -> PromptState:
        """Where a document begins."""
        return document_start(self.model, self.tokenizer)

    def stream(
        self, prompt: str = "", config: SampleConfig | None = None, **options: Any
    ) -> Iterator[Piece]:
        """Yield one completion as it is written; its pieces joined are the whole.

        `options` are the fields of SampleConfig, or `config` is all of them. With `beams` a piece
        of the likeliest text comes as soon as nothing else can be in its place. Raises ConfigError,
        TokenizerError, both at once.
        """
        config = config or build_config(SampleConfig, options)
        if config.beams is not None:
            events = self.search(prompt, config)
            return (event for event in events if isinstance(event, Piece))
        return self.continue_from(self.document_start, prompt, config)

    def continue_from(
        self,
        place: PromptState,
        prompt: str,
        config: SampleConfig,
        stream: RandomStream | None = None,
        on_progress: OnShare = no_progress,
    ) -> TextStream:
        """Write on from a place and what is added there: one text as it comes, drawn from the given
        stream of random numbers or the first of `config.seed`. `on_progress` gets how much of the
        prompt is read. Raises ConfigError, TokenizerError, both at once.
        """
        work = Continuation(self, prompt, replace(config, num_samples=None), place, on_progress)
        return TextStream(work, self.tokenizer, stream or next(streams(config.seed)))

    @overload
    def generate(
        self, prompt: str = ..., *, num_samples: int, **options: Any
    ) -> list[Completion]: ...

    @overload
    def generate(self, prompt: str = ..., *, beams: int, **options: Any) -> list[Completion]: ...

    @overload
    def generate(self, prompt: str = ..., **options: Any) -> Completion: ...

    def generate(self, prompt: str = "", **options: Any) -> Completion | list[Completion]:
        """One completion; a list where `num_samples` (first first) or `beams` (best first) is set.

        `options` are the fields of SampleConfig. Raises ConfigError, TokenizerError.
        """
        config = build_config(SampleConfig, options)
        completions = list(self.complete(prompt, config))
        if config.num_samples is None and config.beams is None:
            return completions[0]
        return completions

    def complete(
        self,
        prompt: str,
        config: SampleConfig,
        *,
        first: int = 0,
        rows: int | None = None,
        on_progress: OnShare = no_progress,
    ) -> Iterator[Completion]:
        """The completions that the config asks for: the samples in order, as batches of them are
        done, or the beams, best first; one where it asks for neither.

        Samples before the `first` are left out. So many `rows` are drawn side by side, padded where
        there are fewer; else as many as there are, up to the batch size. `on_progress` gets the
        share that is drawn. Raises ConfigError, TokenizerError, both at once.
        """
        if config.beams is not None:
            *_, found = self.search(prompt, config)
            assert isinstance(found, BeamResult)
            return iter(found.completions)
        size = rows or min(config.batch_size, config.num_samples or 1)
        return self._samples(Continuation(self, prompt, config), first, size, on_progress)

    def prefill(
        self,
        place: PromptState,
        text: str,
        config: SampleConfig,
        on_progress: OnShare = no_progress,
    ) -> PromptState:
        """The place after some more text; the config says whether to heal its end, and how far
        penalties will look back. Raises TokenizerError."""
        _check_prompt(self.tokenizer, text)
        heal, window = config.heal, config.penalty_window
        return prefill(
            self.model,
            self.tokenizer,
            place,
            text,
            heal=heal,
            window=window,
            on_progress=on_progress,
        )

    def search(
        self,
        prompt: str,
        config: SampleConfig,
        place: PromptState | None = None,
        on_progress: OnShare = no_progress,
    ) -> Iterator[Piece | BeamResult]:
        """A beam search as it goes, from the beginning or a place in a text: pieces of the best
        text as soon as they are certain, at the end all that was found. Raises ConfigError,
        TokenizerError, both at once."""
        work = Continuation(self, prompt, config, place, on_progress)
        search = BeamSearch(self.engine, self.tokenizer, config, work.dropped, work.guide)
        return search.run(work.document_start, prompt)

    def generate_batch(
        self,
        place: PromptState,
        prompt: str,
        config: SampleConfig,
        streams: Sequence[RandomStream],
        on_progress: OnShare = no_progress,
    ) -> list[Completion]:
        """A text from each stream. Raises ConfigError, TokenizerError."""
        work = Continuation(self, prompt, config, place, on_progress)
        return list(work.write(streams, len(streams), on_progress))

    def choose(self, prompt: str, choices: Sequence[str], *, ends: bool = False) -> list[Choice]:
        """The given ways to go on from the prompt, the likeliest first, with their probabilities;
        where it `ends`, of each with the end of the document after it. Raises ConfigError where
        there are none, or an empty one, or one twice; TokenizerError."""
        _check_prompt(self.tokenizer, prompt)
        return choose(self.model, self.engine, self.tokenizer, prompt, choices, ends=ends)

    def _samples(
        self, work: Continuation, first: int, size: int, on_progress: OnShare
    ) -> Iterator[Completion]:
        """Batches of one size, the last one too, so that a sample does not depend on how many
        others there are: rows of a product differ in the last digits between sizes."""
        count = work.config.num_samples or 1
        rows = streams(work.config.seed)
        for start in range(0, count, size):
            batch = list(islice(rows, size))
            needed = min(size, count - start)
            if start + size <= first:
                continue

            def on_batch_progress(share: float, start: int = start, needed: int = needed) -> None:
                on_progress((start + needed * share) / count)

            yield from islice(
                work.write(batch, needed, on_batch_progress), max(0, first - start), None
            )
        on_progress(1.0)


def load(path: str | os.PathLike[str], device: str = "cpu") -> TextGenerator:
    """The model in a checkpoint folder, ready to write. Raises CheckpointError, DeviceError."""
    picked = pick_device(device)
    checkpoint = load_checkpoint(path)
    return TextGenerator(checkpoint.model.to(picked), checkpoint.tokenizer, checkpoint.metadata)


class Drawn(NamedTuple):
    """A token drawn for each of B rows."""

    pieces: list[Piece | None]  # what can be shown of each text now
    tokens: Tensor  # (B,)
    state: State  # (B, H) before these tokens; the next step overwrites it
    used: int  # random numbers of each row so far
    inside: list[int] | None = None  # where the prompt's end was spelled anew: see Spellings


class Continuation:
    """One prompt and how to go on from it; everything that can be refused is refused here."""

    def __init__(
        self,
        generator: TextGenerator,
        prompt: str,
        config: SampleConfig,
        place: PromptState | None = None,
        on_progress: OnShare = no_progress,
    ) -> None:
        model, tokenizer = generator.model, generator.tokenizer
        self._tokenizer, self._engine = tokenizer, generator.engine
        self.prompt, self.config = prompt, config
        _check_prompt(tokenizer, prompt)
        seen = model.seen.cpu()
        self._unseen = ~seen
        self._looks_back = any(getattr(config, name) is not None for name in LOOKING_BACK)
        self._banned = _banned(config, tokenizer, seen)
        may_be_drawn = seen if self._banned is None else seen & ~self._banned
        self.guide = Guide.of(config, tokenizer, may_be_drawn)
        # What a search leaves out; a guide itself keeps out what was never seen.
        self.dropped = ~seen if self.guide is None else torch.zeros_like(seen)
        if self._banned is not None:
            self.dropped |= self._banned
        self.place = generator.prefill(
            place or generator.document_start, prompt, config, on_progress
        )
        found = start_decoding(model, self._engine, tokenizer, self.place)
        if found.spellings is None:
            self._check_not_hopeless()
        else:
            found = replace(found, spellings=self._limited(found.spellings))
        self.document_start = found

    def writer(self) -> CompletionBuilder:
        return CompletionBuilder(self._tokenizer, self.config)

    def write(
        self, streams: Sequence[RandomStream], needed: int, on_progress: OnShare
    ) -> Iterator[Completion]:
        """The first `needed` of the texts that are drawn from the streams, all of them at once."""
        writers = [self.writer() for _ in streams]
        written: list[list[Piece]] = [[] for _ in range(needed)]
        for number, drawn in enumerate(self.sample(writers, streams, writers[:needed])):
            for row, piece in zip(written, drawn.pieces, strict=False):
                if piece is not None:
                    row.append(piece)
            on_progress(min(1.0, (number + 1) / self.config.max_tokens))
        for row, writer in zip(written, writers, strict=False):
            yield complete(self.prompt, row, writer)

    @torch.inference_mode()
    def sample(
        self,
        writers: list[CompletionBuilder],
        streams: Sequence[RandomStream],
        needed: list[CompletionBuilder] | None = None,
    ) -> Iterator[Drawn]:
        """Draw a token for each writer and yield what they can show, again and again until all of
        them, or all that are `needed`, have finished."""
        engine, spellings = self._engine, self.document_start.spellings
        needed = needed or writers
        numbers = Numbers(streams)
        sampler = Sampler(self.config, numbers, self._banned)
        recent = torch.tensor(self.place.recent, dtype=torch.int64)
        before = recent.expand(len(writers), -1)  # (B, N)
        states = np.zeros(len(writers), dtype=np.int32)
        if spellings is None:
            logits = self.document_start.logits.expand(len(writers), -1)  # (B, V)
            memory = engine.start(
                self.document_start.state.map(lambda p: p.expand(len(writers), -1))
            )
        else:
            ways = self._draw_ways(spellings, numbers, len(writers))  # (B,)
            tokens = spellings.tokens[ways]
            inside = [spellings.inside[way] for way in ways.tolist()]
            if self.guide is not None:
                pairs = zip(tokens.tolist(), inside, strict=True)
                states = np.array([self.guide.begin(*pair) for pair in pairs], dtype=np.int32)
            costs = spellings.logprobs[ways].tolist()
            memory = engine.start(spellings.state.select(spellings.parents[ways]))
            pieces = _add(writers, tokens, costs, inside)
            yield Drawn(pieces, tokens, memory.state, numbers.used, inside)
            before = self._append(before, tokens)
            logits = engine.step(tokens, memory)
        while not all(writer.finish_reason for writer in needed):
            own = logits.float().cpu()
            check_finite(own)
            tokens = sampler(self._allowed(own, states, writers), before)
            costs = own.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0].tolist()
            yield Drawn(_add(writers, tokens, costs), tokens, memory.state, numbers.used)
            if all(writer.finish_reason for writer in needed):
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

    def _allowed(self, logits: Tensor, states: States, writers: list[CompletionBuilder]) -> Tensor:
        """The (B, V) logits of what may be drawn at all."""
        if self.guide is not None:
            logits = self.guide.limit(logits, states)
        else:
            logits = logits.masked_fill(self._unseen, NEG_INF)
        if self.config.min_chars is not None:
            ends = torch.zeros_like(logits, dtype=torch.bool)
            ends[:, self._tokenizer.end] = torch.tensor([not w.may_end for w in writers])
            logits = mask_logits(logits, ends)
        return logits

    def _limited(self, spellings: Spellings) -> Spellings:
        """The spellings without those that go beyond the prompt by what may not be drawn."""
        banned, refused = [], []
        for token, inside in zip(spellings.tokens.tolist(), spellings.inside, strict=True):
            beyond = inside < len(self._tokenizer.pieces[token])
            banned.append(beyond and self._banned is not None and bool(self._banned[token]))
            refused.append(self.guide is not None and self.guide.begin(token, inside) == NOWHERE)
        if all(refused):
            self._check_not_hopeless()
        left = spellings.logprobs.masked_fill(torch.tensor(refused), NEG_INF)
        return replace(spellings, logprobs=mask_logits(left[None], torch.tensor([banned]))[0])

    def _check_not_hopeless(self) -> None:
        if self.guide is not None and not self.guide.can_begin:
            raise ConfigError(
                "no text that this model can write keeps to "
                + named("regex", "charset", last=" or "),
                hint="it never draws what its training text did not hold, nor what is banned",
            )

    def _draw_ways(self, spellings: Spellings, numbers: Numbers, rows: int) -> Tensor:
        """Draw the end of the prompt and the first token, as one, for each row: (B,)."""
        off: dict[str, Any] = dict.fromkeys(LOOKING_BACK) | {"ban": ()}
        chances = spellings.logprobs.expand(rows, -1)  # (B, N)
        sampler = Sampler(replace(self.config, **off), numbers)
        return sampler(chances, torch.empty(rows, 0, dtype=torch.int64))


class TextStream(Iterator[Piece]):
    """One text as it is written: its pieces, and where it stands after those that were given.

    To go on from there with the same settings gives what the passage itself would have given.
    """

    def __init__(self, work: Continuation, tokenizer: Tokenizer, stream: RandomStream) -> None:
        self.start = work.place  # after the prompt
        self._pieces = tokenizer.pieces
        self._end = tokenizer.end
        self._writer = work.writer()
        self._draws = work.sample([self._writer], [stream])
        self._first, self._used = stream, 0
        # The place: a state, which may be the one that a step will change, and what it has not read
        self._state, self._is_live = self.start.state, False
        with torch.inference_mode(False):  # room for it, that may be written to in any mode
            self._kept = self._state.map(torch.empty_like)
        self._room = self._parts(self._kept)
        self._unread, self._tail = list(self.start.unread), self.start.tail
        self._recent = deque(self.start.recent, maxlen=work.config.penalty_window)
        self._pending: deque[tuple[int, int]] = deque()  # drawn, not shown; numbers used by then
        # Where the tail is spelled anew: the state before the token that does it, and how many of
        # its bytes stand in the prompt. It counts once any of that token is shown.
        self._respelled: tuple[State, int] | None = None

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the text has ended; None while it has not."""
        return self._writer.finish_reason

    @property
    def stream(self) -> RandomStream:
        """The random numbers that come after those that drew the text so far."""
        return replace(self._first, used=self._first.used + self._used)

    @property
    def place(self) -> PromptState:
        """Where the text so far ends, without the end of a document."""
        return PromptState(
            self._state.map(Tensor.clone), tuple(self._unread), self._tail, tuple(self._recent)
        )

    def __next__(self) -> Piece:
        while True:
            if self._is_live:
                torch._foreach_copy_(self._room, self._parts(self._state))
                self._state, self._is_live = self._kept, False
            drawn = next(self._draws)
            [piece], token = drawn.pieces, int(drawn.tokens)
            is_all = piece is not None and piece.tokens == (token,) and not self._pending
            if is_all and drawn.inside is None and self.finish_reason is None and not self._tail:
                # The short way of most tokens, which says the same as the long one.
                self._used = drawn.used
                self._recent.append(token)
                self._state, self._is_live, self._unread = drawn.state, True, [token]
                assert piece is not None
                return piece
            self._pending.append((token, drawn.used))
            shown = piece.tokens if piece else ()
            if drawn.inside is not None:
                [inside] = drawn.inside
                self._respelled = drawn.state.map(Tensor.clone), inside
                if inside == len(self._pieces[token]):
                    shown = (token,)  # it ends with the prompt
            if shown:
                self._follow(shown, piece.text.encode() if piece else b"")
                is_read = self._unread[-1] == token and token != self._end and not self._tail
                if is_read and not self._pending:
                    self._state, self._is_live, self._unread = drawn.state, True, [token]
            if piece is not None:
                return piece

    def _follow(self, shown: tuple[int, ...], text: bytes) -> None:
        """Move the place on past tokens that show a text; the last may spell more than it."""
        state, unread, tail, inside = self._state, self._unread, self._tail, 0
        if self._respelled is not None:
            (state, inside), unread, tail = self._respelled, [], b""
        for token in shown:
            _, self._used = self._pending.popleft()
            spelled = self._pieces[token][inside:]
            if not text.startswith(spelled):  # the end of the text cuts this token
                if not unread:
                    state, unread, tail = self._state, self._unread, self._tail + text
                elif spelled.startswith(text):  # and not U+FFFD instead of half a character
                    tail = text
                break
            text, inside = text[len(spelled) :], 0
            if token != self._end:
                unread.append(token)
                self._recent.append(token)
        self._state, self._unread, self._tail, self._respelled = state, unread, tail, None

    @staticmethod
    def _parts(state: State) -> list[Tensor]:
        return [part for layer in state.layers for part in layer]


def _check_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MAX_PROMPT:  # before a copy of it is made
        raise TokenizerError(
            f"a prompt of {len(prompt):,} characters is too long, {MAX_PROMPT:,} are the most",
            hint="give its last part",
        )
    tokenizer.check(prompt)


def _add(
    writers: list[CompletionBuilder],
    tokens: Tensor,
    costs: list[float],
    inside: list[int] | None = None,
) -> list[Piece | None]:
    places = inside or [0] * len(writers)
    rows = zip(writers, tokens.tolist(), costs, places, strict=True)
    return [writer.add(token, cost, place) for writer, token, cost, place in rows]


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
                hint="ban something shorter, or end the text before it with " + setting("stop"),
            )
        banned |= holding
    if not (seen & ~banned).any():
        raise ConfigError(named("ban") + " leaves nothing to draw", hint="ban less")
    return banned
