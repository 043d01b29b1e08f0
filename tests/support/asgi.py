"""An ASGI app called without a server: every part of an answer as it is sent, and clients that hang
up, send nothing more, or take nothing, just when a test wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message

LOCAL = {"host": "localhost:8080"}


class Call:
    """One request. `parts` are the bodies as they are sent; the answer may be awaited, or the
    client hangs up."""

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        ends: bool = True,
    ) -> None:
        """A body that is not bytes is sent as JSON; one that does not end goes on with `send`."""
        if body is None:
            content = b""
        else:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        raw = [(n.lower().encode(), v.encode()) for n, v in (LOCAL | dict(headers or {})).items()]
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": raw,
        }  # fmt: skip
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.is_complete = False
        self.takes = asyncio.Event()  # cleared: it takes nothing
        self.takes.set()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._new = asyncio.Event()
        self.send(content, ends=ends)
        self.task = asyncio.ensure_future(app(self.scope, self._messages.get, self._receive_part))

    def send(self, content: bytes, *, ends: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": content, "more_body": not ends})

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def _receive_part(self, message: Message) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            return
        self.is_complete = not message.get("more_body", False)
        if message["body"]:
            self.parts.append(message["body"])
        self._new.set()

    async def answer(self) -> Call:
        """It, once it is answered."""
        await self.task
        return self

    async def part(self, number: int) -> bytes:
        """A part of the answer, once it is there."""
        while len(self.parts) <= number:
            self._new.clear()
            await self._new.wait()
        return self.parts[number]

    @property
    def content(self) -> bytes:
        return b"".join(self.parts)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> dict[str, Any]:
        """What an answer says that is an error, or the last event of a stream."""
        content = self.content.strip().rpartition(b"\n\n")[2].removeprefix(b"data: ")
        found: dict[str, Any] = json.loads(content)["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found
