"""Write text: `stream` it piece by piece, `generate` many texts at once, or search with beams.

    prompt -> tokens -> Beginning -> (sampler or beams) -> tokens -> Writer -> pieces

Shapes: B rows, N tokens before, V vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from chargen import config as options_of
from chargen.beams import BeamSearch, Beginning, Found
from chargen.checkpoint import load_checkpoint
from chargen.choices import Choice, choose
from chargen.config import MOST_PROMPT, SampleConfig
from chargen.constraints import NOWHERE, Guide, Numbers
from chargen.device import pick_device
from chargen.engine import Engine, read_tokens
from chargen.errors import ConfigError, TokenizerError
from chargen.healing import Spellings, spell, take_back
from chargen.model import LanguageModel
from chargen.sampling import LOOKING_BACK, NEVER, Sampler, generators, without
from chargen.tokenizer import Tokenizer, Tokens
from chargen.writing import Completion, Piece, Writer, complete

ENCODED_AT_ONCE = 1 << 16  # characters of the prompt

Told = Callable[[float], None]  # is told the share of the work that is done


class TextGenerator:
    """A model and its tokenizer, ready to write."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    @cached_property
    def engine(self) -> Engine:
        """The model, made ready to be stepped: a copy as it was when this was first asked for."""
        return Engine(self.model)

    def stream(
        self, prompt: str = "", config: SampleConfig | None = None, **options: Any
    ) -> Iterator[Piece]:
        """Yield one completion as it is written; its pieces joined are the whole.

        `options` are the fields of SampleConfig, or `config` is all of them. With `beams` a piece
        of the likeliest text comes as soon as nothing else can be in its place. Raises ConfigError,
        TokenizerError, both at once.
        """
        config = config or options_of.make(SampleConfig, options)
        if config.beams is not None:
            events = self.search(prompt, config)
            return (event for event in events if isinstance(event, Piece))
        return self._stream(Continuation(self, prompt, replace(config, num_samples=None)))

    def _stream(self, work: Continuation) -> Iterator[Piece]:
        streams = [next(generators(work.config.seed))]
        writer = work.writer()
        for [piece] in work.draw([writer], streams):
            if piece is not None:
                yield piece

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
        config = options_of.make(SampleConfig, options)
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
        told: Told = lambda share: None,
    ) -> Iterator[Completion]:
        """The completions that the config asks for: the samples in order, as batches of them are
        done, or the beams, best first; one where it asks for neither.

        Samples before the `first` are left out. So many `rows` are drawn side by side, padded where
        there are fewer; else as many as there are, up to the batch size. `told` hears the share
        that is drawn. Raises ConfigError, TokenizerError, both at once.
        """
        if config.beams is not None:
            *_, found = self.search(prompt, config)
            assert isinstance(found, Found)
            return iter(found.completions)
        size = rows or min(config.batch_size, config.num_samples or 1)
        return self._samples(Continuation(self, prompt, config), first, size, told)

    def search(self, prompt: str, config: SampleConfig) -> Iterator[Piece | Found]:
        """A beam search as it goes: pieces of the best text as soon as they are certain, at the
        end all that was found. Raises ConfigError, TokenizerError, both at once."""
        work = Continuation(self, prompt, config)
        search = BeamSearch(self.engine, self.tokenizer, config, work.dropped, work.guide)
        return search.run(work.beginning, prompt)

    def choose(self, prompt: str, choices: Sequence[str]) -> list[Choice]:
        """The given ways to go on from the prompt, the likeliest first, with their probabilities.
        Raises ConfigError where there are none, or an empty one, or one twice; TokenizerError."""
        _check_prompt(self.tokenizer, prompt)
        return choose(self.model, self.engine, self.tokenizer, prompt, choices)

    def _samples(
        self, work: Continuation, first: int, size: int, told: Told
    ) -> Iterator[Completion]:
        """Batches of one size, the last one too, so that a sample does not depend on how many
        others there are: rows of a product differ in the last digits between sizes."""
        count = work.config.num_samples or 1
        streams = generators(work.config.seed)
        for start in range(0, count, size):
            rows = list(islice(streams, size))
            if start + size <= first:
                continue
            writers = [work.writer() for _ in rows]
            written: list[list[Piece]] = [[] for _ in rows]
            needed = writers[: count - start]
            for number, pieces in enumerate(work.draw(writers, rows, needed)):
                for row, piece in zip(written, pieces, strict=True):
                    if piece is not None:
                        row.append(piece)
                done = (number + 1) / work.config.max_tokens
                told(min(1.0, (start + len(needed) * done) / count))
            for index, writer in enumerate(needed, start=start):
                if index >= first:
                    yield complete(work.prompt, written[index - start], writer)
        told(1.0)


