"""Write text: `stream` token by token, `generate` many texts at once, or search with beams.

    prompt -> tokens -> state -> (sampler or beams) -> tokens -> whole characters -> stop texts

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, overload

import torch
from torch import Tensor

from chargen import config as options_of
from chargen.checkpoint import load_checkpoint
from chargen.config import SampleConfig
from chargen.device import pick_device, without_onednn
from chargen.model import LanguageModel, State
from chargen.sampling import NEVER, Sampler, generators
from chargen.tokenizer import StreamDecoder, Tokenizer

FinishReason = Literal["length", "stop", "end"]

PROMPT_CHUNK = 1024  # tokens of the prompt that are read at once: memory does not grow with it
MOST_ROWS = 256  # texts that are drawn side by side


@dataclass(frozen=True)
class Piece:
    """Some more of a text: whole characters, and the tokens that spell them.

    `logprob` is in nats, under the model itself, before any processor.
    """

    text: str
    tokens: tuple[int, ...]
    logprob: float


@dataclass(frozen=True)
class Completion:
    """A text that goes on from `prompt`, without it.

    `tokens` are those that it shows any of, and the end-of-document token where that ended it;
    `logprob` is their sum, in nats, under the model itself, before any processor. It finished for
    its `length`, at a `stop` text, which is not part of it, or at the `end` of the document.
    """

    prompt: str
    text: str
    tokens: tuple[int, ...]
    logprob: float
    finish_reason: FinishReason


class TextGenerator:
    """A model and its tokenizer, ready to write."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    def stream(
        self, prompt: str = "", config: SampleConfig | None = None, **options: Any
    ) -> Iterator[Piece]:
        """Yield one completion as it is written; its pieces joined are the whole.

        `options` are the fields of SampleConfig, or `config` is all of them. With `beams` the
        likeliest text comes as one piece, after the search. Raises ConfigError, TokenizerError.
        """
        config = config or options_of.make(SampleConfig, options)
        return stream(self.model, self.tokenizer, prompt, config)

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

    def complete(self, prompt: str, config: SampleConfig) -> Iterator[Completion]:
        """The completions that the config asks for: the samples in order, as batches of them are
        done, or the beams, best first; one where it asks for neither. Raises TokenizerError."""
        return generate(self.model, self.tokenizer, prompt, config)


def load(path: str | os.PathLike[str], device: str = "cpu") -> TextGenerator:
    """The model in a checkpoint folder, ready to write. Raises CheckpointError, DeviceError."""
    picked = pick_device(device)
    checkpoint = load_checkpoint(path)
    return TextGenerator(checkpoint.model.to(picked), checkpoint.tokenizer)


def stream(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, config: SampleConfig
) -> Iterator[Piece]:
    """The pieces of one completion, as they come. The prompt is encoded at once, so that a bad
    one is refused here and not at the first piece."""
    tokens = tokenizer.encode(prompt)
    if config.beams is not None:
        best = next(generate(model, tokenizer, prompt, config))
        return iter([Piece(best.text, best.tokens, best.logprob)])
    return _stream(model, tokenizer, tokens, config)


def generate(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, config: SampleConfig
) -> Iterator[Completion]:
    """The completions that the config asks for: the samples in order, as batches of them are done,
    or the beams, best first. The prompt is encoded at once, so that a bad one is refused here."""
    tokens = tokenizer.encode(prompt)
    if config.beams is not None:
        logits, state = _read_prompt(model, tokenizer, tokens)
        return iter(_beam_search(model, tokenizer, prompt, config, logits, state))
    return _samples(model, tokenizer, prompt, tokens, config)


def _samples(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str,
    tokens: list[int],
    config: SampleConfig,
) -> Iterator[Completion]:
    logits, state = _read_prompt(model, tokenizer, tokens)
    count = config.num_samples or 1
    streams = generators(config.seed)
    for first in range(0, count, MOST_ROWS):
        rows = list(islice(streams, min(MOST_ROWS, count - first)))
        writers = [Writer(tokenizer, config) for _ in rows]
        pieces: list[list[Piece]] = [[] for _ in rows]
        for drawn in _draws(model, Sampler(config, model.seen, rows), logits, state, len(rows)):
            for writer, written, (token, logprob) in zip(writers, pieces, drawn, strict=True):
                if piece := writer.add(token, logprob):
                    written.append(piece)
            if all(writer.finish_reason for writer in writers):
                break
        for writer, written in zip(writers, pieces, strict=True):
            yield _completion(prompt, written, writer)


