"""The server as a process of its own: where it listens, what it says, and how it ends.

The only door to uvicorn. Its handling of signals is left out, chargen has its own; so is its log.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

import uvicorn

from chargen.checkpoint.locate import BUNDLED_MODELS
from chargen.checkpoint.recent import default_checkpoint
from chargen.config import ServeConfig
from chargen.display.console import in_one_line, show_note
from chargen.display.screen import Screen
from chargen.errors import ServeError, setting
from chargen.generation.generator import TextGenerator
from chargen.reprs import counted, printable
from chargen.runtime.files import encode
from chargen.runtime.signals import Interrupts, exit_at_once
from chargen.server.app import App
from chargen.server.exchange import SEND_SECONDS, Exchange, OnAnswered
from chargen.server.guard import AllowedHosts, Guard, is_loopback
from chargen.server.models import Models, found_folders, named_folders
from chargen.server.protocol import MAX_HEAD, Protocol
from chargen.server.worker import Worker

MAX_WAITING = 1024  # texts, a model
DRAIN_SECONDS = 3.0  # in which what runs may end by itself
EXIT_SECONDS = 5  # in which all has ended
KEEP_ALIVE_SECONDS = 75  # without a request; most proxies and clients keep connections for less
MAX_FILES = 65_536  # open at a time: each connection is one
# Of a bundled model, which knows that much; of others the beginning of any text.
EXAMPLE = {"prompt": "The color of a strawberry is", "max_tokens": 20}
OTHER_EXAMPLE = {"prompt": "", "max_tokens": 100}
MAX_REASON = 200  # characters that are logged of why a request was rejected
ALL_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where to find oneself among all addresses


def serve(
    checkpoints: Sequence[str], config: ServeConfig, *, shown_key: str = "KEY", quiet: bool = False
) -> int:
    """Serve these checkpoints, or all that are found where none is named, until a signal comes; the
    exit code. `shown_key` stands for the key in an example; `quiet` is without a log. Raises
    CheckpointError, ServeError."""
    models = _models(checkpoints, config)
    sockets = listen(config.host, config.port)
    on_answered = _ignore if quiet else _request_log()
    app = App(models, on_answered=on_answered)
    guard = Guard(
        app,
        hosts=AllowedHosts(config.host, config.allowed_host),
        origins=config.cors_origin,
        api_key=config.api_key,
        on_answered=on_answered,
    )
    _raise_file_limit()
    port = sockets[0].getsockname()[1]
    with _tracebacks_logged(), Interrupts(on_second_sigint=exit_at_once) as interrupts:
        server = _Server(
            uvicorn.Config(
                guard,
                http=Protocol,
                lifespan="off",
                ws="none",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=EXIT_SECONDS,
                h11_max_incomplete_event_size=MAX_HEAD,
            ),
            app,
            models,
            interrupts,
            lambda: _announce(port, models.names(), config, shown_key),
        )
        server.run(sockets)
    if server.failure is not None:
        raise server.failure
    return 0 if interrupts.caught == signal.SIGTERM else interrupts.exit_code


class _Server(uvicorn.Server):
    """uvicorn, which loads what was named once it listens, and ends what does not end by itself."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: App,
        models: Models,
        interrupts: Interrupts,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._app, self._models = app, models
        self._interrupts = interrupts
        self._on_ready = on_ready
        self.failure: Exception | None = None  # why a model that was named cannot be loaded

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def on_tick(self, counter: int) -> bool:
        return self._interrupts.caught is not None or await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loading = asyncio.create_task(self._load())

    async def _load(self) -> None:
        try:
            await self._models.load_named()
            self._on_ready()
        except Exception as error:
            self.failure = error
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._loading.cancel()
        if self._interrupts.caught == signal.SIGINT:
            self._say_goodbye()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._app.end)
        await super().shutdown(sockets)
        self._models.close()

    def _say_goodbye(self) -> None:
        """To somebody who has pressed Ctrl-C: that it was heard, and what is waited for."""
        running = self._app.num_open
        screen = Screen(stderr=True)
        if screen.is_terminal:
            screen.write("\n")  # the terminal has shown ^C
        if running:
            waits = f"waiting up to {EXIT_SECONDS} seconds for {counted(running, 'request')}"
            screen.say(f"{waits}; Ctrl-C again stops at once", "dim")


def _models(checkpoints: Sequence[str], config: ServeConfig) -> Models:
    def open_worker(generator: TextGenerator) -> Worker:
        return Worker(generator, max_batch=config.max_batch, max_waiting=MAX_WAITING)

    if checkpoints:
        named = named_folders(checkpoints)
        return Models(lambda: named, open_worker, named=tuple(named))
    default = default_checkpoint().folder
    return Models(lambda: found_folders(default), open_worker)