def load(path: str | os.PathLike[str], device: str = "cpu") -> TextGenerator:
    """The model in a checkpoint folder, ready to write. Raises CheckpointError, DeviceError."""
    picked = pick_device(device)
    checkpoint = load_checkpoint(path)
    return TextGenerator(checkpoint.model.to(picked), checkpoint.tokenizer)


class Continuation:
    """One prompt and how to go on from it; everything that can be refused is refused here."""

    def __init__(self, generator: TextGenerator, prompt: str, config: SampleConfig) -> None:
        self._model, self._tokenizer = generator.model, generator.tokenizer
        self._engine = generator.engine
        self.prompt, self.config = prompt, config
        _check_prompt(self._tokenizer, prompt)
        seen = self._model.seen.cpu()
        self._seen, self._unseen = seen, ~seen
        self._looks_back = any(getattr(config, name) is not None for name in LOOKING_BACK)
        self._recent = np.empty(0, dtype=np.int64)  # tokens of the prompt that penalties look at
        self._banned = _banned(config, self._tokenizer, seen)
        may_be_drawn = seen if self._banned is None else seen & ~self._banned
        self.guide = Guide.of(config, self._tokenizer, may_be_drawn)
        # What a search leaves out; a guide itself keeps out what was never seen.
        self.dropped = ~seen if self.guide is None else torch.zeros_like(seen)
        if self._banned is not None:
            self.dropped |= self._banned
        self.beginning = self._begin()

    def writer(self) -> Writer:
        return Writer(self._tokenizer, self.config)

    @torch.inference_mode()
    def _begin(self) -> Beginning:
        """Read the prompt, after the end of a document: here the texts go on."""
        model, tokenizer = self._model, self._tokenizer
        state = model.initial_state(1)
        head, word = np.array([tokenizer.end]), b""
        for tokens, is_last in _encoded(tokenizer, self.prompt):
            if is_last and self.config.heal:
                kept, word = take_back(tokenizer, tokens.tolist())
                tokens = np.array(kept, dtype=np.int64)
            window = self.config.penalty_window
            self._recent = np.concatenate([self._recent, tokens[-window:]])[-window:]
            tokens, head = np.concatenate([head, tokens]), tokens[:0]
            if len(tokens):
                x, state = read_tokens(model, tokens, state)  # (1, H)
        logits = model.read_out(x[:, None])[:, 0]  # (1, V)
        if not word:
            self._refuse_hopeless()
            return Beginning(logits, state)
        spellings = spell(self._engine, tokenizer, self._seen, word, logits, state)
        return Beginning(logits, state, self._limited(spellings))

    @torch.inference_mode()
    def draw(
        self,
        writers: list[Writer],
        streams: list[torch.Generator],
        needed: list[Writer] | None = None,
    ) -> Iterator[list[Piece | None]]:
        """Draw a token for each writer and yield what they can show, again and again until all of
        them, or all that are `needed`, have finished."""
        engine, spellings = self._engine, self.beginning.spellings
        needed = needed or writers
        sampler = Sampler(self.config, streams, self._banned)
        before = torch.from_numpy(self._recent).expand(len(writers), -1)  # (B, N)
        states = np.zeros(len(writers), dtype=np.int32)
        if spellings is None:
            logits = self.beginning.logits.expand(len(writers), -1)  # (B, V)
            memory = engine.start(self.beginning.state.map(lambda p: p.expand(len(writers), -1)))
        else:
            ways = self._draw_ways(spellings, streams)  # (B,)
            tokens = spellings.tokens[ways]
            inside = [spellings.inside[way] for way in ways.tolist()]
            if self.guide is not None:
                pairs = zip(tokens.tolist(), inside, strict=True)
                states = np.array([self.guide.begin(*pair) for pair in pairs], dtype=np.int32)
            costs = spellings.logprobs[ways].tolist()
            yield _add(writers, tokens, costs, inside)
            before = self._append(before, tokens)
            memory = engine.start(spellings.state.select(spellings.parents[ways]))
            logits = engine.step(tokens, memory)
        while not all(writer.finish_reason for writer in needed):
            own = logits.float().cpu()
            tokens = sampler(self._allowed(own, states, writers), before)
            costs = own.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0].tolist()
            yield _add(writers, tokens, costs)
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

    def _allowed(self, logits: Tensor, states: Numbers, writers: list[Writer]) -> Tensor:
        """The (B, V) logits of what may be drawn at all."""
        if self.guide is not None:
            logits = self.guide.limit(logits, states)
        else:
            logits = logits.masked_fill(self._unseen, NEVER)
        if self.config.min_chars is not None:
            ends = torch.zeros_like(logits, dtype=torch.bool)
            ends[:, self._tokenizer.end] = torch.tensor([not w.may_end for w in writers])
            logits = without(logits, ends)
        return logits

    def _limited(self, spellings: Spellings) -> Spellings:
        """The spellings without those that go beyond the prompt by what may not be drawn."""
        banned, refused = [], []
        for token, inside in zip(spellings.tokens.tolist(), spellings.inside, strict=True):
            beyond = inside < len(self._tokenizer.pieces[token])
            banned.append(beyond and self._banned is not None and bool(self._banned[token]))
            refused.append(self.guide is not None and self.guide.begin(token, inside) == NOWHERE)
        if all(refused):
            self._refuse_hopeless()
        left = spellings.logprobs.masked_fill(torch.tensor(refused), NEVER)
        return replace(spellings, logprobs=without(left[None], torch.tensor([banned]))[0])

    def _refuse_hopeless(self) -> None:
        if self.guide is not None and not self.guide.can_begin:
            raise ConfigError(
                "no text that this model can write keeps to `regex` or `charset`",
                hint="it never draws what its training text did not hold, nor what is banned",
            )

    def _draw_ways(self, spellings: Spellings, streams: list[torch.Generator]) -> Tensor:
        """Draw the end of the prompt and the first token, as one, for each stream: (B,)."""
        off: dict[str, Any] = dict.fromkeys(LOOKING_BACK) | {"ban": ()}
        chances = spellings.logprobs.expand(len(streams), -1)  # (B, N)
        sampler = Sampler(replace(self.config, **off), streams)
        return sampler(chances, torch.empty(len(streams), 0, dtype=torch.int64))