class Writer:
    """Tokens of one text in, pieces out: whole characters, cut at the first stop text.

    What could be the beginning of a stop text is held back until it is known. A piece never splits
    a token, but for one that a stop text cuts.
    """

    def __init__(self, tokenizer: Tokenizer, config: SampleConfig) -> None:
        self._decoder = StreamDecoder(tokenizer)
        self._end = tokenizer.end
        self._stops = config.stop
        self._room = config.max_tokens
        self._held = ""
        # What spells the held text: tokens, those of one character together; their logprob; and
        # where in the held text they stop.
        self._waiting: list[tuple[tuple[int, ...], float, int]] = []
        self.finish_reason: FinishReason | None = None

    def add(self, token: int, logprob: float) -> Piece | None:
        """What can be shown now that this token came. A finished text takes no more tokens."""
        if self.finish_reason:
            return None
        tokens: tuple[int, ...] = (token,)
        if self._decoder.inside_character and token != self._end:
            earlier, cost, _ = self._waiting.pop()
            tokens, logprob = earlier + tokens, cost + logprob
        self._room -= 1
        self._held += self._decoder.feed(token)
        self._waiting.append((tokens, logprob, len(self._held)))
        cut = min((at for stop in self._stops if (at := self._held.find(stop)) >= 0), default=-1)
        if cut >= 0:
            starts = [0, *(stop for _, _, stop in self._waiting[:-1])]
            pairs = zip(self._waiting, starts, strict=True)
            self._waiting = [waiting for waiting, start in pairs if start < cut]
            self._held = self._held[:cut]
            self.finish_reason = "stop"
        elif token == self._end or not self._room:
            self._held += self._decoder.flush()
            self.finish_reason = "end" if token == self._end else "length"
        if self.finish_reason:
            return self._give(len(self._waiting))
        if self._decoder.inside_character:
            return None
        safe = self._safe_length()
        return self._give(sum(stop <= safe for _, _, stop in self._waiting))

    def _safe_length(self) -> int:
        """How much of the held text is before anything that may become a stop text."""
        held = self._held
        for start in range(len(held)):
            if any(stop.startswith(held[start:]) for stop in self._stops):
                return start
        return len(held)

    def _give(self, count: int) -> Piece | None:
        """The piece that the first `count` of what is waiting spells."""
        if not count:
            return None
        given, self._waiting = self._waiting[:count], self._waiting[count:]
        length = given[-1][2] if self._waiting else len(self._held)
        text, self._held = self._held[:length], self._held[length:]
        self._waiting = [(tokens, cost, stop - length) for tokens, cost, stop in self._waiting]
        return Piece(
            text,
            tuple(token for tokens, _, _ in given for token in tokens),
            sum(cost for _, cost, _ in given),
        )


def _completion(prompt: str, pieces: list[Piece], writer: Writer) -> Completion:
    """The whole of what a writer has given out."""
    return Completion(
        prompt,
        "".join(piece.text for piece in pieces),
        tuple(token for piece in pieces for token in piece.tokens),
        sum((piece.logprob for piece in pieces), start=0.0),
        writer.finish_reason or "length",
    )


def _stream(
    model: LanguageModel, tokenizer: Tokenizer, tokens: list[int], config: SampleConfig
) -> Iterator[Piece]:
    logits, state = _read_prompt(model, tokenizer, tokens)
    writer = Writer(tokenizer, config)
    sampler = Sampler(config, model.seen, [next(generators(config.seed))])
    for [(token, logprob)] in _draws(model, sampler, logits, state, 1):
        if piece := writer.add(token, logprob):
            yield piece
        if writer.finish_reason:
            return


def _draws(
    model: LanguageModel, sampler: Sampler, logits: Tensor, state: State, rows: int
) -> Iterator[list[tuple[int, float]]]:
    """Endless (token, logprob) for each row, all rows going on from the same (V,) logits."""
    logits = logits.expand(rows, -1)  # (B, V)
    state = state.map(lambda part: part.expand(rows, -1))
    while True:
        tokens = sampler(logits)  # (B,)
        logprobs = logits.log_softmax(dim=-1).cpu().gather(-1, tokens[:, None])[:, 0]
        yield list(zip(tokens.tolist(), logprobs.tolist(), strict=True))
        logits, state = _step(model, tokens, state)


