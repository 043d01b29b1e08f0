"""Routes, streams and what ends them before their time."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.checkpoint.metadata import config_of, read_metadata
from chargen.errors import ConfigError
from chargen.runtime.files import encode_indented
from chargen.server import app as app_module
from chargen.server import exchange as exchange_module
from chargen.server import openai_answers as answers_module
from chargen.server.app import App
from chargen.server.exchange import Exchange
from chargen.server.models import Models
from chargen.server.openai_answers import WholeAnswer
from chargen.server.openai_fields import read_body
from chargen.server.page_files import PART_BYTES, ServedFile
from chargen.server.text_requests import Busy, Closed
from tests.support.asgi import Call
from tests.support.browser import checkpoint_files
from tests.support.fake_worker import FakeWorker, as_worker
from tests.support.pages import ParsedPage

Test = Callable[["Served"], Awaitable[None]]


class Served:
    """An app of the bundled model, whose worker does what it is told."""

    def __init__(self, generator: chargen.TextGenerator) -> None:
        self.worker = FakeWorker(generator)
        self.models = Models(lambda: {"everyday": BUNDLED}, lambda _: as_worker(self.worker))
        self.answered: list[Exchange] = []
        self.app = App(self.models, on_answered=self.answered.append)

    def call(self, method: str, path: str, body: object = None, **options: Any) -> Call:
        return Call(self.app, method, path, body, **options)

    def complete(self, **body: Any) -> Call:
        return self.call("POST", "/v1/completions", {"prompt": "a"} | body)


@pytest.fixture(scope="module")
def generator() -> chargen.TextGenerator:
    return chargen.load("everyday")


@pytest.fixture
def run(
    generator: chargen.TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Test], None]:
    monkeypatch.setattr("chargen.server.models.load", lambda folder: generator)

    def run(test: Test) -> None:
        async def within() -> None:
            async with asyncio.timeout(20):
                await test(Served(generator))

        asyncio.run(within())

    return run


# -- routes -----------------------------------------------------------------------------------

ROUTES = [
    ("GET", "/models", None),
    ("GET", "/models/everyday", None),
    ("POST", "/tokenize", {"prompt": "a"}),
    ("POST", "/detokenize", {"tokens": [5]}),
    ("GET", "/tokenizer_info", None),
    ("GET", "/health", None),
    ("GET", "/page/files", None),
]


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize("slash", ["/", ""])
def test_a_path_is_served_with_and_without_its_prefix_and_a_slash(
    run: Callable[[Test], None], prefix: str, slash: str
) -> None:
    async def test(served: Served) -> None:
        for method, path, body in ROUTES:
            call = await served.call(method, f"{prefix}{path}{slash}", body).answer()
            assert (path, call.status) == (path, 200)
            assert call.headers["content-type"] == "application/json"
        for path in ("/completions", "/chat/completions"):
            call = await served.call("POST", f"{prefix}{path}{slash}", {"n": 0}).answer()
            assert (path, call.status) == (path, 400)

    run(test)


def test_what_is_nowhere_is_404_and_what_takes_another_method_405(
    run: Callable[[Test], None],
) -> None:
    async def test(served: Served) -> None:
        missing = await served.call("GET", "/v2/models").answer()
        assert (missing.status, missing.error["type"]) == (404, "not_found_error")
        for path, allowed in (("/v1/completions", "POST"), ("/v1/models", "GET, HEAD")):
            wrong = await served.call("DELETE", path).answer()
            assert (wrong.status, wrong.headers["allow"]) == (405, allowed)
            assert "DELETE" in wrong.error["message"]

    run(test)


def test_head_is_get_without_a_body(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        whole = await served.call("GET", "/v1/models").answer()
        head = await served.call("HEAD", "/v1/models").answer()
        assert (head.status, head.headers, head.content) == (200, whole.headers, b"")

    run(test)


def test_the_paths_are_listed(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        for path in ("/v1", "/v1/"):
            call = await served.call("GET", path).answer()
            assert call.headers["content-type"].startswith("text/plain")
            assert b"/v1/chat/completions" in call.content

    run(test)


# -- the page ---------------------------------------------------------------------------------


def test_the_root_is_the_page(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        call = await served.call("GET", "/").answer()
        assert call.status == 200
        assert call.headers["content-type"] == "text/html; charset=utf-8"
        assert call.headers["content-security-policy"] == "frame-ancestors 'self'"
        found = ParsedPage(call.content.decode())
        assert (found.title, found.files, found.fetched) == ("chargen", {}, [])
        assert "connect-src 'self'" in found.policy

    run(test)


def test_a_model_comes_file_by_file(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        for query in ("", "?model=everyday"):
            listed = (await served.call("GET", f"/page/files{query}").answer()).json
            assert listed["model"] == "everyday"
            expected = checkpoint_files(BUNDLED)
            expected["config.json"] = encode_indented(config_of(read_metadata(BUNDLED)))
            assert listed["files"] == {name: len(data) for name, data in expected.items()}
            for name, data in expected.items():
                call = await served.call("GET", f"/page/file/{name}{query}").answer()
                assert (call.status, call.content == data) == (200, True)
                assert call.headers["content-length"] == str(len(data))
                assert call.headers["cross-origin-resource-policy"] == "same-origin"
                head = await served.call("HEAD", f"/page/file/{name}{query}").answer()
                assert (head.headers, head.content) == (call.headers, b"")

    run(test)


def test_what_a_browser_has_is_not_sent_again(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        for path in ("/", "/page/file/model.safetensors", "/page/file/config.json"):
            call = await served.call("GET", path).answer()
            assert call.headers["cache-control"] == "no-cache"
            tag = call.headers["etag"]
            for held in (tag, f'"a", W/{tag}'):
                again = await served.call("GET", path, headers={"if-none-match": held}).answer()
                assert (again.status, again.content) == (304, b"")
                assert again.headers["etag"] == tag and "content-length" not in again.headers
            other = await served.call("GET", path, headers={"if-none-match": '"a"'}).answer()
            assert (other.status, other.content) == (200, call.content)

    run(test)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/page/files?model=x", "there is no model 'x'; the models are everyday"),
        ("/page/file/config.json?model=../x", "there is no model '../x'"),
        ("/page/file/training.safetensors", "there is no file 'training.safetensors'; GET /page"),
        ("/page/file/..%2Fconfig.json", "there is no"),
        ("/page/file/metrics.jsonl", "there is no file 'metrics.jsonl'"),
        ("/page/file/tokenizer.json", "there is no file 'tokenizer.json'"),
    ],
)
def test_what_is_no_file_of_a_model_is_404(
    run: Callable[[Test], None], path: str, says: str
) -> None:
    async def test(served: Served) -> None:
        call = await served.call("GET", path).answer()
        assert call.status == 404
        assert call.error["message"].startswith(says)

    run(test)


def test_a_file_that_is_missing_is_reported(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(BUNDLED, broken)
    (broken / "model.safetensors").unlink()
    (broken / "README.md").unlink()

    async def test(served: Served) -> None:
        served.models._folders = lambda: {"broken": broken}
        for path in ("/page/files", "/page/file/model.safetensors"):
            call = await served.call("GET", f"{path}?model=broken").answer()
            assert call.status == 503
            assert "cannot load broken: cannot read" in call.error["message"]
        os.mkfifo(broken / "model.safetensors")
        call = await served.call("GET", "/page/file/model.safetensors?model=broken").answer()
        assert "it is not a regular file" in call.error["message"]
        call = await served.call("GET", "/page/file/README.md?model=broken").answer()
        assert call.status == 404

    run(test)


def test_a_file_is_sent_as_it_is_taken(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a client that takes nothing no more than a part is in memory, and it is given up."""
    monkeypatch.setattr(exchange_module, "SEND_SECONDS", 0.2)

    async def test(served: Served) -> None:
        slow = served.call("GET", "/page/file/model.safetensors")
        first = await slow.part(0)
        assert len(first) == PART_BYTES
        slow.takes.clear()
        await slow.answer()
        [gone] = served.answered
        assert gone.was_left and not slow.is_complete
        left = served.call("GET", "/page/file/model.safetensors")
        await left.part(0)
        left.hang_up()
        await left.answer()
        assert served.answered[-1].was_left

    run(test)