# -- where it listens -------------------------------------------------------------------------


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses that the host stands for, on the same port. Raises ServeError."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (OSError, UnicodeError):
        raise ServeError(f"there is no host {host!r}", hint="127.0.0.1 is this machine") from None
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            one = _bound(family, kind, protocol, (address[0], port, *address[2:]))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error  # as ::1, which localhost is, where there is no IPv6
                continue
            for other in sockets:
                other.close()
            raise _cannot_listen(host, port, error) from None
        sockets.append(one)
        port = one.getsockname()[1]  # it may just have been picked: the others share it
    if not sockets:
        assert missing is not None
        raise _cannot_listen(host, port, missing)
    return sockets


def _bound(family: int, kind: int, protocol: int, address: tuple[str | int, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # "::" is all addresses, of IPv4 as well
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        if sys.platform == "linux":
            # Connections inherit it: the system itself drops a client that takes nothing.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_SECONDS * 1000))
        one.bind(address)
        one.listen(128)  # whoever has the port says so now, not later
    except OSError:
        one.close()
        raise
    return one


def _cannot_listen(host: str, port: int, error: OSError) -> ServeError:
    where = f"{_in_url(host)}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return ServeError(
                f"something else listens at {where} already",
                hint="choose another port: " + setting("port", port + 1 if port < 65535 else 0),
            )
        case errno.EACCES:
            return ServeError(
                f"only an administrator may listen at {where}",
                hint="choose a port from 1024 on: " + setting("port", 8080),
            )
        case errno.EADDRNOTAVAIL:
            return ServeError(
                f"this machine has no address {host}",
                hint=setting("host", "0.0.0.0") + " listens at all that it has",
            )
    return ServeError(f"cannot listen at {where}: {error.strerror}")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _raise_file_limit() -> None:
    """Have as many connections as the system allows: by default these are often 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


# -- what it says -----------------------------------------------------------------------------


def _announce(port: int, models: Sequence[str], config: ServeConfig, shown_key: str) -> None:
    """Where the server is, which models it has, and a command that talks to one."""
    address = f"http://{_in_url(ALL_OF.get(config.host, config.host))}:{port}"
    screen = Screen()
    screen.say(f"the page: {address}/")
    screen.say(f"chargen serves at {address}")
    if config.host in ALL_OF:
        screen.say("and at every other address of this machine")
    default, *others = map(printable, models)
    screen.say(
        f"models: {default} (the default), {', '.join(others)}" if others else f"model: {default}"
    )
    key = f'-H "Authorization: Bearer {shown_key}" ' if config.api_key is not None else ""
    is_ours = any(folder.name == default for folder in BUNDLED_MODELS)
    example = EXAMPLE if is_ours else OTHER_EXAMPLE
    body = shlex.quote(encode(example).decode())
    print(f"\n  curl {address}/v1/completions {key}-d {body}\n")
    print("Ctrl-C stops it", flush=True)
    if not is_loopback(config.host) and config.api_key is None:
        show_note(
            "whoever can reach this machine can use these models; --api-key asks for a key first"
        )


def _request_log() -> OnAnswered:
    """What writes a line on stderr for each request."""
    screen = Screen(stderr=True)

    def write(exchange: Exchange) -> None:
        if exchange.path == "/health" and exchange.status == 200:
            return  # probes, every few seconds
        if exchange.path.startswith("/page/file/") and exchange.error is None:
            return  # one of several: that the page has asked which there are was logged
        seconds = time.perf_counter() - exchange.began_at
        said = [
            exchange.method,
            exchange.path,
            *([str(exchange.status)] if exchange.status else []),
        ]
        if exchange.was_left:
            said.append("hung up")
        if exchange.num_tokens is not None:
            said += [exchange.model or "", counted(exchange.num_tokens, "token")]
        said.append(f"{seconds:.2f} s")
        if exchange.error is not None:
            said.append(f"({exchange.error.message[:MAX_REASON]})")
        with suppress(OSError, ValueError):  # nobody reads the log: no reason to stop
            screen.write(in_one_line(" ".join(said)) + "\n", "dim")

    return write


def _ignore(exchange: Exchange) -> None:
    """Without a log."""


@contextmanager
def _tracebacks_logged() -> Iterator[None]:
    """On stderr, those of bugs: uvicorn says more than that."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: bool(record.exc_info))
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
