"""HTTP as uvicorn speaks it, to clients that get to the point: a connection on which no request
comes to the end of its headers, within seconds and bytes, is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from chargen.server.exchange import MAX_BODY

HEAD_SECONDS = 20.0
MAX_HEAD = 32 * 1024  # bytes of a request's headers; httptools knows no bound
# Of what comes between two requests: headers, or what is left of a body that was refused, which is
# read so that its client gets to read why.
MAX_BETWEEN = 2 * MAX_BODY

Base: Any = AutoHTTPProtocol  # h11, or httptools where it is installed; to mypy one of the two


class Protocol(Base):  # type: ignore[misc]
    """One connection."""

    cycle: Any  # the last request, and its answer

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._num_between = 0  # bytes
        self._head_timer: asyncio.TimerHandle | None = None
        self._wait_for_head()
        self._is_last = False  # whether no other request is taken

    def on_message_begin(self) -> None:
        self._head_size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:  # whoever sent them, no key is looked at before
            raise ValueError("too many headers")  # which uvicorn makes a 400
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request that comes before the last one is answered is not taken, as HTTP allows:
        uvicorn would read no more until then, and never notice that the client hangs up."""
        before = self.cycle
        super().on_headers_complete()
        if before not in (None, self.cycle) and not before.response_complete:
            self.pipeline.clear()
            self.cycle, before.keep_alive = before, False
            self.flow.resume_reading()
            self._is_last = True

    def data_received(self, data: bytes) -> None:
        if self._is_last:
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # the headers of a request are there
            self._num_between = 0
            self._stop_waiting()
        elif before is None or before.response_complete:
            self._num_between += len(data)
            self._wait_for_head()
            if self._num_between > MAX_BETWEEN:
                self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(error)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
