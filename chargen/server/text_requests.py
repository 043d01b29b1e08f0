"""What a worker is asked for, and what comes of it: a request, its checked form, and the generation
that the worker's thread adds to while the event loop takes from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from chargen.config import CHARACTER_BYTES, SampleConfig
from chargen.generation.batch import BatchedText, GeneratedText, TokenScore
from chargen.generation.prompt_reader import PromptInChunks
from chargen.generation.rules import Rules
from chargen.tokenizers.base import Tokens


class Busy(Exception):
    """More is waiting than may wait."""


class Closed(Exception):
    """The worker has ended, or ends, and takes nothing more."""


@dataclass(frozen=True, kw_only=True)
class TextRequest:
    """A prompt, and the texts that are to continue it.

    `prompt` is a text, or token ids, which are taken as they are. The `config` says how many texts
    (`num_samples`) are sampled, text i from stream i of its seed, or searched for (`beams`).
    `unprompted` is the text that would stand there without the prompt, or without the last turn of
    a chat, which `relevance` compares with; None: there is nothing to compare.
    `bias` is added to the logits of some tokens. With `top_logprobs` each token comes with its
    log-probability and those of so many of the most likely ones; with `score_prompt` those of the
    prompt, too. Where it `samples_nothing`, that is all.
    """

    prompt: str | tuple[int, ...]
    config: SampleConfig
    unprompted: str | None = None
    bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    score_prompt: bool = False
    samples_nothing: bool = False

    @property
    def num_texts(self) -> int:
        return self.config.beams or self.config.num_samples or 1

    @property
    def compares(self) -> bool:
        """Whether what is sampled depends on what the text would be without its prompt."""
        is_sampled = self.config.beams is None and not self.samples_nothing
        return self.config.relevance > 0 and is_sampled and self.unprompted is not None

    @property
    def max_tokens(self) -> int:
        """That an answer to this can hold."""
        config, prompt = self.config, self.prompt
        scored = 0
        if self.score_prompt:
            scored = len(prompt) * (CHARACTER_BYTES if isinstance(prompt, str) else 1)
        if self.samples_nothing:
            return scored
        # A limit that nobody asked for waits for the least that was.
        longest = max(config.token_limit, CHARACTER_BYTES * (config.min_chars or 0))
        return scored + longest * self.num_texts

    @property
    def max_scores(self) -> int:
        """Log-probabilities that an answer to this can hold, those of alternatives among them."""
        return 0 if self.top_logprobs is None else self.max_tokens * (1 + self.top_logprobs)


@dataclass(frozen=True)
class Prepared:
    """A request that nothing is wrong with."""

    request: TextRequest
    rules: Rules
    prompt_tokens: tuple[int, ...]
    tokens: Tokens  # (N,) that are read: what a document begins after, and the prompt without
    tail: bytes  # its end, where a token may continue that
    state_keys: list[bytes]  # of those tokens; none where no text is sampled
    # (M,) that are read beside them, without the prompt, and their keys, where that is compared.
    unprompted: Tokens | None = None
    unprompted_keys: list[bytes] | None = None

    @property
    def num_tokens(self) -> int:
        """That are read before any text begins."""
        return len(self.tokens) + (0 if self.unprompted is None else len(self.unprompted))


class Generation:
    """What comes of a request: `texts`, which the thread adds to while the event loop takes from
    them. An `error` is the request's own fault if it is a ChargenError."""

    def __init__(
        self, prepared: Prepared, forget: Callable[[Generation], None], news: asyncio.Event
    ) -> None:
        self.prepared = prepared
        self.prompt_tokens = prepared.prompt_tokens
        self.prompt_scores: tuple[TokenScore, ...] = ()  # before any text begins
        self.cached_tokens = 0  # of the prompt, which had been read before
        self.texts: list[GeneratedText] = []
        self.num_going_on = prepared.request.num_texts  # texts that have not ended
        self.error: BaseException | None = None
        self.is_cancelled = False
        self.prompt: PromptInChunks | None = None
        self.unprompted: PromptInChunks | None = None
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._news = news

    @property
    def is_reading(self) -> bool:
        """Whether no text has begun yet."""
        return not self.is_done and not any(text.num_tokens for text in self.texts)

    @property
    def prompts(self) -> list[PromptInChunks]:
        """What is to be read before any text begins."""
        return [prompt for prompt in (self.prompt, self.unprompted) if prompt is not None]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to come, and nothing to take."""
        return self.error is not None or all(text.finish_reason for text in self.texts)

    async def news(self) -> None:
        """Return when there is something to take, or it is done."""
        await self._news.wait()
        self._news.clear()

    def cancel(self) -> None:
        """Nobody wants it any more: it costs nothing after the step in hand."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._forget(self)

    @property
    def batched(self) -> list[BatchedText]:
        """Those of the texts that are sampled."""
        return [text for text in self.texts if isinstance(text, BatchedText)]

    @staticmethod
    def tell(generations: Iterable[Generation]) -> None:
        """Wake whoever waits for these, from any thread."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Generation]] = {}
        for generation in generations:
            by_loop.setdefault(generation._loop, []).append(generation)
        for loop, woken in by_loop.items():
            with suppress(RuntimeError):  # it is closed, and nobody waits there
                loop.call_soon_threadsafe(_wake, woken)


def _wake(generations: list[Generation]) -> None:
    for generation in generations:
        generation._news.set()
