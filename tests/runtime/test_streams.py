"""What is written to a pipe arrives as a whole, or whoever wrote it knows."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from threading import Thread

import pytest

from chargen.runtime.streams import WholeWrites, open_streams


@pytest.mark.parametrize("buffered", [False, True])
def test_a_full_pipe_that_does_not_block_is_waited_for(buffered: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    content = os.urandom(1 << 18)  # more than a pipe holds
    read: list[bytes] = []

    def read_all() -> None:
        with open(reader, "rb") as pipe:
            read.append(pipe.read())

    reading = Thread(target=read_all)
    with WholeWrites(writer, "w") as whole:
        out = io.BufferedWriter(whole) if buffered else whole
        reading.start()
        assert out.write(content) == len(content)
        out.flush()
    reading.join()
    assert read == [content]


def test_what_cannot_be_written_is_an_error() -> None:
    with WholeWrites(os.open("/dev/full", os.O_WRONLY), "w") as full, pytest.raises(OSError):
        full.write(b"text")


PRINTS_MUCH = """
from chargen.runtime.streams import open_streams
open_streams()
open_streams()  # once more changes nothing
print("\\u6f22" * 100_000)
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_process_loses_none_of_its_output(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        [sys.executable, "-c", PRINTS_MUCH], stdout=writer, env=environment
    ) as process:
        os.close(writer)
        with open(reader, encoding="utf-8") as pipe:
            assert pipe.read() == "\u6f22" * 100_000 + "\n"
    assert process.returncode == 0


def test_streams_that_are_no_files_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", text)
    monkeypatch.setattr(sys, "stdin", None)
    open_streams()
    assert sys.stdout is text and text.encoding == "utf-8"
    with sys.stdin:
        assert sys.stdin.read() == ""
