"""Treat a server as badly as clients do: does any of it show in the answers of others?

    python benchmarks/serve_soak.py [CHECKPOINT] [--minutes 10] [--clients 100] [--seed 1]

A table of seeded requests is asked first, alone. Then so many clients come and go at once, each
time with another intent: some ask one of the table again and compare; others hang up somewhere,
send half a request, noise, or JSON with something wrong in it, read too slowly, or are processes
that are killed. In the end the table is asked alone again. Counted as lost: an answer that differs,
that is cut off or never comes, a status of 500 or more, an error without its envelope; memory or
open files that have grown, a traceback in the log, an engine that is not idle. One thread, Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from http_load import Answer, Server, ask, post, serving

PROMPT = "The color of a strawberry is"
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
# Each of these has one answer, whatever else the server does.
SEEDED: dict[str, tuple[str, dict[str, Any]]] = {
    "greedy": (COMPLETIONS, {"prompt": PROMPT, "temperature": 0, "max_tokens": 60}),
    "sampled": (COMPLETIONS, {"prompt": PROMPT, "seed": 1, "temperature": 1, "max_tokens": 200}),
    "hot": (COMPLETIONS, {"prompt": "", "seed": 2, "temperature": 1.7, "max_tokens": 300}),
    "several": (COMPLETIONS, {"prompt": "The", "seed": 3, "n": 4, "max_tokens": 50}),
    "prompts": (COMPLETIONS, {"prompt": ["Q: ", "A: ", "The"], "seed": 4, "max_tokens": 40}),
    "ids": (COMPLETIONS, {"prompt": [5, 6, 7, 8], "seed": 5, "max_tokens": 40}),
    "best": (COMPLETIONS, {"prompt": PROMPT, "seed": 6, "best_of": 5, "n": 2, "max_tokens": 30}),
    "stopped": (COMPLETIONS, {"prompt": "Once", "seed": 7, "stop": [".", "e "], "max_tokens": 99}),
    "narrow": (
        COMPLETIONS,
        {"prompt": "My", "seed": 8, "top_k": 5, "top_p": 0.9, "min_p": 0.01, "max_tokens": 90},
    ),
    "penalties": (
        COMPLETIONS,
        {
            "prompt": "A cat", "seed": 9, "presence_penalty": 0.5, "frequency_penalty": 0.3,
            "repetition_penalty": 1.1, "max_tokens": 80,
        },
    ),
    "scored": (
        COMPLETIONS,
        {"prompt": PROMPT, "seed": 10, "logprobs": 3, "echo": True, "max_tokens": 25},
    ),
    "long": (COMPLETIONS, {"prompt": "A dog runs. " * 300, "seed": 11, "max_tokens": 30}),
    "beams": (COMPLETIONS, {"prompt": PROMPT, "beams": 4, "max_tokens": 20}),
    "regex": (
        COMPLETIONS,
        {"prompt": "A word is ", "seed": 12, "regex": "[a-z]{3,9} [a-z]{2,5}[.]", "max_tokens": 20},
    ),
    "chat": (
        CHAT,
        {"messages": [{"role": "user", "content": "How are you?"}], "seed": 13, "max_tokens": 60},
    ),
    "chat scored": (
        CHAT,
        {
            "messages": [
                {"role": "system", "content": "A talk."},
                {"role": "user", "content": "What color is a banana?"},
            ],
            "seed": 14, "logprobs": True, "top_logprobs": 2, "max_tokens": 30,
        },
    ),
}  # fmt: skip
STREAMED = [name for name in SEEDED if name not in ("best", "beams")]
HOSTILE: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, 10**30, -(2**63), "", "x", "\ud800", "\0", "9" * 1000, [], {},
    [[]], [None], [-1], [10**9], [1e9], {"a": 1}, ["", ""], {"": {}}, [["a"], 1],
]  # fmt: skip
LONG_PROMPT = 20_000  # characters
LONG_PROMPTS = 25  # whose states are more than a server keeps
ENDLESS = 100_000  # tokens: more than anybody waits for
PATIENCE_SECONDS = 90
NOISE = b"GET POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{}\0\xff"
KILLED = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(sys.stdin.buffer.read())
while connection.recv(1000): pass
"""
Found = dict[int, Any]


