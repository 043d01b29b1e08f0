"""One request and its answer over ASGI: the body within bounds, an answer at once or as a stream of
server-sent events, and what ends either before its time.

Starlette does not notice a client that hangs up before its answer is complete: here somebody always
waits for that, and whatever is being done for it is cancelled. Knows nothing of models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from chargen.display.console import in_one_line
from chargen.server.openai_errors import ApiError

MAX_BODY = 16 * 2**20  # bytes
MAX_BODIES = 16 * MAX_BODY  # of all requests at a time: what was read of one waits with it
BODY_SECONDS = 30.0  # in which a body should have come
SEND_SECONDS = 30.0  # in which a client should have taken something of what it is sent
TELL_SECONDS = 1.0  # the same, of what went wrong
MAX_PATH = 200  # characters that are shown of one
JSON = "application/json"
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold it back
}
# What an error comes with, by its status.
HEADERS = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
    429: {"retry-after": "1"},  # seconds
}


class GaveUp(Exception):
    """The client hung up, or takes nothing: there is nobody to be answered."""


class BodyBudget:
    """How many bytes the bodies have of all requests that are not answered yet."""

    def __init__(self) -> None:
        self.in_use = 0


class Exchange:
    """A request and its answer. While it is entered, what is awaited is cancelled once the client
    hangs up or takes nothing, or by `interrupt`; then GaveUp or the other reason is raised."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.status: int | None = None  # of the answer, once it has begun
        self.was_left = False  # by its client
        # For a log: which model was asked, how many tokens it sampled, and what went wrong.
        self.model: str | None = None
        self.num_tokens: int | None = None
        self.error: ApiError | None = None
        self.began_at = time.perf_counter()
        self._receive, self._send = receive, send
        self._budget: BodyBudget | None = None
        self._body_size = 0
        self._is_streaming = self._is_complete = False
        self._sending_since: float | None = None
        self._reason: Exception | None = None
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """As it can be shown: it may be anything."""
        return in_one_line(self.scope["path"][:MAX_PATH])

    @property
    def parameters(self) -> Mapping[str, str]:
        """Those of the path."""
        found: Mapping[str, str] = self.scope.get("path_params", {})
        return found

    @property
    def query(self) -> Mapping[str, str]:
        """The fields behind the path."""
        return QueryParams(self.scope["query_string"])

    def has(self, tag: str) -> bool:
        """Whether the client has what has this tag."""
        held = self.headers.get("if-none-match", "").split(",")
        return f'"{tag}"' in [one.strip().removeprefix("W/") for one in held]

    # -- the request ----------------------------------------------------------------------------

    async def body(self, budget: BodyBudget) -> bytes:
        """All of it, which takes from the budget until the exchange is left. Only from then on a
        client that hangs up is noticed. Raises ApiError where it is too large or too slow, GaveUp.
        """
        with suppress(ValueError):
            if int(self.headers.get("content-length", "0")) > MAX_BODY:
                raise _too_large()
        self._budget = budget
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise GaveUp
                    part = message.get("body", b"")
                    parts.append(part)
                    self._body_size += len(part)
                    budget.in_use += len(part)
                    if self._body_size > MAX_BODY:
                        raise _too_large()
                    if budget.in_use > MAX_BODIES:
                        raise ApiError("too many large bodies at once; try again later", status=429)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            words = f"the body did not come within {BODY_SECONDS:g} seconds"
            raise ApiError(words, status=408) from None
        self._watcher = asyncio.create_task(self._watch())
        return b"".join(parts)

    # -- what ends it before its time -----------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._watcher is not None:
            self._watcher.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._budget is not None:
            self._budget.in_use -= self._body_size
        if kind is asyncio.CancelledError and self._reason is not None:
            assert task is not None
            if task.uncancel() == 0:  # nobody else has cancelled it, too
                raise self._reason from None

    def interrupt(self, reason: Exception) -> None:
        """Cancel what is being done. The first reason counts."""
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.interrupt(GaveUp())

    def _check_sending(self) -> None:
        """From time to time: a timer for each part that is sent would cost more than sending it."""
        since = self._sending_since
        if since is not None and time.perf_counter() - since >= SEND_SECONDS:
            self.interrupt(GaveUp())
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SEND_SECONDS / 2, self._check_sending)

    # -- the answer -----------------------------------------------------------------------------

    async def answer(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        kind: str = JSON,
    ) -> None:
        """All of it at once."""
        length = {"content-type": kind, "content-length": str(len(body))}
        await self._begin(status, length | dict(headers or {}))
        await self._end(b"" if self.method == "HEAD" else body)

    async def answer_unchanged(self, headers: Mapping[str, str]) -> None:
        """The client has it already."""
        await self._begin(304, headers)
        await self._end(b"")

    async def answer_parts(
        self, parts: AsyncIterator[bytes], size: int, headers: Mapping[str, str]
    ) -> None:
        """So many bytes, as the client takes them: only a part of them is in memory. Raises GaveUp
        where there are fewer."""
        self._watcher = asyncio.create_task(self._watch())
        self._check_sending()
        await self._begin(200, {"content-length": str(size)} | dict(headers))
        if self.method != "HEAD":
            async for part in parts:
                size -= len(part)
                await self._pass_on(part)
            if size:
                raise GaveUp
        await self._end(b"")

    async def write(self, events: bytes) -> None:
        """Some events of a stream, which the first of them begins, in one part."""
        await self._begin_stream()
        await self._pass_on(events)

    async def _pass_on(self, part: bytes) -> None:
        self._sending_since = time.perf_counter()
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._sending_since = None

    async def finish(self, events: bytes) -> None:
        """The last events of a stream, and its end."""
        await self._begin_stream()
        self._sending_since = time.perf_counter()
        await self._end(events)

    async def _begin_stream(self) -> None:
        if not self._is_streaming:
            self._is_streaming = True
            self._check_sending()
            await self._begin(200, STREAM_HEADERS)

    async def refuse(self, error: ApiError, headers: Mapping[str, str] | None = None) -> None:
        """Say what went wrong: by a status, or by an event where a stream has begun; then it is
        over. A client that takes nothing is not told."""
        self.error = error
        with suppress(TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                if self.status is None:
                    headers = HEADERS.get(error.status, {}) | dict(headers or {})
                    await self.answer(error.status, error.envelope(), headers)
                elif self._is_streaming and not self._is_complete:
                    await self._end(error.event())

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _end(self, body: bytes) -> None:
        self._is_complete = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


OnAnswered = Callable[[Exchange], None]  # once it is over, for a log


def _too_large() -> ApiError:
    return ApiError(f"the body is larger than {MAX_BODY:,} bytes", status=413)
