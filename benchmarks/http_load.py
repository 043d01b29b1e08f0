"""A `chargen serve` of our own, and clients of it, as many as one thread can be.

Server and clients share the cores, so a client does next to nothing while it runs: it puts away
what comes, and when. What it was sent is read, and checked, once all of them are done. Knows
HTTP/1.1 and event streams; of models nothing.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

RECEIVE_BYTES = 1 << 18
START_SECONDS = 60  # in which a server should have its model
STOP_SECONDS = 20
DONE = b"[DONE]"


@dataclass
class Answer:
    """What one request was sent. Times are those of perf_counter, in seconds; `first` is when the
    first event came, `ended` when the last byte did: None if that never happened."""

    request: bytes
    begun: float
    first: float | None = None
    ended: float | None = None
    parts: list[bytes] = field(default_factory=list)
    _left: int | None = None  # bytes still to come, where the head says how many there are

    def take(self, part: bytes, now: float) -> bool:
        """Put away what came; whether it was the last of it."""
        if self.first is None and b"data: " in part:
            self.first = now
        self.parts.append(part)
        if len(self.parts) == 1:
            # A server writes a head at once, and one this short is never cut.
            head, _, body = part.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            self._left = int(length[1]) - len(body) if length else None
        elif self._left is not None:
            self._left -= len(part)
        if self._left == 0 or (self._left is None and self._has_last_chunk(part)):
            self.ended = now
        return self.ended is not None

    def _has_last_chunk(self, part: bytes) -> bool:
        end = part if len(part) >= 7 else b"".join(self.parts[-7:])
        return end.endswith(b"\r\n0\r\n\r\n")

    @cached_property
    def status(self) -> int:
        """0 where nothing came."""
        words = self._message[0].split(maxsplit=2)
        return int(words[1]) if len(words) > 1 else 0

    @cached_property
    def body(self) -> bytes:
        head, body = self._message
        return _unchunk(body) if b"transfer-encoding: chunked" in head.lower() else body

    @cached_property
    def _message(self) -> tuple[bytes, bytes]:
        head, _, body = b"".join(self.parts).partition(b"\r\n\r\n")
        return head, body

    @cached_property
    def events(self) -> list[Any]:
        """Of a stream, without the last, [DONE]. Raises ValueError where that is missing."""
        lines = [line[6:] for line in self.body.split(b"\n\n") if line.startswith(b"data: ")]
        if not lines or lines.pop() != DONE:
            raise ValueError(f"no [DONE] at the end of {self.body[-200:]!r}")
        return [json.loads(line) for line in lines]

    @cached_property
    def text(self) -> str:
        """What was generated, or streamed, of a single completion."""
        if self.first is None:
            return str(json.loads(self.body)["choices"][0]["text"])
        return "".join(choice["text"] for event in self.events for choice in event["choices"])

    @cached_property
    def num_tokens(self) -> int:
        """By the usage at the end."""
        last = json.loads(self.body) if self.first is None else self.events[-1]
        return int(last["usage"]["completion_tokens"])

    @property
    def fault(self) -> str | None:
        """What is wrong with it, for one that should be a whole completion."""
        if self.ended is None:
            return f"ended early: {b''.join(self.parts)[-200:]!r}"
        if self.status != 200:
            return f"status {self.status}: {self.body[:200]!r}"
        try:
            return self._fault_of_completion()
        except (ValueError, LookupError, TypeError) as error:
            return f"{type(error).__name__}: {error} in {self.body[-200:]!r}"

    def _fault_of_completion(self) -> str | None:
        bodies = [json.loads(self.body)] if self.first is None else self.events
        *early, reason = (choice["finish_reason"] for b in bodies for choice in b["choices"])
        wanted = json.loads(self.request.partition(b"\r\n\r\n")[2])["max_tokens"]
        if any(early) or reason not in ("length", "stop"):
            return f"it finished by {[*early, reason][-3:]}"
        if (reason == "length") != (self.num_tokens == wanted):
            return f"{self.num_tokens} tokens of {wanted}, finished by {reason}"
        if not self.text:
            return "no text"
        return None


def _unchunk(content: bytes) -> bytes:
    """The body, without the sizes of its chunks."""
    parts = []
    while content:
        size, _, content = content.partition(b"\r\n")
        length = int(size, 16)
        parts.append(content[:length])
        content = content[length + 2 :]
    return b"".join(parts)


def post(path: str, body: bytes, *, keep_alive: bool = False) -> bytes:
    """A request with a body of JSON."""
    connection = "keep-alive" if keep_alive else "close"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {connection}\r\n\r\n"
    )
    return head.encode() + body


def completion(*, keep_alive: bool = False, **options: Any) -> bytes:
    """A request of POST /v1/completions."""
    if options.get("stream"):
        options["stream_options"] = {"include_usage": True}
    return post("/v1/completions", json.dumps(options).encode(), keep_alive=keep_alive)


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=STOP_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(
    port: int, requests: Iterable[bytes], at_once: int = 1, *, keep_alive: bool = False
) -> list[Answer]:
    """The answers, in order. So many clients at once: when one is done, the next one begins, on a
    connection of its own or, with `keep_alive`, on the same one."""
    waiting = iter(requests)
    answers: list[Answer] = []
    with selectors.DefaultSelector() as selector:

        def begin(connection: socket.socket | None = None) -> None:
            request = next(waiting, None)
            if request is None:
                if connection is not None:
                    connection.close()
                return
            answers.append(Answer(request, begun=time.perf_counter()))
            connection = connection or connect(port)
            connection.sendall(request)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, answers[-1])

        for _ in range(at_once):
            begin()
        while selector.get_map():
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                part = _receive(key.fileobj)
                if part and not key.data.take(part, time.perf_counter()):
                    continue
                selector.unregister(key.fileobj)
                if keep_alive and part:
                    begin(key.fileobj)
                else:
                    key.fileobj.close()
                    begin()
    return answers


def _receive(connection: socket.socket) -> bytes:
    """Nothing where it was cut off."""
    try:
        return connection.recv(RECEIVE_BYTES)
    except ConnectionError:
        return b""


class Server:
    """A `chargen serve` that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = self._wait_for_port()

    def _wait_for_port(self) -> int:
        """Raises SystemExit where it does not start."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            printed = self.log.read_text(encoding="utf-8")
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", printed):
                port = int(found[1])
                if self.health(port).get("status") == "ok":
                    return port
            time.sleep(0.05)
        raise SystemExit(f"the server did not start: {self.log.read_text(encoding='utf-8')}")

    def health(self, port: int | None = None) -> dict[str, Any]:
        """What GET /health says; empty where nobody answers."""
        request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        try:
            (answer,) = ask(port or self.port, [request])
            found = json.loads(answer.body)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def resident_bytes(self) -> int:
        """Of its memory that no file backs. Linux alone tells."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return 1024 * int(status.partition("RssAnon:")[2].split()[0])

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads, finer than the clock tick of getrusage. Linux alone tells."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def stop(self) -> int:
        """Its exit code, after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """`chargen serve ARGUMENTS`, in a process of its own, on a free port."""
    command = [sys.executable, "-m", "chargen", "serve", *arguments, "--port", "0", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with open(log, "wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(os.environ)
            )
        try:
            server = Server(process, log)
            yield server
            if code := server.stop():
                raise SystemExit(f"the server ended with {code}: {log.read_text()}")
        finally:
            process.kill()
            process.wait()
