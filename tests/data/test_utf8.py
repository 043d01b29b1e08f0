"""A text that is no UTF-8 is told from one that is, and what is said about it can be done."""

from __future__ import annotations

import codecs
import gzip
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.cache import scratch_folder
from chargen.data.intake import read_sources
from chargen.data.utf8 import decode_utf8
from chargen.errors import CorpusError, in_flags
from tests.support.texts import write

ENGLISH = "\u201cIt\u2019s a caf\u00e9\u201d, said the cook \u2013 twice.\n" * 40
FRENCH = "Le caf\u00e9 est tr\u00e8s cher.\n" * 40
GERMAN = "\u201eIst das gr\u00fcn?\u201c\n" * 40
RUSSIAN = "\u042d\u0442\u043e \u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0434\u043e\u043c.\n" * 40
CHINESE = "\u8fd9\u662f\u4e00\u5ea7\u7ea2\u8272\u7684\u623f\u5b50\u3002\n" * 40


def refusal(path: Path, config: CorpusConfig | None = None) -> CorpusError:
    with pytest.raises(CorpusError) as refused, scratch_folder() as spool:
        read_sources([path], config or CorpusConfig(), lambda: spool)
    return refused.value


def read(path: Path, encoding: str | None = None) -> str:
    with scratch_folder() as spool:
        [source] = read_sources([path], CorpusConfig(encoding=encoding), lambda: spool).sources
        return source.path.read_bytes()[source.start :].decode()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "cp1252"),
        (FRENCH, "latin-1"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (CHINESE, "gb18030"),
        (RUSSIAN, "utf-16-le"),
        (ENGLISH, "utf-16-be"),
        (CHINESE, "utf-32-le"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_the_hint_done_to_the_letter_gives_the_text(
    tmp_path: Path, text: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(text.encode(encoding))
    path = write(tmp_path, "text.txt", content)
    message = refusal(path).spelled(in_flags)
    [named] = re.findall(r"--encoding ([\w-]+)", message)
    assert read(path, named) == text
    assert path.read_bytes() == content
    assert message.count("\n") == 0


def test_it_shows_how_some_characters_would_read(tmp_path: Path) -> None:
    said = str(refusal(write(tmp_path, "a.txt", ENGLISH.encode("cp1252"))))
    assert "byte 0 (0x93) does not begin a character" in said
    assert "it may be cp1252 (0x93 0x92 0xE9 would be \u201c \u2019 \u00e9): read it with" in said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("asked", [None, "cp1252"])
def test_a_byte_order_mark_is_obeyed(tmp_path: Path, encoding: str, asked: str | None) -> None:
    assert read(write(tmp_path, "a.txt", CHINESE.encode(encoding)), asked) == CHINESE


def test_an_encoding_that_is_asked_for_is_strict(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"caf\xe9 \x81 au lait")
    said = str(refusal(path, CorpusConfig(encoding="cp1252")))
    assert "a.txt is not cp1252: byte 5 (0x81) does not begin a character" in said


@pytest.mark.skipif(not shutil.which("iconv"), reason="needs iconv")
@pytest.mark.parametrize("name", ["my book.txt", "it's $HOME `x`.txt", "caf\udce9\\1.txt"])
def test_of_utf8_with_some_bad_bytes_the_rest_can_be_kept(tmp_path: Path, name: str) -> None:
    content = RUSSIAN.encode()
    path = write(tmp_path, name, content[:301] + b"\xff" + content[301:])
    command = str(refusal(path)).split("is: ")[-1]
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, cwd=tmp_path)
    kept = done.stdout.decode()
    assert len(kept) >= len(RUSSIAN) - 1
    assert set(kept) <= set(RUSSIAN)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" * 9, "a.txt is a PDF"),
        (b"{\\rtf1\\ansi text}", "is an RTF document, no plain text; save it as plain text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "is an old Office document"),
        (b"\x7fELF\0\0\xff" * 900, "it does not look like text"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in str(refusal(write(tmp_path, "a.txt", content)))


def test_a_text_that_is_read_as_a_whole_is_checked_alike(tmp_path: Path) -> None:
    path = write(tmp_path, "prompt.txt", b"")
    assert decode_utf8(codecs.BOM_UTF8 + ENGLISH.encode(), "the prompt", path) == ENGLISH
    with pytest.raises(CorpusError, match=r"the prompt is not UTF-8: .*utf-16-le.*save it as UTF"):
        decode_utf8(ENGLISH.encode("utf-16-le"), "the prompt", path)
