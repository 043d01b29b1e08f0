"""Connections on which nothing comes that is a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from chargen.server import protocol
from chargen.server.exchange import Exchange
from chargen.server.protocol import Protocol

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: "


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await Exchange(scope, receive, send).answer(200, b"{}")


def connected(test: Callable[[Connection], Awaitable[None]], app: ASGIApp = app) -> None:
    """Have a test talk to a server that speaks it."""

    async def within() -> None:
        config = uvicorn.Config(app, http=Protocol, log_config=None, lifespan="off")
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1"
        )
        async with server, asyncio.timeout(20):
            connection = await asyncio.open_connection(*server.sockets[0].getsockname())
            await test(connection)
            connection[1].close()

    asyncio.run(within())


async def is_dropped(connection: Connection) -> bool:
    try:
        return await connection[0].read(1) == b""
    except ConnectionResetError:
        return True


async def answered(connection: Connection) -> bytes:
    head = await connection[0].readuntil(b"\r\n\r\n")
    await connection[0].readexactly(len(b"{}"))
    return head


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: local"])
def test_who_does_not_come_to_the_end_of_the_headers_is_dropped(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.01)

    async def test(connection: Connection) -> None:
        connection[1].write(sent)
        assert await is_dropped(connection)

    connected(test)


def test_so_is_who_is_late_with_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(connection: Connection) -> None:
        connection[1].write(HEAD + b"0\r\n\r\n")
        assert b"200 OK" in await answered(connection)
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.01)
        connection[1].write(b"GET / HT")
        assert await is_dropped(connection)

    connected(test)


def test_headers_without_end_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_BETWEEN", 1000)

    async def test(connection: Connection) -> None:
        connection[1].write(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        connection[1].write(b"x: " + b"y" * 2000)
        assert await is_dropped(connection)

    connected(test)


def test_what_is_left_of_a_refused_body_is_read() -> None:
    async def test(connection: Connection) -> None:
        connection[1].write(HEAD + b"9000\r\n\r\n")
        assert b"200 OK" in await answered(connection)  # without its body
        connection[1].write(b"x" * 9000 + HEAD + b"0\r\n\r\n")
        assert b"200 OK" in await answered(connection)

    connected(test)


def test_requests_follow_each_other_on_one_connection() -> None:
    async def test(connection: Connection) -> None:
        for _ in range(3):
            connection[1].write(HEAD + b"2\r\n\r\n{}")
            assert b"200 OK" in await answered(connection)

    connected(test)


def test_who_hangs_up_with_two_requests_is_noticed() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async def test(connection: Connection) -> None:
        connection[1].write((HEAD + b"2\r\n\r\n{}") * 3)
        await begun.wait()
        connection[1].write(HEAD + b"2\r\n\r\n{}")
        connection[1].close()
        await left.wait()

    connected(test, endless)


def test_a_request_too_early_is_for_another_connection() -> None:
    async def test(connection: Connection) -> None:
        connection[1].write((HEAD + b"2\r\n\r\n{}") * 2)
        assert b"connection: close" in await answered(connection)
        assert await is_dropped(connection)

    connected(test)


def test_headers_are_bounded() -> None:
    async def test(connection: Connection) -> None:
        for size in (protocol.MAX_HEAD // 2, protocol.MAX_HEAD):
            lines = b"x: 0123456789\r\n" * (size // 11)
            connection[1].write(b"GET / HTTP/1.1\r\nhost: localhost\r\n" + lines + b"\r\n")
            head = await connection[0].readuntil(b"\r\n\r\n")
            expected = b" 200 " if size < protocol.MAX_HEAD else b" 400 "
            assert expected in head
            if expected == b" 200 ":
                await connection[0].readexactly(len(b"{}"))
        await connection[0].readuntil(b"received.")
        assert await is_dropped(connection)

    connected(test)
