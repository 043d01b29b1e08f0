"""curl, as people use it to try a server."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.support.serving import Served

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")

GRANNY: dict[str, Any] = {"prompt": "GRANN", "max_tokens": 1, "temperature": 0}


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", *arguments], capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_is_posted_as_curl_does_it_by_itself(server: Served) -> None:
    """`-d` alone says that the body is a form."""
    answer = curl(f"{server.url}/v1/completions", "-d", json.dumps(GRANNY))
    assert json.loads(answer)["choices"][0]["text"] == "Y"
    answer = curl(f"{server.url}/v1/completions", "--json", json.dumps(GRANNY))
    assert json.loads(answer)["choices"][0]["text"] == "Y"


def test_a_large_body_is_announced_first(server: Served) -> None:
    """Above a megabyte curl asks whether to go on (Expect: 100-continue)."""
    body = json.dumps(GRANNY | {"prompt": "GRANN", "user": "x" * 1_100_000})
    done = subprocess.run(
        ["curl", "-sS", f"{server.url}/v1/completions", "-d", "@-"],
        input=body, capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout)["choices"][0]["text"] == "Y"


def test_a_stream(server: Served) -> None:
    body = json.dumps({"prompt": "The", "max_tokens": 20, "stream": True})
    lines = curl("-N", f"{server.url}/v1/completions", "-d", body).splitlines()
    events = [line for line in lines if line]
    assert all(line.startswith(("data: ", ":")) for line in events)
    assert events[-1] == "data: [DONE]"


def test_a_hang_up_ends_it(server: Served) -> None:
    body = json.dumps(
        {"prompt": "The", "max_tokens": 100_000, "min_chars": 260_000, "stream": True}
    )
    with subprocess.Popen(
        ["curl", "-sSN", f"{server.url}/v1/completions", "-d", body], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"data: ")
        process.terminate()
    server.settle()


def test_a_failure_has_a_status(server: Served) -> None:
    answer = curl(f"{server.url}/v1/completions", "-d", "{", "-w", "\n%{http_code} %{content_type}")
    envelope, status = answer.split("\n")
    assert json.loads(envelope)["error"]["type"] == "invalid_request_error"
    assert status == "400 application/json"
