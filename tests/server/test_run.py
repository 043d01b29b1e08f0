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
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from chargen.errors import ServeError
from chargen.server.run import listen
from tests.support.command import Chargen

# The command line, with another patience at its end.
MAIN = """
import chargen.server.run
from chargen.cli.main import main

chargen.server.run.DRAIN_SECONDS = {drain}
raise SystemExit(main())
"""
LONG = {"prompt": "a", "max_tokens": 100_000, "stream": True}


class Server:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        self.host, _, port = address.removeprefix("http://").rpartition(":")
        self.port = int(port)
        self.said = f"{address}\n"
        for line in process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                break

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
    drain: float = 0.1,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN.format(drain=drain), "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        status, body = server.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 3})
        assert (status, json.loads(body)["usage"]["completion_tokens"]) == (200, 3)
        assert server.ask("GET", "/health")[0] == 200
        code, log = server.end(signal.SIGTERM)
    assert code == 0
    [line] = log.splitlines()
    assert line.startswith("POST /v1/completions 200 3 tokens ")


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
        assert server.ask("GET", "/v1/models")[0] == 401
        assert server.end(signal.SIGINT) == (130, "")


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
    with serving(tmp_path, drain=1000) as server, server.stream() as answer:
        server.process.send_signal(signal.SIGINT)
        while server.is_listening():
            answer.readline()
        assert server.end(signal.SIGINT)[0] == 130


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "chargen: no such checkpoint: nowhere; checkpoints: everyday\n"),
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
