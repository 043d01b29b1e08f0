"""`chargen serve` as a process of its own, and HTTP as it goes over the wire."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # seconds after which a server is taken to hang


@dataclass(frozen=True)
class Answer:
    """What a server answers to one request."""

    status: int
    headers: dict[str, str]  # by their names in small letters
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of a stream's events, [DONE] as it is; comments are left out."""
        blocks = self.body.decode("utf-8").split("\n\n")
        assert blocks.pop() == "", "an event is incomplete"
        lines = [block.removeprefix("data: ") for block in blocks if not block.startswith(":")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def error(self) -> dict[str, Any]:
        """What is in the envelope that the openai package reads."""
        error: dict[str, Any] = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return error


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    host: str
    port: int
    said: str  # what it printed, until it accepted connections
    process: subprocess.Popen[str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The answer to one request over a connection of its own; bytes go out as they are,
        anything else as JSON."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"content-type": "application/json"} if body is not None else {}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        with closing(connection):
            connection.request(method, path, content, given | (headers or {}))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any) -> Answer:
        return self.request("POST", path, body)

    def complete(self, **body: Any) -> Answer:
        return self.post("/v1/completions", body)

    def chat(self, **body: Any) -> Answer:
        return self.post("/v1/chat/completions", body)

    @property
    def load(self) -> tuple[int, int]:
        """How many texts are being sampled, and how many wait for it."""
        health = self.get("/health").json
        return health["running"], health["waiting"]

    def wait_for(self, texts: int) -> None:
        """Wait until so many texts are sampled or wait, at least."""
        self._poll(lambda: sum(self.load) >= texts)

    def settle(self) -> None:
        """Wait until nothing is sampled: a server learns of a hang-up when the network says so."""
        self._poll(lambda: self.load == (0, 0))

    def _poll(self, is_so: Callable[[], bool]) -> None:
        start = time.monotonic()
        while not is_so():
            assert time.monotonic() - start < PATIENCE, self.load

    @contextmanager
    def dialed(self) -> Iterator[socket.socket]:
        """A bare connection."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            yield connection

    def spelled(self, path: str, body: Any) -> bytes:
        """A request as it goes over the wire."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


@contextmanager
def serving(*arguments: object, cwd: Path) -> Iterator[Served]:
    """A server on a free port; it ends well when it is asked to."""
    command = [sys.executable, "-m", "chargen", "serve", *map(str, arguments), "--port", "0"]
    with (
        subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        ) as process,
    ):
        try:
            yield _announced(process)
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def _announced(process: subprocess.Popen[str]) -> Served:
    """The server, once it has said all that it says at its start."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            [(host, port)] = re.findall(r" at http://([\d.]+):(\d+)$", said, re.M)
            return Served(host, int(port), said, process)
    raise AssertionError(f"it ended before it served: {said}")