def test_a_file_that_has_become_shorter_is_not_ended_as_if_it_were_whole(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(served: Served) -> None:
        @contextmanager
        def shorter(folder: Path, name: str) -> Iterator[ServedFile]:
            yield ServedFile(io.BytesIO(b"half"), 8, "tag")

        monkeypatch.setattr(app_module, "open_file", shorter)
        call = await served.call("GET", "/page/file/config.json").answer()
        assert (call.status, call.content, call.is_complete) == (200, b"half", False)

    run(test)


# -- what there is ----------------------------------------------------------------------------


def test_health_is_that_of_the_models(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        assert (await served.call("GET", "/health").answer()).json["status"] == "ok"
        await served.call("GET", "/tokenizer_info").answer()
        served.worker.running, served.worker.waiting = 3, 2
        health = await served.call("GET", "/health").answer()
        assert health.json == {"status": "ok", "running": 3, "waiting": 2}
        served.worker.is_alive = False
        health = await served.call("GET", "/health").answer()
        assert (health.status, health.json["status"]) == (503, "error")

    run(test)


# -- answers ----------------------------------------------------------------------------------


def test_an_answer_without_stream_comes_when_all_is_there(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        call = served.complete(n=2)
        generation = await served.worker.submitted()
        generation.say("b")
        generation.say("c", index=1)
        generation.say("d")
        generation.end()
        await call.answer()
        assert [choice["text"] for choice in call.json["choices"]] == ["bd", "c"]
        assert len(call.parts) == 1
        assert call.headers["content-length"] == str(len(call.content))
        assert served.answered[0].num_tokens == 3

    run(test)


def test_a_stream_is_sent_as_it_comes_and_what_is_there_at_a_time_in_one_part(
    run: Callable[[Test], None],
) -> None:
    async def test(served: Served) -> None:
        call = served.complete(stream=True)
        generation = await served.worker.submitted()
        assert call.status == 0  # it could still fail
        generation.say("b")
        assert (await call.part(0)).count(b"data: ") == 1
        assert not call.is_complete
        generation.say("c")
        generation.say("d")
        assert (await call.part(1)).count(b"data: ") == 2
        generation.end()
        await call.answer()
        assert call.content.endswith(b"data: [DONE]\n\n")
        assert call.is_complete
        assert call.headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        }

    run(test)


def test_what_takes_long_lets_others_take_turns(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_aside: list[bool] = []

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any) -> Any:
            is_aside.append(threading.current_thread() is not threading.main_thread())
            return work(*arguments)

        return note

    app: Any = app_module
    for owner, name in (app, "read_body"), (app, "completion_request"), (WholeAnswer, "take"):
        monkeypatch.setattr(owner, name, noted(getattr(owner, name)))

    async def test(served: Served) -> None:
        for number in range(2):
            call = served.complete(logprobs=1, max_tokens=20)
            (await served.worker.submitted(number)).end()
            assert (await call.answer()).status == 200
            monkeypatch.setattr(app_module, "LIGHT_BODY", 10)
            monkeypatch.setattr(answers_module, "LIGHT_SCORES", 39)

    run(test)
    assert is_aside == [False, False, False, True, True, True]


def test_of_large_bodies_one_is_read_at_a_time(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "LIGHT_BODY", 100)
    may_go_on, num_read = threading.Event(), 0

    def read(*arguments: Any) -> Any:
        nonlocal num_read
        num_read += 1
        assert may_go_on.wait(20)
        return read_body(*arguments)

    async def test(served: Served) -> None:
        light = served.complete()
        (await served.worker.submitted()).end()
        await light.answer()
        monkeypatch.setattr(app_module, "read_body", read)
        large = [served.complete(prompt="a" * 100) for _ in range(3)]
        while not num_read:
            await asyncio.sleep(0)
        large.pop().hang_up()  # its turn is not waited for
        assert num_read == 1
        may_go_on.set()
        for number in (1, 2):
            (await served.worker.submitted(number)).end()
        assert {(await call.answer()).status for call in large} == {200}

    run(test)


def test_several_prompts_are_streamed_beside_each_other(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        call = served.complete(prompt=["a", "b"], stream=True)
        first, second = await served.worker.submitted(0), await served.worker.submitted(1)
        second.say("x")
        assert b'"index":1' in await call.part(0)
        first.say("y")
        assert b'"index":0' in await call.part(1)
        second.end()
        first.end()
        assert (await call.answer()).content.endswith(b"data: [DONE]\n\n")

    run(test)


def test_silence_is_broken_by_comments_while_a_prompt_is_read(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "HEARTBEAT_SECONDS", 0.001)

    async def test(served: Served) -> None:
        call = served.complete(stream=True)
        generation = await served.worker.submitted()
        for number in range(2):
            assert await call.part(number) == b": reading the prompt\n\n"
        generation.say("b")
        generation.end()
        await call.answer()
        assert call.content.endswith(b"data: [DONE]\n\n")

    run(test)


# -- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Busy(), 429, "rate_limit_error"),
        (Closed(), 500, "server_error"),
    ],
)
def test_what_a_worker_refuses_has_a_status(
    run: Callable[[Test], None], error: Exception, status: int, kind: str
) -> None:
    async def test(served: Served) -> None:
        served.worker.submit_errors = [None, error]  # the second prompt does not fit
        call = await served.complete(prompt=["a", "b"], stream=True).answer()
        assert (call.status, call.error["type"]) == (status, kind)
        assert ("retry-after" in call.headers) == (status == 429)
        assert served.worker.generations[0].is_cancelled.is_set()

    run(test)


def test_what_a_request_asks_for_wrongly_is_400(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        served.worker.prepare_error = ConfigError("is too large", option="regex")
        call = await served.complete(stream=True).answer()
        assert (call.status, call.error["param"]) == (400, "regex")

    run(test)


def test_a_failure_within_a_stream_is_its_last_event(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        call = served.complete(stream=True)
        generation = await served.worker.submitted()
        generation.say("b")
        await call.part(0)
        generation.end(Closed())
        await call.answer()
        assert (call.status, call.is_complete) == (200, True)
        assert call.error["code"] == "model_closed"
        assert b"[DONE]" not in call.content

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_a_bug_is_logged_and_its_client_told_no_more_than_that(
    run: Callable[[Test], None], caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    async def test(served: Served) -> None:
        call = served.complete(stream=stream)
        (await served.worker.submitted()).end(ZeroDivisionError("secret"))
        await call.answer()
        assert (call.status, call.error["type"]) == (500, "server_error")
        assert b"secret" not in call.content
        call = served.complete()
        (await served.worker.submitted(1)).end()
        assert (await call.answer()).status == 200

    run(test)
    assert caplog.records[0].exc_info is not None


def test_an_unknown_model_is_404_and_says_which_there_are(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        for call in (served.complete(model="gpt-4"), served.call("GET", "/v1/models/gpt-4")):
            await call.answer()
            assert (call.status, call.error["code"]) == (404, "model_not_found")
            assert "everyday" in call.error["message"]

    run(test)


def test_nothing_of_a_request_reaches_a_path(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        for name in (str(BUNDLED), "everyday/../everyday", "./everyday", "everyday/"):
            call = await served.complete(model=name).answer()
            assert (call.status, call.error["code"]) == (404, "model_not_found")

    run(test)


# -- bodies -----------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_413(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_BODY", 10)

    async def test(served: Served) -> None:
        said = {"content-length": "11"}
        call = await served.call("POST", "/tokenize", b"", headers=said, ends=False).answer()
        assert call.status == 413
        call = served.call("POST", "/tokenize", b" " * 6, ends=False)
        call.send(b" " * 6, ends=False)
        assert (await call.answer()).status == 413

    run(test)


def test_all_bodies_together_are_bounded(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_BODIES", 10)

    async def test(served: Served) -> None:
        first = served.call("POST", "/tokenize", b" " * 8, ends=False)
        await asyncio.sleep(0)
        call = await served.call("POST", "/tokenize", b'{"prompt":""}').answer()
        assert (call.status, call.headers["retry-after"]) == (429, "1")
        first.hang_up()
        await first.answer()
        call = await served.call("POST", "/tokenize", b"{}").answer()
        assert call.status == 200

    run(test)


def test_a_body_counts_until_it_is_answered(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_BODIES", 25)

    async def test(served: Served) -> None:
        served.worker.prepare_waits.clear()
        first = served.complete()
        for _ in range(5):
            await asyncio.sleep(0)
        assert (await served.complete().answer()).status == 429
        first.hang_up()
        await first.answer()
        served.worker.prepare_waits.set()
        call = served.complete()
        (await served.worker.submitted()).end()
        assert (await call.answer()).status == 200

    run(test)


def test_a_body_that_does_not_come_is_given_up(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "BODY_SECONDS", 0.001)

    async def test(served: Served) -> None:
        call = await served.call("POST", "/tokenize", b'{"pro', ends=False).answer()
        assert (call.status, call.headers["connection"]) == (408, "close")

    run(test)


def test_more_requests_than_are_taken_are_429(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "MAX_REQUESTS", 1)

    async def test(served: Served) -> None:
        first = served.complete()
        generation = await served.worker.submitted()
        assert (await served.complete().answer()).status == 429
        generation.end()
        assert (await first.answer()).status == 200

    run(test)


# -- hanging up -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_costs_nothing_more(run: Callable[[Test], None], stream: bool) -> None:
    async def test(served: Served) -> None:
        call = served.complete(prompt=["a", "b"], stream=stream)
        generations = [await served.worker.submitted(0), await served.worker.submitted(1)]
        generations[0].say("b")
        await asyncio.sleep(0)
        call.hang_up()
        await call.answer()
        assert all(generation.is_cancelled.is_set() for generation in generations)
        assert not call.is_complete
        assert served.answered[0].was_left

    run(test)


def test_who_hangs_up_while_a_guide_is_built_submits_nothing(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        served.worker.prepare_waits.clear()
        call = served.complete(regex="a*")
        while not served.models.workers:
            await asyncio.sleep(0.001)
        call.hang_up()
        await call.answer()
        assert not served.worker.generations

    run(test)


def test_who_hangs_up_within_the_body_is_forgotten(run: Callable[[Test], None]) -> None:
    async def test(served: Served) -> None:
        call = served.call("POST", "/v1/completions", b'{"pro', ends=False)
        call.hang_up()
        await call.answer()
        assert served.answered[0].was_left
        assert call.status == 0

    run(test)


def test_a_client_that_takes_nothing_is_dropped(
    run: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "SEND_SECONDS", 0.01)

    async def test(served: Served) -> None:
        call = served.complete(stream=True)
        generation = await served.worker.submitted()
        generation.say("b")
        await call.part(0)
        call.takes.clear()
        generation.say("c")
        await call.answer()
        assert generation.is_cancelled.is_set()

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_at_shutdown_answers_end_with_an_error(run: Callable[[Test], None], stream: bool) -> None:
    async def test(served: Served) -> None:
        call = served.complete(stream=stream)
        generation = await served.worker.submitted()
        if stream:
            generation.say("b")
            await call.part(0)
        served.app.end()
        await call.answer()
        assert call.is_complete
        assert "shutting down" in call.error["message"]
        assert call.status == (200 if stream else 503)
        assert generation.is_cancelled.is_set()

    run(test)
