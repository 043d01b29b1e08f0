"""A text that is no UTF-8 is told from one that is, and what is said about it can be done."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.cache import open_sources
from chargen.data.utf8 import decode_utf8, wide_encoding
from chargen.errors import CorpusError
from tests.support.texts import write

ENGLISH = "\u201cIt\u2019s a caf\u00e9\u201d, said the cook \u2013 twice.\n" * 40
FRENCH = "Le caf\u00e9 est tr\u00e8s cher.\n" * 40
RUSSIAN = "\u042d\u0442\u043e \u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0434\u043e\u043c.\n" * 40
CHINESE = "\u8fd9\u662f\u4e00\u5ea7\u7ea2\u8272\u7684\u623f\u5b50\u3002\n" * 40
WIDE = ("UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE")

needs_iconv = pytest.mark.skipif(
    not (shutil.which("iconv") and shutil.which("bash")), reason="needs iconv and bash"
)


def refusal(path: Path) -> str:
    with pytest.raises(CorpusError) as refused, open_sources([path], CorpusConfig()):
        pass
    return str(refused.value)


def done_to_the_letter(message: str, folder: Path) -> None:
    command = message.split("as in: ")[1]
    assert "\n" not in command
    subprocess.run(["bash", "-c", command], cwd=folder, check=True, timeout=60)


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, CHINESE], ids=["Latin", "Cyrillic", "Chinese"])
def test_wide_characters_without_a_mark_are_known(text: str, encoding: str) -> None:
    assert wide_encoding(text.encode(encoding)) == encoding


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 3000,
        b"ab\0c\n" * 900,
        b"abc\0" * 900,
        b"12 34\0" * 900,
        b"one file.txt\0another.txt\0" * 90,
        ENGLISH.encode(),
        (RUSSIAN + "\0").encode(),
        bytes(range(256)) * 40,
    ],
)
def test_nothing_else_is_taken_for_them(content: bytes) -> None:
    assert wide_encoding(content) is None


@needs_iconv
@pytest.mark.parametrize(
    ("text", "encoding", "mark"),
    [
        (ENGLISH, "cp1252", b""),
        (FRENCH, "latin-1", b""),
        ("\u201eIst das gr\u00fcn?\u201c\n" * 40, "cp1252", b""),
        *((text, encoding, b"") for text in (ENGLISH, RUSSIAN, CHINESE) for encoding in WIDE),
        (RUSSIAN, "UTF-16LE", codecs.BOM_UTF16_LE),
        (RUSSIAN, "UTF-16BE", codecs.BOM_UTF16_BE),
        (RUSSIAN, "UTF-32LE", codecs.BOM_UTF32_LE),
        (RUSSIAN, "UTF-32BE", codecs.BOM_UTF32_BE),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_the_hint_done_to_the_letter_gives_the_text(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    encoding: str,
    mark: bytes,
    pack: Callable[[bytes], bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pack(mark + text.encode(encoding))
    path = write(tmp_path, "text.txt", content)
    done_to_the_letter(refusal(path), tmp_path)
    assert (tmp_path / "text-2.txt").read_text(encoding="utf-8") == text
    assert path.read_bytes() == content, "nothing is written over"


@needs_iconv
@pytest.mark.parametrize(
    "name", ["my book.txt", "-n.txt", "it's $HOME `x`.txt", "two\nlines.txt", "caf\udce9\\1.txt"]
)
def test_so_it_does_whatever_the_file_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, name, ENGLISH.encode("cp1252"))
    done_to_the_letter(refusal(Path(name)), tmp_path)
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == ENGLISH


@needs_iconv
def test_of_utf8_with_some_bad_bytes_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = RUSSIAN.encode()
    path = write(tmp_path, "damaged.txt", content[:301] + b"\xff" + content[301:])
    command = refusal(path).split("as in: ")[1]
    subprocess.run(["bash", "-c", command], timeout=60)  # iconv -c complains of what it leaves out
    kept = (tmp_path / "text.txt").read_text(encoding="utf-8")
    assert len(kept) >= len(RUSSIAN) - 1
    assert set(kept) <= set(RUSSIAN)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((RUSSIAN, encoding) for encoding in ("cp1251", "koi8-r", "cp866")),
        (CHINESE, "gbk"),
        (CHINESE.replace("\u8fd9", "\u3053"), "shift_jis"),
        *((FRENCH, encoding) for encoding in ("cp850", "mac_roman")),
        ("Die T\u00fcr ist gr\u00fcn\n" * 40, "cp437"),
    ],
)
def test_an_encoding_that_cannot_be_told_is_not_guessed(
    tmp_path: Path, text: str, encoding: str
) -> None:
    content = text.encode(encoding, errors="ignore")
    assert "find out its encoding" in refusal(write(tmp_path, "text.txt", content))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bz2.compress(ENGLISH.encode()), "unpack it first, as in: bzip2 -dc < "),
        (lzma.compress(ENGLISH.encode()), "unpack it first, as in: xz -dc < "),
        (b"PK\3\4\xff" * 9, "it is a zip archive"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" * 9, "it is a PDF"),
        (b"\x7fELF\0\0\xff" * 900, "it does not look like text"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refusal(write(tmp_path, "text.txt", content))


def test_a_text_that_is_read_as_a_whole_is_checked_alike(tmp_path: Path) -> None:
    path = write(tmp_path, "prompt.txt", b"")
    assert decode_utf8(codecs.BOM_UTF8 + ENGLISH.encode(), "the prompt", path) == ENGLISH
    for place, says in ((path, "as in: iconv -f UTF-16LE"), ("-", "piping it through: iconv")):
        with pytest.raises(CorpusError, match=f"the prompt is not UTF-8: .*{says}"):
            decode_utf8(ENGLISH.encode("utf-16-le"), "the prompt", place)
