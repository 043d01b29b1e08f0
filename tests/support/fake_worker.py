"""A worker that does what a test tells it, and when: nothing else can be made to read a prompt for
ever, to wait in the queue or to die at a certain moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from chargen.errors import ChargenError
from chargen.generation.batch import TokenScore
from chargen.generation.completion import Piece
from chargen.generation.generator import TextGenerator
from chargen.server.text_requests import Generation, TextRequest
from chargen.server.worker import Worker


class FakeText:
    def __init__(self) -> None:
        self.reason: str | None = None
        self.num_tokens = 0
        self.logprob = 0.0
        self.untaken: list[tuple[Piece, tuple[TokenScore, ...]]] = []

    @property
    def finish_reason(self) -> str | None:
        """Not before its last piece is taken."""
        return None if self.untaken else self.reason

    def take(self) -> list[tuple[Piece, tuple[TokenScore, ...]]]:
        taken, self.untaken = self.untaken, []
        return taken


class FakeGeneration:
    """What one request is to get; `say` and `end` are what a test has it get."""

    def __init__(self, request: TextRequest, news: asyncio.Event) -> None:
        self.request = request
        self.prompt_tokens: tuple[int, ...] = (1, 2, 3)
        self.prompt_scores: tuple[TokenScore, ...] = ()
        self.cached_tokens = 0
        self.texts = [FakeText() for _ in range(request.config.num_samples or 1)]
        self.is_reading = True
        self.error: BaseException | None = None
        self.is_cancelled = asyncio.Event()
        self._new = news

    @property
    def is_done(self) -> bool:
        return self.error is not None or all(text.finish_reason for text in self.texts)

    def say(self, text: str, index: int = 0) -> None:
        self.is_reading = False
        self.texts[index].untaken.append((Piece(text, (5,), -1.0), ()))
        self.texts[index].num_tokens += 1
        self._new.set()

    def end(self, error: BaseException | None = None) -> None:
        self.error = error
        for text in self.texts:
            text.reason = "length"
        self._new.set()

    def cancel(self) -> None:
        self.is_cancelled.set()


class FakeWorker:
    """What is submitted stands in `generations`; `submit` and `prepare` raise what a test sets."""

    def __init__(self, generator: TextGenerator) -> None:
        self.generator = generator
        self.generations: list[FakeGeneration] = []
        self.is_alive = self.is_idle = True
        self.running = self.waiting = 0
        self.is_closed = False
        self.prepare_waits = asyncio.Event()  # cleared: for ever
        self.prepare_waits.set()
        self.prepare_error: ChargenError | None = None
        self.submit_errors: Sequence[Exception | None] = ()
        self._submitted = asyncio.Event()

    async def prepare(self, request: TextRequest) -> Any:
        await self.prepare_waits.wait()
        if self.prepare_error is not None:
            raise self.prepare_error
        return request

    def submit(self, prepared: Any, news: asyncio.Event) -> Generation:
        error, *self.submit_errors = self.submit_errors or [None]
        if error is not None:
            raise error
        self.generations.append(FakeGeneration(prepared, news))
        self._submitted.set()
        return cast(Generation, self.generations[-1])

    async def submitted(self, number: int = 0) -> FakeGeneration:
        """What was submitted, once it is."""
        while len(self.generations) <= number:
            self._submitted.clear()
            await self._submitted.wait()
        return self.generations[number]

    def close(self) -> None:
        self.is_closed = True


def as_worker(fake: FakeWorker) -> Worker:
    return cast(Worker, fake)
