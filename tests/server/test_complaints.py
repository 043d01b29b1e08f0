"""What users of other servers have complained about, by the repository and number of their issues:
here it is otherwise. One figure is no test: that an API layer may cost no multiple of the sampling
itself (vllm 7935) is measured by benchmarks/serve.py."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.generation.batch import Batch
from chargen.server.app import App
from chargen.server.models import Models
from chargen.server.worker import Worker
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.asgi import Call
from tests.support.serving import PATIENCE, Served, serving
from tests.support.tiny import tiny_over

STRAWBERRY = "The color of a strawberry is"
QUESTION: Any = [{"role": "user", "content": "What is the color of a strawberry?"}]
# Of all these the end of a document is no end.
LONG: dict[str, Any] = {"prompt": "The", "min_chars": 1_000}
# More than can be sampled while a test waits.
ENDLESS = LONG | {"max_tokens": 130_000, "min_chars": 260_000}
SEEDED = LONG | {"max_tokens": 30, "seed": 11}
PAGE = "https://chat.example.com"
KEY = "sk-a-key"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with everything on that stands before the app: a key, and a page that may use it."""
    flags = ["--api-key", KEY, "--cors-origin", PAGE]
    with serving("everyday", *flags, cwd=tmp_path_factory.mktemp("guarded")) as served:
        yield served


class Within:
    """An app of one model, called without a network."""

    def __init__(self, models: Models) -> None:
        self.models, self.app = models, App(models)

    def complete(self, **body: Any) -> Call:
        return Call(self.app, "POST", "/v1/completions", body)

    async def health(self) -> tuple[int, str]:
        answer = await Call(self.app, "GET", "/health").answer()
        return answer.status, answer.json["status"]


def within(
    generator: chargen.TextGenerator, test: Callable[[Within], Awaitable[None]], **options: Any
) -> None:
    """Run a test on an app of this model."""

    def open_worker(_: chargen.TextGenerator) -> Worker:
        return Worker(generator, max_batch=8, max_waiting=8)

    async def run() -> None:
        models = Models(lambda: {"model": BUNDLED}, open_worker, **options)
        try:
            async with asyncio.timeout(PATIENCE):
                await test(Within(models))
        finally:
            models.close()

    asyncio.run(run())


def text_of(server: Served, **body: Any) -> str:
    return str(server.complete(**body).json["choices"][0]["text"])


def texts_of(events: list[Any]) -> list[str]:
    """What each event of a completion's stream adds to the text."""
    assert events[-1] == "[DONE]"
    return [event["choices"][0]["text"] for event in events[:-1]]


# -- clients that leave -------------------------------------------------------------------------


def test_a_stream_that_is_closed_costs_nothing_more(server: Served) -> None:
    """llama.cpp 11720: it still generates after the stream was closed."""
    with server.dialed() as connection:
        connection.sendall(server.spelled("/v1/completions", ENDLESS | {"stream": True}))
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
        server.wait_for(1)
    server.settle()


def test_a_request_without_a_stream_whose_client_left_is_dropped(server: Served) -> None:
    """vllm 54947 and 10806, mlx-openai-server 269: it goes on, and the queue stands still."""
    with server.dialed() as connection:
        connection.sendall(server.spelled("/v1/completions", ENDLESS))
        server.wait_for(1)
    server.settle()


def test_nothing_before_the_app_hides_that_a_client_left(guarded: Served) -> None:
    """claude-code-proxy 114: middleware hides the disconnect."""
    key = f"\r\nAuthorization: Bearer {KEY}\r\nOrigin: {PAGE}\r\n".encode()
    spelled = guarded.spelled("/v1/completions", ENDLESS).replace(b"\r\n", key, 1)
    with guarded.dialed() as connection:
        connection.sendall(spelled)
        guarded.wait_for(1)
    guarded.settle()