def _check_prompt(tokenizer: Tokenizer, prompt: str) -> None:
    if isinstance(prompt, str) and len(prompt) > MOST_PROMPT:  # before a copy of it is made
        raise TokenizerError(
            f"a prompt of {len(prompt):,} characters is too long, {MOST_PROMPT:,} are the most",
            hint="give its last part",
        )
    tokenizer.check(prompt)


def _add(
    writers: list[Writer], tokens: Tensor, costs: list[float], inside: list[int] | None = None
) -> list[Piece | None]:
    places = inside or [0] * len(writers)
    rows = zip(writers, tokens.tolist(), costs, places, strict=True)
    return [writer.add(token, cost, place) for writer, token, cost, place in rows]


def _encoded(tokenizer: Tokenizer, prompt: str) -> Iterator[tuple[Tokens, bool]]:
    """The tokens of a prompt in pieces, cut between lines or words, and whether one is the last."""
    at = 0
    while True:
        stop = at + ENCODED_AT_ONCE
        if stop < len(prompt):
            # A word begins with the space before it.
            cut = prompt.rfind("\n", at, stop) + 1 or prompt.rfind(" ", at + 1, stop)
            stop = cut if cut > at else stop
        yield tokenizer.encode_array(prompt[at:stop]), stop >= len(prompt)
        if stop >= len(prompt):
            return
        at = stop


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
                f"no token of this model holds {text!r}, so `ban` cannot keep it out",
                hint="ban something shorter, or end the text before it with --stop",
            )
        banned |= holding
    if not (seen & ~banned).any():
        raise ConfigError("`ban` leaves nothing to draw", hint="ban less")
    return banned
