"""What a command line points to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chargen.cli.inputs import is_file, read_prompt, split_at_commas
from chargen.errors import ConfigError, CorpusError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("red,green", ["red", "green"]),
        (" red, green", [" red", " green"]),
        ('"a,b",c', ["a,b", "c"]),
        ("a\\n,b\\tc", ["a\n", "b\tc"]),
        ("a\nb,c", ["a\nb", "c"]),
        (r"a\\n,b\\", ["a\\n", "b\\"]),
        ("a\\\nb", ["a\\\nb"]),
        ("a,,b", ["a", "", "b"]),
        ("", []),
    ],
)
def test_texts_are_split_at_commas(text: str, parts: list[str]) -> None:
    assert split_at_commas("choices", text) == parts


def test_a_quote_that_is_not_closed_is_rejected() -> None:
    with pytest.raises(ConfigError, match="`choices` cannot be split at its commas"):
        split_at_commas("choices", '"a,b')


def test_a_prompt_is_given_itself_or_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\n")
    assert read_prompt(None, str(path)) == "café\n"
    assert read_prompt(" red", None) == " red"


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes | None], None]]:
    """Puts some bytes into standard input, a pipe, and closes it."""
    with ExitStack() as opened:

        def pipe(content: bytes | None) -> None:
            reader, writer = os.pipe()
            stdin = opened.enter_context(open(reader, encoding="utf-8"))
            monkeypatch.setattr(sys, "stdin", stdin)
            if content is None:  # and leaves it open
                opened.callback(os.close, writer)
                return
            os.write(writer, content)
            os.close(writer)

        yield pipe


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        (b"The sky is\n", "The sky is"),
        (b"The sky is", "The sky is"),
        (b"two\nlines\n\n", "two\nlines\n"),
        (b"\xef\xbb\xbfcaf\xc3\xa9\r\n", "caf\u00e9"),
        (b"cr\r", "cr\r"),
        (b"", ""),
    ],
)
def test_a_prompt_is_piped_in_without_its_last_newline(
    piped: Callable[[bytes], None], content: bytes, prompt: str
) -> None:
    piped(content)
    assert read_prompt(None, None) == prompt
    piped(content)
    assert read_prompt(" red", None) == " red", "one that is given comes first"
    assert sys.stdin.buffer.read() == content, "and nothing is read"
    piped(content)
    assert read_prompt(None, "-") == content.decode("utf-8-sig"), "asked for, it is as it is"


def test_a_pipe_that_nobody_writes_to_is_no_prompt_where_nobody_sits(
    piped: Callable[[bytes | None], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("chargen.cli.inputs.PIPE_SECONDS", 0.0)
    piped(None)
    assert read_prompt(None, None) == ""
    assert "--prompt-file - waits for one" in capsys.readouterr().err


def test_at_a_terminal_a_slow_pipe_is_waited_for(
    piped: Callable[[bytes | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(b"late\n")
    monkeypatch.setattr("chargen.cli.inputs.select.select", lambda *_: ([], [], []))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert read_prompt(None, None) == "late"


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_device_is_no_prompt(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    with open("/dev/zero", mode, encoding="utf-8") as zero:
        monkeypatch.setattr(sys, "stdin", zero)
        assert read_prompt(None, None) == ""
    assert read_prompt(None, None) == "", "nor is what is closed"


def test_a_file_is_a_prompt_as_a_pipe_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("The sky\n")
    with open(path, encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert read_prompt(None, None) == "The sky"


def test_what_is_piped_in_must_be_utf8(piped: Callable[[bytes], None]) -> None:
    piped(b"caf\xe9")
    with pytest.raises(CorpusError, match="the prompt on standard input is not UTF-8: byte 3"):
        read_prompt(None, None)


def test_a_text_is_itself_unless_a_file_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    assert is_file(str(path))
    assert is_file("-")
    assert not is_file("some words")
    assert capsys.readouterr().err == ""
    assert not is_file("nowhere.txt")
    assert "no file nowhere.txt; reading it as text" in capsys.readouterr().err
    with pytest.raises(CorpusError, match="is a folder"):
        is_file(str(tmp_path))