def test_a_broken_pipe_is_no_end(server: Served) -> None:
    """mlx-lm 677: it takes the server down."""
    with server.dialed() as connection:
        connection.sendall(server.spelled("/v1/completions", ENDLESS | {"stream": True}))
        connection.recv(64)
        reset = struct.pack("ii", 1, 0)  # what is still under way meets a closed door
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    server.settle()
    assert server.get("/health").status == 200


# -- what a server bears ------------------------------------------------------------------------


def test_a_bad_request_leaves_the_engine_alive(server: Served) -> None:
    """mlx-lm 1513: one bad request kills the thread that generates."""
    before = text_of(server, **SEEDED)
    for wrong in (
        {"regex": "("},
        {"regex": "a{1000}{1000}"},
        {"charset": "z-a"},
        {"logit_bias": {"1000000": 1}},
        {"prompt": [-1]},
        {"temperature": 1e300},
        {"max_tokens": 2**70},
        {"stop": [1]},
        {"beams": 3, "stream": True},
    ):
        answer = server.complete(**SEEDED | wrong)
        assert answer.status == 400, wrong
        assert answer.error["type"] == "invalid_request_error"
    assert text_of(server, **SEEDED) == before
    assert server.get("/health").json["status"] == "ok"


def test_a_hundred_at_a_time_are_slower_and_no_crash(server: Served) -> None:
    """mlx-examples 1198: thirty in parallel crash it."""

    async def ask() -> list[Any]:
        url = f"{server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            asked = [
                client.completions.create(
                    model="everyday", prompt=f"{number}. The", max_tokens=10, seed=number
                )
                for number in range(100)
            ]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert len(answers) == 100
    assert all(answer.usage.completion_tokens > 0 for answer in answers)
    assert server.load == (0, 0)


def test_a_full_queue_is_429(server: Served) -> None:
    """omlx 785, pytorch/serve 2764: it takes whatever comes, until the memory is full."""
    many = {"prompt": ["The"] * 8, "n": 128, "max_tokens": 1000, "min_chars": 250}
    with server.dialed() as connection:
        connection.sendall(server.spelled("/v1/completions", many))
        server.wait_for(1024)
        answer = server.complete(**many)
        assert answer.status == 429
        assert answer.error["type"] == "rate_limit_error"
        assert int(answer.headers["retry-after"]) > 0
    server.settle()


