"""The server as a process: where it listens, what it says, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from chargen.checkpoint.locate import BUNDLED
from chargen.errors import ServeError
from chargen.server.run import listen
from tests.support.command import Chargen

# The command line, with another patience at its end, or a model that takes for ever.
MAIN = """
import time
import chargen.server.models, chargen.server.run
from chargen.cli.main import main

chargen.server.run.DRAIN_SECONDS = 0.1
{before}
raise SystemExit(main())
"""
PATIENT = "chargen.server.run.DRAIN_SECONDS = 1000"
LOADS_FOR_EVER = "chargen.server.models.load = lambda folder: time.sleep(1000)"
LONG = {"prompt": "a", "max_tokens": 100_000, "min_chars": 260_000, "stream": True}


class Server:
    host = "127.0.0.1"

    def __init__(self, process: subprocess.Popen[str], port: int | None = None) -> None:
        """Of a process that says on which port it listens, or is told."""
        self.process = process
        self.said = ""
        self.port = port or 0
        assert process.stdout is not None
        while not port and "Ctrl-C" not in self.said:
            self.said += process.stdout.readline()
            self.port = int(self.said.split("\n")[0].rpartition(":")[2].rstrip("/"))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(self.host, self.port)) as client:
            client.request(method, path, body and json.dumps(body), headers)
            answer = client.getresponse()
            return answer.status, answer.read()

    def is_listening(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    @contextmanager
    def stream(self) -> Iterator[http.client.HTTPResponse]:
        """An answer that is still being written."""
        with closing(http.client.HTTPConnection(self.host, self.port)) as client:
            client.request("POST", "/v1/completions", json.dumps(LONG))
            answer = client.getresponse()
            assert answer.readline().startswith(b"data: ")
            yield answer

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """The exit code, and what it said on stderr, after a signal."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@contextmanager
def serving(
    folder: Path,
    *arguments: str,
    before: str = "",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN.format(before=before), "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        status, body = server.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 3})
        assert (status, json.loads(body)["usage"]["completion_tokens"]) == (200, 3)
        assert server.ask("GET", "/health")[0] == 200
        code, log = server.end(signal.SIGTERM)
    assert code == 0
    [line] = log.splitlines()
    assert line.startswith("POST /v1/completions 200 everyday 3 tokens ")


def test_the_log_says_why_a_request_was_rejected(tmp_path: Path) -> None:
    with serving(tmp_path, "everyday") as server:
        server.ask("POST", "/v1/completions", {"prompt": "a", "top_k": -7})
        server.ask("POST", "/v1/completions", {"model": "\x1b[31m\nx" + "y" * 10_000})
        _, log = server.end(signal.SIGTERM)
    first, second = log.splitlines()
    assert first.startswith("POST /v1/completions 400 ")
    assert "`top_k` must be at least 1, not -7" in first
    assert "\x1b" not in second
    assert len(second) < 300


def test_the_example_works_when_it_is_pasted(tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    key = {"CHARGEN_API_KEY": "secret"}
    with serving(tmp_path, "everyday", "--quiet", environment=key) as server:
        [example] = [line for line in server.said.splitlines() if "curl" in line]
        done = subprocess.run(
            ["sh", "-c", example], capture_output=True, env={**os.environ, **key}, check=True
        )
        assert json.loads(done.stdout)["choices"]
        assert "secret" not in server.said
        assert server.said.startswith(f"the page: http://127.0.0.1:{server.port}/\n")
        assert server.ask("GET", "/")[0] == 200
        assert server.ask("GET", "/v1/models")[0] == 401
        assert server.end(signal.SIGINT) == (130, "")


def test_the_example_of_another_model_asks_for_any_text(tmp_path: Path) -> None:
    shutil.copytree(BUNDLED, tmp_path / "tales")
    with serving(tmp_path, "tales", "everyday") as server:
        assert "models: tales (the default), everyday\n" in server.said
        assert '"prompt":""' in server.said


def test_at_its_end_streams_finish_or_say_why_not(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.stream() as answer:
        server.process.send_signal(signal.SIGTERM)
        *_, last, _ = answer.read().split(b"\n\n")
        assert "shutting down" in json.loads(last.removeprefix(b"data: "))["error"]["message"]
        assert not server.is_listening()
        _, err = server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert "Traceback" not in err


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, before=PATIENT) as server, server.stream() as answer:
        server.process.send_signal(signal.SIGINT)
        while server.is_listening():
            answer.readline()
        code, said = server.end(signal.SIGINT)
        assert code == 130
        assert "for 1 request; Ctrl-C again stops at once" in said


def test_it_ends_while_a_model_is_loaded(tmp_path: Path) -> None:
    port = free_port()
    code, asked = MAIN.format(before=LOADS_FOR_EVER), ["--quiet", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", "everyday", *asked],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    ) as process:  # fmt: skip
        server = Server(process, port)
        while not server.is_listening():
            time.sleep(0.01)
        status, body = server.ask("GET", "/health")
        assert (status, json.loads(body)["status"]) == (503, "loading")
        process.terminate()
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "chargen: no such checkpoint: nowhere; checkpoints: everyday, facts\n"),
        (["--port", "65536"], 2, "port"),
        (["--cors-origin", "chat.example.com"], 2, "--cors-origin must be like https://"),
        (["--allowed-host", "http://a"], 2, "--allowed-host must be a name"),
        (["--api-key", ""], 2, "--api-key must be"),
        (["--host", "nowhere.invalid"], 1, "there is no host 'nowhere.invalid'"),
    ],
)
def test_what_is_wrong_is_one_line(
    run_chargen: Chargen, arguments: list[str], code: int, said: str
) -> None:
    done = run_chargen("serve", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_model_that_cannot_be_loaded_is_one_line(run_chargen: Chargen, tmp_path: Path) -> None:
    folder = shutil.copytree(BUNDLED, tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"")
    done = run_chargen("serve", folder, "--port", 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("chargen: cannot load damaged: ")
    assert done.stderr.count("\n") == 1


def test_missing_packages_are_named(run_chargen: Chargen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "chargen.server.run")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = run_chargen("serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("not installed; pip install 'chargen[serve]'\n")


# -- where it listens -------------------------------------------------------------------------


def test_a_port_is_taken_by_one(run_chargen: Chargen) -> None:
    [taken, *more] = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    done = run_chargen("serve", "--port", port)
    assert (done.returncode, done.stdout, more) == (1, "", [])
    assert f"127.0.0.1:{port} already" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    taken.close()


def test_a_name_is_listened_on_at_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    v4, v6 = ("127.0.0.1", 0), ("::1", 0, 0, 0)
    kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    found = [(socket.AF_INET6, *kind, v6), (socket.AF_INET, *kind, v4)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    sockets = listen("localhost", 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1
    assert "127.0.0.1" in {one.getsockname()[0] for one in sockets}
    for one in sockets:
        one.close()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServeError, match=r"no address 192\.0\.2\.1"):
        listen("192.0.2.1", 0)