def request_of(name: str, *, stream: bool) -> bytes:
    path, body = SEEDED[name]
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return post(path, json.dumps(body | more).encode())


def found(answer: Answer) -> Found:
    """The text and the finish reason of each choice, streamed or not. Raises ValueError,
    LookupError and TypeError for what is no whole answer."""
    if answer.ended is None or answer.status != 200:
        raise ValueError(f"status {answer.status}, {answer.body[-200:]!r}")
    bodies = [json.loads(answer.body)] if answer.first is None else answer.events
    texts: dict[int, list[str]] = {}
    reasons: dict[int, str] = {}
    for body in bodies:
        for choice in body["choices"]:
            holder = choice.get("message") or choice.get("delta") or choice
            texts.setdefault(choice["index"], []).append(
                holder.get("text") or holder.get("content") or ""
            )
            if choice["finish_reason"]:
                reasons[choice["index"]] = choice["finish_reason"]
    return {index: ("".join(parts), reasons[index]) for index, parts in texts.items()}


def scores(answer: Answer) -> list[Any]:
    """What is said of each token, of an answer in one piece."""
    return [choice.get("logprobs") for choice in json.loads(answer.body)["choices"]]


class Soak:
    """Counts what is done, and what is lost."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.draw = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.lost: list[str] = []
        self.expected: dict[str, Found] = {}
        self.scores: dict[str, list[Any]] = {}

    # -- the table, asked alone ---------------------------------------------------------------

    def ask_alone(self) -> None:
        """Every seeded request by itself, first in one piece, then streamed: the same texts as
        when this was first asked."""
        for name in SEEDED:
            (answer,) = ask(self.server.port, [request_of(name, stream=False)])
            self.compare(name, answer, "alone")
        for name in STREAMED:
            (answer,) = ask(self.server.port, [request_of(name, stream=True)])
            self.compare(name, answer, "alone, streamed")

    def fill_cache(self) -> None:
        """Have so many prompts read that the states that are kept take all the memory they may."""
        for _ in range(LONG_PROMPTS):
            prompt = "".join(self.draw.choices("abcde ", k=LONG_PROMPT))
            body = {"prompt": prompt, "max_tokens": 1}
            ask(self.server.port, [post(COMPLETIONS, json.dumps(body).encode())])

    def compare(self, name: str, answer: Answer, when: str) -> None:
        try:
            texts = found(answer)
            if texts != self.expected.setdefault(name, texts):
                self.fail(f"{name}, {when}: {texts} instead of {self.expected[name]}")
            if answer.first is None:
                each = scores(answer)
                if each != self.scores.setdefault(name, each):
                    self.fail(f"{name}, {when}: logprobs differ")
        except (ValueError, LookupError, TypeError) as error:
            self.fail(f"{name}, {when}: {type(error).__name__}: {error}")
        self.done[f"answers compared, {when}"] += 1

    # -- clients, many at once ----------------------------------------------------------------

    async def visit(self, seconds: float, clients: int) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(self.client(until) for _ in range(clients)))

    async def client(self, until: float) -> None:
        intents: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.compares, 30), (self.hangs_up, 25), (self.sends_half, 8), (self.sends_noise, 5),
            (self.sends_bad_json, 20), (self.reads_slowly, 5), (self.looks, 6), (self.is_killed, 1),
        ]  # fmt: skip
        calls, weights = zip(*intents, strict=True)
        while time.monotonic() < until:
            (intent,) = self.draw.choices(calls, weights)
            name = intent.__name__.replace("_", " ")
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await intent()
            except TimeoutError:
                self.fail(f"a client that {name} waited {PATIENCE_SECONDS} s")
            except ConnectionError as error:
                self.fail(f"a client that {name}: {type(error).__name__}")
            self.done[f"clients: {name}"] += 1

    async def compares(self) -> None:
        """A seeded request, streamed or not, beside all that the others do."""
        stream = self.draw.random() < 0.5
        name = self.draw.choice(STREAMED if stream else list(SEEDED))
        answer = await self.exchange(request_of(name, stream=stream))
        if answer.status == 429:
            self.done["told to come back (429)"] += 1
            await asyncio.sleep(1)
        else:
            self.compare(name, answer, "beside others")

    async def hangs_up(self) -> None:
        """In the midst of a long text, or before it has begun."""
        async with Visit(self.server.port, is_rude=self.draw.random() < 0.5) as visit:
            await visit.send(self.endless())
            if self.draw.random() < 0.7:
                await visit.read(self.draw.randrange(1, 50_000), self.draw.uniform(0, 2))
            else:
                await asyncio.sleep(self.draw.uniform(0, 0.05))

    def endless(self) -> bytes:
        body: dict[str, Any] = {"prompt": PROMPT, "max_tokens": ENDLESS}
        match self.draw.randrange(6):
            case 0:
                body |= {"beams": 5, "max_tokens": 5000}
            case 1:
                body |= {"regex": "([a-z]+ )+"}
            case 2:
                body |= {"n": 5}
            case 3:
                body |= {"logprobs": 5}
            case 4:
                body |= {"prompt": "".join(self.draw.choices("abcde ", k=LONG_PROMPT))}
        body["stream"] = "beams" not in body and self.draw.random() < 0.7
        return post(COMPLETIONS, json.dumps(body).encode())

    async def sends_half(self) -> None:
        """Some of a request, and goes after a while."""
        whole = request_of(self.draw.choice(list(SEEDED)), stream=False)
        async with Visit(self.server.port, is_rude=self.draw.random() < 0.5) as visit:
            await visit.send(whole[: self.draw.randrange(len(whole))])
            await asyncio.sleep(self.draw.choice([0, 0, 0.1, 3]))

    async def sends_noise(self) -> None:
        """Bytes that are no HTTP, or nearly."""
        async with Visit(self.server.port) as visit:
            if self.draw.random() < 0.5:
                await visit.send(self.draw.randbytes(self.draw.randrange(1, 5000)))
            else:
                await visit.send(bytes(self.draw.choices(NOISE, k=self.draw.randrange(1, 500))))
            visit.writer.write_eof()
            await visit.read(10_000, 3)
            if visit.answer.status >= 500:
                self.fail(f"noise had status {visit.answer.status}")

    async def sends_bad_json(self) -> None:
        """A seeded request in which something is wrong, or huge, or merely odd."""
        path, body = SEEDED[self.draw.choice(list(SEEDED))]
        content = self.damaged(dict(body))
        async with Visit(self.server.port) as visit:
            await visit.send(post(path, content))
            await visit.read(1_000_000, 5)
            answer = visit.answer
        if answer.ended is None and answer.status in (0, 200):
            return  # it was a request for a long text
        self.done[f"odd requests: status {answer.status}"] += 1
        try:
            if answer.status >= 500:
                raise ValueError("never for a request")
            if answer.status != 200:
                error = json.loads(answer.body)["error"]
                if set(error) != {"message", "type", "param", "code"} or not error["message"]:
                    raise ValueError("not the envelope")
        except (ValueError, LookupError, TypeError) as error:
            self.fail(f"{content[:300]!r}: {answer.status} {answer.body[:300]!r}: {error}")

    def damaged(self, body: dict[str, Any]) -> bytes:
        match self.draw.randrange(6):
            case 0 | 1 | 2:
                body[self.draw.choice([*body, "n", "stop", "logit_bias", "stream", "model"])] = (
                    self.draw.choice(HOSTILE)
                )
                return json.dumps(body).encode()
            case 3:
                content = bytearray(json.dumps(body).encode())
                for _ in range(self.draw.randrange(1, 4)):
                    content[self.draw.randrange(len(content))] = self.draw.randrange(256)
                return bytes(content)
            case 4:
                content = bytearray(json.dumps(body).encode())
                return bytes(content[: self.draw.randrange(len(content))])
            case _:
                deep = self.draw.choice([b"[", b'{"a":']) * self.draw.choice([10, 1000, 100_000])
                return b'{"prompt":' + deep

    async def reads_slowly(self) -> None:
        """A trickle of a long text, with little room for more."""
        async with Visit(self.server.port, receive_bytes=4096) as visit:
            body = {"prompt": PROMPT, "max_tokens": ENDLESS, "stream": True, "logprobs": 5}
            await visit.send(post(COMPLETIONS, json.dumps(body).encode()))
            for _ in range(self.draw.randrange(1, 40)):
                await visit.read(500, 1)
                await asyncio.sleep(0.25)

    async def looks(self) -> None:
        """What an eye on the server asks for."""
        path = self.draw.choice(["/health", "/v1/models", "/v1/models/nobody", "/nowhere", "/"])
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        answer = await self.exchange(request.encode())
        expected = 404 if path in ("/v1/models/nobody", "/nowhere") else 200
        if answer.status != expected:
            self.fail(f"GET {path}: status {answer.status} instead of {expected}")

    async def is_killed(self) -> None:
        """A process that is killed while it listens."""
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", KILLED, str(self.server.port)], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(self.endless())
        process.stdin.close()
        await asyncio.sleep(self.draw.uniform(0, 1))
        process.kill()
        process.wait()

    async def exchange(self, request: bytes) -> Answer:
        async with Visit(self.server.port) as visit:
            await visit.send(request)
            await visit.read(1 << 30, PATIENCE_SECONDS)
            return visit.answer

    def fail(self, what: str) -> None:
        self.lost.append(what)
        print(f"LOST: {what}", flush=True)


class Visit:
    """One connection. `is_rude`: it is reset instead of closed."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self, port: int, *, is_rude: bool = False, receive_bytes: int = 0) -> None:
        self.port = port
        self.is_rude = is_rude
        self.receive_bytes = receive_bytes
        self.answer = Answer(b"", time.perf_counter())

    async def __aenter__(self) -> Visit:
        connection = socket.socket()
        connection.setblocking(False)
        if self.receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(
            sock=connection, limit=self.receive_bytes or 1 << 16
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.is_rude:
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, request: bytes) -> None:
        """A server may have hung up on what is no request."""
        self.answer.begun = time.perf_counter()
        with suppress(ConnectionError):
            self.writer.write(request)
            await self.writer.drain()

    async def read(self, at_most: int, seconds: float) -> None:
        """Until the answer is whole, or this much of it has come, or it took so long."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while at_most > 0 and (part := await self.reader.read(min(at_most, 1 << 16))):
                    at_most -= len(part)
                    if self.answer.take(part, time.perf_counter()):
                        break


def open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def settle(server: Server) -> str | None:
    """What is still going on some seconds after the last client has left."""
    for _ in range(50):
        health = server.health()
        if health.get("status") == "ok" and not any(
            health.get(name) for name in ("running", "waiting")
        ):
            return None
        time.sleep(0.1)
    return f"/health says {health}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", nargs="?", default="everyday")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with serving(arguments.checkpoint) as server:
        soak = Soak(server, arguments.seed)
        soak.ask_alone()
        soak.fill_cache()
        files = open_files(server)
        memory = []
        # The first part brings memory to where it stays.
        for share in (0.2, 0.4, 0.4):
            asyncio.run(soak.visit(share * 60 * arguments.minutes, arguments.clients))
            if still := settle(server):
                soak.fail(still)
            memory.append(server.resident_bytes / 1e6)
        soak.ask_alone()
        if memory[-1] > 1.2 * memory[0]:
            soak.fail(f"memory grew: {memory} MB")
        if open_files(server) > files + 2:
            soak.fail(f"{files} open files became {open_files(server)}")
        log = Path(server.log).read_text(encoding="utf-8")
    if "Traceback" in log:
        soak.fail(f"the log has a traceback: {log[log.index('Traceback') :][:3000]}")
    for what, count in sorted(soak.done.items()):
        print(f"{what:<44} {count:>9,}")
    sizes = ", ".join(f"{megabytes:.0f}" for megabytes in memory)
    print(f"{'memory after a fifth, three, and all, MB':<44} {sizes:>9}")
    print(f"{'lost':<44} {len(soak.lost) or 'nothing':>9}")
    sys.exit(bool(soak.lost))


if __name__ == "__main__":
    main()