def test_an_engine_that_died_is_no_good_health(
    everyday: chargen.TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlx-lm 1834: it hangs, while /v1/models answers that all is well."""

    async def die(here: Within) -> None:
        assert (await here.complete(prompt="The").answer()).status == 200
        assert await here.health() == (200, "ok")
        monkeypatch.setattr(Batch, "step", lambda batch: 1 / 0)
        for _ in range(2):  # what it had in hand, and what comes later
            answer = await here.complete(prompt="The").answer()
            assert (answer.status, answer.error["type"]) == (500, "server_error")
        assert await here.health() == (503, "error")

    within(everyday, die)


# -- what a request asks for --------------------------------------------------------------------


def test_n_and_best_of_work(server: Served) -> None:
    """llama-cpp-python 1906, ollama 7518: n is ignored."""
    choices = server.complete(**SEEDED, n=3).json["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["text"] for choice in choices}) == 3
    best = server.complete(**SEEDED, best_of=3)
    [choice] = best.json["choices"]
    assert choice["text"] in {choice["text"] for choice in choices}
    assert best.json["usage"]["completion_tokens"] == 3 * 30


def test_completions_have_logprobs(server: Served) -> None:
    """llama.cpp 11346: they are null."""
    [choice] = server.complete(**SEEDED, logprobs=2).json["choices"]
    logprobs = choice["logprobs"]
    assert logprobs.keys() == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert {len(values) for values in logprobs.values()} == {30}
    names = ("tokens", "token_logprobs", "top_logprobs")
    scored = zip(*(logprobs[name] for name in names), strict=True)
    assert all(top[token] == logprob for token, logprob, top in scored)


def test_chats_have_logprobs_in_their_own_form(server: Served) -> None:
    """llama-cpp-python 1787: they have the shape of those of completions."""
    asked = {"messages": QUESTION, "temperature": 0, "logprobs": True, "top_logprobs": 2}
    [choice] = server.chat(**asked).json["choices"]
    for token in choice["logprobs"]["content"]:
        assert token.keys() == {"token", "logprob", "bytes", "top_logprobs"}
        assert bytes(token["bytes"]).decode() == token["token"]
        assert token["token"] in [top["token"] for top in token["top_logprobs"]]


def test_logprobs_are_not_dropped_in_streams(server: Served) -> None:
    """ollama 16117: silently."""
    whole = server.complete(**SEEDED, logprobs=2).json["choices"][0]["logprobs"]
    events = server.complete(**SEEDED, logprobs=2, stream=True).events[:-1]
    parts = [event["choices"][0]["logprobs"] for event in events]
    tokens = [token for part in parts if part for token in part["tokens"]]
    assert tokens == whole["tokens"]


def test_echo_scores_the_prompt(server: Served, everyday: chargen.TextGenerator) -> None:
    """llama.cpp 27174: without logprobs of the prompt lm-eval is at chance, and nobody says so."""
    asked = {"prompt": STRAWBERRY, "echo": True, "logprobs": 1, "max_tokens": 1}
    [choice] = server.complete(**asked).json["choices"]
    scores = choice["logprobs"]["token_logprobs"]
    assert choice["text"].startswith(STRAWBERRY)
    assert scores[0] is None and choice["logprobs"]["top_logprobs"][0] is None
    expected = [-token.nats for token in everyday.score(STRAWBERRY).costs]
    assert scores[1:-1] == pytest.approx(expected[1:], abs=1e-4)


@pytest.mark.parametrize("sampled", ["the end", "part of a character"])
def test_what_follows_an_echo_has_a_score_whatever_it_is(sampled: str) -> None:
    """llama.cpp 27174, once more: lm-eval drops the last score, as the one of what was sampled."""
    generator = tiny_over(ByteTokenizer(), seed=1)
    token = {"the end": generator.tokenizer.end, "part of a character": 0xF0}[sampled]

    async def ask(here: Within) -> None:
        asked = {"prompt": "AB", "echo": True, "logprobs": 1, "max_tokens": 1}
        answer = await here.complete(**asked, logit_bias={str(token): 100}).answer()
        [choice] = answer.json["choices"]
        assert choice["text"] == "AB"
        assert len(choice["logprobs"]["token_logprobs"]) == 3

    within(generator, ask)


def test_max_completion_tokens_is_honoured(server: Served) -> None:
    """llama.cpp 13700: it is ignored."""
    asked = {"messages": QUESTION, "max_completion_tokens": 2, "max_tokens": 9}
    assert server.chat(**asked).json["usage"]["completion_tokens"] == 2


def test_no_prompt_is_cut(server: Served, everyday: chargen.TextGenerator) -> None:
    """ollama 4967: silently. Here all of it is read, or the request is refused."""
    words = "a word and " * 200

    def first_token(before: str) -> tuple[int, float]:
        asked = {"prompt": f"{before}{words}GRANN", "max_tokens": 1, "temperature": 0}
        answer = server.complete(**asked, logprobs=0).json
        [logprob] = answer["choices"][0]["logprobs"]["token_logprobs"]
        return answer["usage"]["prompt_tokens"], logprob

    size, logprob = first_token("")
    assert size == len(everyday.tokenizer.encode(f"{words}GRANN"))
    assert first_token("You: Hello!\n")[1] != logprob, "a network remembers from the beginning on"
    assert server.complete(prompt="x" * 17_000_000, max_tokens=1).status == 413


def test_seeds_know_no_neighbours(server: Served) -> None:
    """vllm 51226: they depend on them."""
    alone = text_of(server, **SEEDED)
    with server.dialed() as connection:
        connection.sendall(server.spelled("/v1/completions", ENDLESS))
        server.wait_for(1)
        assert text_of(server, **SEEDED) == alone
    server.settle()


def test_without_a_seed_each_text_is_another(server: Served) -> None:
    """mlx-vlm 1818: it is the same each time."""
    assert len({text_of(server, prompt="The", max_tokens=40) for _ in range(3)}) == 3


# -- what an answer looks like ------------------------------------------------------------------


def test_streams_have_a_usage(server: Served) -> None:
    """sglang 954, lmstudio 713, omlx 61: they have none."""
    answer = server.complete(**SEEDED, stream=True, stream_options={"include_usage": True})
    *events, last, done = answer.events
    assert done == "[DONE]" and last["choices"] == []
    assert last["usage"]["completion_tokens"] == 30
    assert all(event["usage"] is None for event in events)


def test_streams_have_a_finish_reason(server: Served) -> None:
    """vllm-mlx 628: they have none."""
    for more, reason in (({}, "length"), ({"stop": "e", "min_chars": None}, "stop")):
        events = server.complete(**SEEDED | more, stream=True).events[:-1]
        reasons = [event["choices"][0]["finish_reason"] for event in events]
        assert reasons == [None] * (len(events) - 1) + [reason]


def test_streams_end_with_done(server: Served) -> None:
    """ik_llama.cpp 467: they do not."""
    assert server.complete(**SEEDED, stream=True).body.endswith(b"\n\ndata: [DONE]\n\n")
    assert server.chat(messages=QUESTION, stream=True).body.endswith(b"\n\ndata: [DONE]\n\n")


def test_a_role_comes_first(server: Served) -> None:
    """LibreChat 1221: there is none."""
    events = server.chat(messages=QUESTION, stream=True).events[:-1]
    roles = [event["choices"][0]["delta"].get("role") for event in events]
    assert roles == ["assistant"] + [None] * (len(events) - 1)


def test_a_stream_has_an_event_a_token_where_alternatives_are_shown(server: Served) -> None:
    """mikupad reads only the first token of a chunk."""
    events = server.complete(**SEEDED, logprobs=3, stream=True).events[:-1]
    scored = [event["choices"][0] for event in events if event["choices"][0]["text"]]
    assert [choice["logprobs"]["tokens"] for choice in scored] == [
        [choice["text"]] for choice in scored
    ]
    assert len(scored) == 30


def test_streams_have_whole_characters_only() -> None:
    """LocalAI 677, vllm 931: emoji and Chinese are garbled."""

    async def read(here: Within) -> None:
        asked = {"prompt": "漢字 🍓 ", "regex": "[😀你好é]{12}", "max_tokens": 99, "seed": 3}
        whole = await here.complete(**asked).answer()
        streamed = await here.complete(**asked, stream=True).answer()
        events = [
            json.loads(line.removeprefix("data: "))
            for line in streamed.content.decode("utf-8").split("\n\n")[:-2]
        ]
        shown = [event["choices"][0]["text"] for event in events]
        text = whole.json["choices"][0]["text"]
        assert "".join(shown) == text and len(text) == 12
        assert set(text) <= set("😀你好é")

    within(tiny_over(ByteTokenizer(), seed=1), read)


@pytest.mark.parametrize(("start", "length"), [(1, 1), (2, 5), (6, 2), (8, 6)])
def test_stop_texts_are_cut_exactly_and_never_half_shown(
    server: Served, everyday: chargen.TextGenerator, start: int, length: int
) -> None:
    """vllm 3574, text-generation-inference 1039, omlx 2386: they leak, or are cut in part."""
    asked: dict[str, Any] = {"prompt": "The color of a", "temperature": 0, "max_tokens": 60}
    expected = everyday.generate(**asked).text
    stop = ["zzz", expected[start : start + length]]
    ends = [expected.find(text) for text in stop if text in expected]
    assert ends
    whole = text_of(server, **asked, stop=stop)
    assert whole == expected[: min(ends)]
    streamed = texts_of(server.complete(**asked, stop=stop, stream=True).events)
    assert "".join(streamed) == whole


def test_proxies_do_not_hold_streams_back(server: Served) -> None:
    """llama.cpp 24774: nginx does."""
    headers = server.complete(**SEEDED, stream=True).headers
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-cache"
    assert headers["content-type"].startswith("text/event-stream")


def test_silence_is_broken_while_a_prompt_is_read(
    everyday: chargen.TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ollama 14420: a proxy takes a server for dead that reads a long prompt."""
    monkeypatch.setattr("chargen.server.app.HEARTBEAT_SECONDS", 0.001)

    async def read(here: Within) -> None:
        call = await here.complete(prompt="a word and " * 500, max_tokens=2, stream=True).answer()
        comments, _, rest = call.content.partition(b"data: ")
        assert comments.startswith(b":") and comments.endswith(b"\n\n")
        assert b"\n:" not in rest, "the text itself is news enough"
        assert rest.endswith(b"data: [DONE]\n\n")

    within(everyday, read)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nul", b'{"prompt": NaN}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_json_is_the_client_s_mistake(server: Served, body: bytes) -> None:
    """sglang 3805: it is answered with a 500, as plain text."""
    for path in ("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"):
        answer = server.post(path, body)
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"


def test_errors_have_the_envelope_of_openai(server: Served) -> None:
    """ray 64833: it is another one."""
    missing = server.complete(model="gpt-4o", prompt="The")
    assert missing.status == 404
    assert missing.error == {
        "message": missing.error["message"],
        "type": "not_found_error",
        "param": "model",
        "code": "model_not_found",
    }
    for answer, status in (
        (server.get("/v1/nothing"), 404),
        (server.get("/v1/completions"), 405),
        (server.complete(prompt="The", n=-1), 400),
    ):
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json"
        assert answer.error["message"]


# -- who may ask --------------------------------------------------------------------------------


def test_a_preflight_needs_no_key(guarded: Served) -> None:
    """llama.cpp 6544: it is asked for one, which no browser sends."""
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = guarded.request("OPTIONS", "/v1/chat/completions", headers=asked)
    assert answer.status in (200, 204)
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


def test_every_answer_says_which_pages_may_read_it(guarded: Served) -> None:
    """flexllama 30: only those to OPTIONS do."""
    key = {"Authorization": f"Bearer {KEY}"}
    for path, headers, status in (
        ("/v1/models", key, 200),
        ("/v1/models", {}, 401),
        ("/v1/nothing", key, 404),
        ("/health", {}, 200),
    ):
        answer = guarded.request("GET", path, headers={"Origin": PAGE, **headers})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == PAGE
    answer = guarded.request("POST", "/v1/completions", b"{", {"Origin": PAGE, **key})
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_no_web_site_can_use_a_local_server(server: Served) -> None:
    """llama.cpp 25606: any can. Not by its pages, and not by a name that it points here."""
    body = json.dumps({"prompt": "The"}).encode()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
    ):
        answer = server.request("POST", "/v1/completions", body, headers)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in server.get("/v1/models").headers


def test_health_needs_no_key(guarded: Served) -> None:
    """text-embeddings-inference 427: it does."""
    assert guarded.get("/health").status == 200
    assert guarded.get("/v1/models").status == 401


def test_probes_know_when_a_model_is_there(everyday: chargen.TextGenerator) -> None:
    """vllm 1245: there are none."""

    async def probe(here: Within) -> None:
        assert await here.health() == (503, "loading")
        await here.models.load_named()
        assert await here.health() == (200, "ok")

    within(everyday, probe, named=["model"])
