"""What is served where: the OpenAI API, and the page, as an ASGI app.

Knows neither what a body may hold nor what an answer looks like (openai_*), and samples nothing
(the workers do). Whatever a request brings about, its client is told, and the server lives on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from chargen import __version__
from chargen.errors import ChargenError, CheckpointError
from chargen.generation.generator import TextGenerator
from chargen.runtime.files import encode
from chargen.server.exchange import MAX_PATH, BodyBudget, Exchange, GaveUp, OnAnswered
from chargen.server.models import AllInUse, LoadError, Models, UnknownModel, in_thread
from chargen.server.openai_answers import Answer, answer_of
from chargen.server.openai_errors import ApiError, api_error
from chargen.server.openai_fields import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    TokenizeBody,
    read_body,
)
from chargen.server.openai_models import (
    detokenize_body,
    model_body,
    models_body,
    tokenize_body,
    tokenizer_info_body,
)
from chargen.server.openai_requests import CompletionRequest, chat_request, completion_request
from chargen.server.page_files import (
    PART_BYTES,
    ServedFile,
    file_sizes,
    open_file,
    served_page,
)
from chargen.server.text_requests import Busy, Closed, Generation
from chargen.server.worker import Worker

HEARTBEAT_SECONDS = 5.0  # of silence, while a prompt is read or waits
# Of the page and what it asks for: a browser keeps it and asks whether it is still so; no other
# site may read it, or put the page into a frame of its own to watch a key being typed.
PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "frame-ancestors 'self'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
BINARY = "application/octet-stream"
LIGHT_BODY = 1 << 16  # bytes that are read in no time
HEARTBEAT = b": reading the prompt\n\n"  # a comment, which clients skip
MAX_REQUESTS = 2000  # that are read, wait or are answered
ABOUT = f"""\
chargen {__version__} serves models to clients of the OpenAI API.