@torch.inference_mode()
def _read_prompt(
    model: LanguageModel, tokenizer: Tokenizer, tokens: list[int]
) -> tuple[Tensor, State]:
    """The (V,) logits after the end-of-document token and the prompt, and the state there."""
    device = model.head.weight.device
    state = model.initial_state(1)
    tokens = [tokenizer.end, *tokens]
    for at in range(0, len(tokens), PROMPT_CHUNK):
        chunk = torch.tensor([tokens[at : at + PROMPT_CHUNK]], device=device)
        x, state = model.read(chunk, state)  # (1, T, H)
    return model.head(x[0, -1]), state


@torch.inference_mode()
def _step(model: LanguageModel, tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """(B,) tokens -> (B, V) logits."""
    with without_onednn():
        logits, state = model(tokens[:, None].to(model.head.weight.device), state)
    return logits[:, 0], state


@torch.inference_mode()
def _beam_search(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str,
    config: SampleConfig,
    logits: Tensor,
    state: State,
) -> list[Completion]:
    """The `beams` likeliest texts that the search finds, best first.

    All beams grow by one token a round; a text that ends, at the end of the document or at a stop
    text, leaves the search and keeps its place among the best. Log-probabilities only fall, so the
    search is over once no beam can overtake the worst of the finished ones. (The stop text itself
    counts in the search, though not in the completion.)
    """
    width = config.beams or 1
    unseen = ~model.seen.cpu()
    live = [Hypothesis()]
    finished: dict[str, tuple[float, Completion]] = {}  # by text: its best score, and the whole
    logits = logits[None]  # (B, V)
    while live:
        logprobs = logits.cpu().double().log_softmax(dim=-1)  # (B, V)
        scores = torch.tensor([beam.score for beam in live], dtype=torch.double)
        totals = (scores[:, None] + logprobs.masked_fill(unseen, NEVER)).flatten()
        # Texts that end make room, so look at enough candidates to fill all beams all the same.
        best = totals.topk(min(2 * width, int(totals.isfinite().sum()))).indices
        parents: list[int] = []
        grown: list[Hypothesis] = []
        for parent, token in (divmod(candidate, model.vocab_size) for candidate in best.tolist()):
            beam = live[parent].grow(token, float(logprobs[parent, token]))
            if beam.is_finished(tokenizer, config):
                done = beam.completion(tokenizer, config, prompt)
                # A text that is cut at a stop text has come about in other ways, too.
                finished.setdefault(done.text, (beam.score, done))
            elif len(grown) < width:
                grown.append(beam)
                parents.append(parent)
        best_first = sorted(finished.items(), key=lambda entry: -entry[1][0])[:width]
        finished = dict(best_first)
        live = grown
        worst = best_first[-1][1][0] if len(best_first) == width else NEVER
        if not live or worst >= live[0].score:
            break
        state = state.select(torch.tensor(parents, device=model.head.weight.device))
        logits, state = _step(model, torch.tensor([beam.tokens[-1] for beam in live]), state)
    completions = [done for _, done in finished.values()]
    return sorted(completions, key=lambda completion: -completion.logprob)


@dataclass(frozen=True)
class Hypothesis:
    """One beam: the tokens so far and what each of them costs."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    score: float = 0.0

    def grow(self, token: int, logprob: float) -> Hypothesis:
        return Hypothesis((*self.tokens, token), (*self.logprobs, logprob), self.score + logprob)

    def is_finished(self, tokenizer: Tokenizer, config: SampleConfig) -> bool:
        if len(self.tokens) >= config.max_tokens or self.tokens[-1] == tokenizer.end:
            return True
        if not config.stop:
            return False
        text = tokenizer.decode(self.tokens)
        return any(stop in text for stop in config.stop)

    def completion(self, tokenizer: Tokenizer, config: SampleConfig, prompt: str) -> Completion:
        writer = Writer(tokenizer, config)
        pairs = zip(self.tokens, self.logprobs, strict=True)
        pieces = [piece for pair in pairs if (piece := writer.add(*pair)) is not None]
        return _completion(prompt, pieces, writer)