GET  /                      a page for a browser, which runs the models by itself
GET  /page/files            lists what that needs of a model
GET  /page/file/NAME        a file of it
GET  /v1                    lists these paths
GET  /v1/models             lists the models
GET  /v1/models/NAME        describes one
POST /v1/completions        continues a prompt
POST /v1/chat/completions   answers a conversation
POST /tokenize              turns a text into token ids
POST /detokenize            turns token ids into a text
GET  /tokenizer_info        describes the tokenizer
GET  /health                says whether the server works
"""

log = logging.getLogger("chargen.server")
Result = TypeVar("Result")
Body = TypeVar("Body", CompletionBody, ChatBody, TokenizeBody, DetokenizeBody)
Handler = Callable[[Exchange], Awaitable[None]]


class App:
    """The API of some models, and the page. `on_answered` is called with each request that is
    over."""

    def __init__(self, models: Models, *, on_answered: OnAnswered = lambda exchange: None) -> None:
        self._models = models
        self._on_answered = on_answered
        self._budget = BodyBudget()
        self._turn = asyncio.Lock()  # of large bodies
        self._open: set[Exchange] = set()
        paths: dict[str, dict[str, Handler]] = {
            "/completions": {"POST": self._complete},
            "/chat/completions": {"POST": self._chat},
            "/models": {"GET": self._list_models},
            "/models/{name:path}": {"GET": self._describe_model},
            "/tokenize": {"POST": self._tokenize},
            "/detokenize": {"POST": self._detokenize},
            "/tokenizer_info": {"GET": self._describe_tokenizer},
            "/health": {"GET": self._health},
            "/page/files": {"GET": self._list_files},
            "/page/file/{name}": {"GET": self._send_file},
        }
        routes = [
            Route(f"{prefix}{path}{slash}", _Endpoint(self, methods))
            for path, methods in paths.items()
            for slash in ("/", "")
            for prefix in ("/v1", "")
        ]
        routes.append(Route("/", _Endpoint(self, {"GET": self._page})))
        routes += [Route(path, _Endpoint(self, {"GET": self._about})) for path in ("/v1", "/v1/")]
        self._router = Router(routes, redirect_slashes=False, default=_Endpoint(self, {}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._router(scope, receive, send)

    @property
    def num_open(self) -> int:
        """Requests that are not over."""
        return len(self._open)

    def end(self) -> None:
        """End all answers now, with an error: the server shuts down."""
        for exchange in tuple(self._open):
            exchange.interrupt(ApiError("the server is shutting down", status=503))

    async def answer(self, exchange: Exchange, handlers: Mapping[str, Handler]) -> None:
        """Have a request handled by its method. Whatever happens, the client is told."""
        self._open.add(exchange)
        try:
            async with exchange:
                await self._handle(exchange, handlers)
        except GaveUp:
            exchange.was_left = True
        except Exception as error:
            refusal = _as_api_error(error)
            if refusal is None:  # a bug: ours to look into
                log.error("%s %s failed", exchange.method, exchange.path, exc_info=error)
                refusal = ApiError("the server failed; its log says how", status=500)
            await exchange.refuse(refusal)
        finally:
            self._open.discard(exchange)
            self._on_answered(exchange)

    async def _handle(self, exchange: Exchange, handlers: Mapping[str, Handler]) -> None:
        method = exchange.method
        if method == "POST" and len(self._open) > MAX_REQUESTS:
            raise ApiError("too many requests at once; try again later", status=429)
        if not handlers:
            raise ApiError(f"there is no {exchange.path}; GET /v1 lists the paths", status=404)
        if handler := handlers.get("GET" if method == "HEAD" else method):
            await handler(exchange)
            return
        allowed = ", ".join([*handlers, *(["HEAD"] if "GET" in handlers else [])])
        error = ApiError(f"{exchange.path} takes {allowed}, not {method}", status=405)
        await exchange.refuse(error, {"allow": allowed})

    # -- texts ----------------------------------------------------------------------------------

    async def _complete(self, exchange: Exchange) -> None:
        async with self._asked(exchange, CompletionBody, completion_request) as asked:
            await self._generate(exchange, *asked)

    async def _chat(self, exchange: Exchange) -> None:
        async with self._asked(exchange, ChatBody, chat_request) as asked:
            await self._generate(exchange, *asked)

    @asynccontextmanager
    async def _asked(
        self, exchange: Exchange, kind: type[Body], work: Callable[[Body, TextGenerator], Result]
    ) -> AsyncIterator[tuple[str, Worker, Result]]:
        """The model that a body asks for, by its name, and what comes of the work on the body."""
        content = await exchange.body(self._budget)
        async with AsyncExitStack() as stack:
            # What a body spells takes up to thirty times its size: one that is large at a time.
            async with nullcontext() if len(content) <= LIGHT_BODY else self._turn:
                body = await _by_size(content, partial(read_body, content, kind))
                borrowed = self._models.borrow(body.model or None)
                name, worker = await stack.enter_async_context(borrowed)
                found = await _by_size(content, partial(work, body, worker.generator))
                del content, body
            yield name, worker, found

    async def _generate(
        self, exchange: Exchange, name: str, worker: Worker, request: CompletionRequest
    ) -> None:
        exchange.model = name
        prepared = []
        for text in request.texts:
            prepared.append(await worker.prepare(text))
            await asyncio.sleep(0)  # of many prompts each is prepared at once: others take turns
        generations: list[Generation] = []
        news = asyncio.Event()  # of any of them: there may be a thousand
        try:
            for each in prepared:
                generations.append(worker.submit(each, news))
            answer = answer_of(request, generations, worker.generator, name)
            await _send(exchange, answer, generations, news, is_stream=request.stream)
        finally:
            for generation in generations:
                if not generation.is_done:
                    generation.cancel()
            exchange.num_tokens = sum(text.num_tokens for one in generations for text in one.texts)

    # -- tokens ---------------------------------------------------------------------------------

    async def _tokenize(self, exchange: Exchange) -> None:
        async with self._asked(exchange, TokenizeBody, tokenize_body) as (_, _, found):
            await exchange.answer(200, found)

    async def _detokenize(self, exchange: Exchange) -> None:
        async with self._asked(exchange, DetokenizeBody, detokenize_body) as (_, _, found):
            await exchange.answer(200, found)

    async def _describe_tokenizer(self, exchange: Exchange) -> None:
        async with self._models.borrow(None) as (_, worker):
            await exchange.answer(200, tokenizer_info_body(worker.generator))

    # -- what there is --------------------------------------------------------------------------

    async def _list_models(self, exchange: Exchange) -> None:
        await exchange.answer(200, models_body(await self._models.listed()))

    async def _describe_model(self, exchange: Exchange) -> None:
        name = exchange.parameters["name"]
        await exchange.answer(200, model_body(name, await self._models.described(name)))

    async def _health(self, exchange: Exchange) -> None:
        status, workers = self._models.status, self._models.workers
        found = {
            "status": status,
            "running": sum(worker.running for worker in workers),
            "waiting": sum(worker.waiting for worker in workers),
        }
        await exchange.answer(200 if status == "ok" else 503, encode(found))

    async def _about(self, exchange: Exchange) -> None:
        await exchange.answer(200, ABOUT.encode(), kind="text/plain; charset=utf-8")

    # -- the page -------------------------------------------------------------------------------

    async def _page(self, exchange: Exchange) -> None:
        content, tag = served_page()
        headers = PAGE_HEADERS | {"etag": f'"{tag}"'}
        if exchange.has(tag):
            await exchange.answer_unchanged(headers)
        else:
            await exchange.answer(200, content, headers, kind="text/html; charset=utf-8")

    async def _list_files(self, exchange: Exchange) -> None:
        name, folder = self._models.find(exchange.query.get("model"))
        with _loading(name):
            sizes = await in_thread(partial(file_sizes, folder))
        await exchange.answer(200, encode({"model": name, "files": sizes}))

    async def _send_file(self, exchange: Exchange) -> None:
        name = exchange.parameters["name"]
        model, folder = self._models.find(exchange.query.get("model"))
        with _loading(model), ExitStack() as stack:
            opened = open_file(folder, name)
            found = await in_thread(lambda: stack.enter_context(opened))
            if found is None:
                raise ApiError(
                    f"there is no file {name[:MAX_PATH]!r}; GET /page/files lists those of a model",
                    status=404,
                )
            headers = PAGE_HEADERS | {"content-type": BINARY, "etag": f'"{found.tag}"'}
            if exchange.has(found.tag):
                await exchange.answer_unchanged(headers)
            else:
                await exchange.answer_parts(_parts(found), found.size, headers)


@contextmanager
def _loading(model: str) -> Iterator[None]:
    """What is wrong with its files is no fault of the request. Raises LoadError."""
    try:
        yield
    except CheckpointError as error:
        raise LoadError(f"cannot load {model}: {error}") from error


async def _parts(found: ServedFile) -> AsyncIterator[bytes]:
    """What a file holds, in parts."""
    left = found.size
    while left and (part := await in_thread(partial(found.file.read, min(PART_BYTES, left)))):
        left -= len(part)
        yield part


class _Endpoint:
    """What is at one path, by methods; starlette takes a class for an ASGI app."""

    def __init__(self, app: App, handlers: Mapping[str, Handler]) -> None:
        self._app, self._handlers = app, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app.answer(Exchange(scope, receive, send), self._handlers)


async def _send(
    exchange: Exchange,
    answer: Answer,
    generations: Sequence[Generation],
    news: asyncio.Event,
    *,
    is_stream: bool,
) -> None:
    """Send what is generated: as it comes, all that is there at a time in one part; or at once.
    Raises what any of it failed by."""
    is_silent, part = is_stream, b""
    while not answer.is_complete:
        is_silent = is_silent and all(generation.is_reading for generation in generations)
        if is_silent:
            await _with_heartbeat(exchange, news.wait())
        else:
            await news.wait()  # a timer for each piece of text would cost too much
        news.clear()
        # A worker waits where too much is not taken.
        part = await in_thread(answer.take) if answer.takes_long else answer.take()
        if answer.error is not None:
            raise answer.error
        if is_stream and part and not answer.is_complete:
            await exchange.write(part)
    if is_stream:
        await exchange.finish(part)
    else:
        await exchange.answer(200, part)


async def _with_heartbeat(exchange: Exchange, news: Coroutine[Any, Any, object]) -> None:
    """Wait for news, and let neither the client nor what stands between believe that nothing
    happens."""
    waiting = asyncio.ensure_future(news)
    try:
        while not (await asyncio.wait([waiting], timeout=HEARTBEAT_SECONDS))[0]:
            await exchange.write(HEARTBEAT)
    finally:
        waiting.cancel()


async def _by_size(content: bytes, work: Callable[[], Result]) -> Result:
    """What is to be done with a body, in a thread where that may take long."""
    return work() if len(content) <= LIGHT_BODY else await in_thread(work)


def _as_api_error(error: Exception) -> ApiError | None:
    """What a client is told of an error; None of a bug."""
    match error:
        case UnknownModel():
            return ApiError(str(error), status=404, param="model", code="model_not_found")
        case LoadError():
            return ApiError(str(error), status=503, param="model", code="model_not_loaded")
        case AllInUse():
            return ApiError(str(error), status=429, param="model", code="server_busy")
        case Busy():
            words = "too many requests wait already; try again later"
            return ApiError(words, status=429, code="server_busy")
        case Closed():
            words = "the model has been closed, or has failed before; GET /health says which"
            return ApiError(words, status=500, code="model_closed")
        case ChargenError():
            return api_error(error)
    return None
