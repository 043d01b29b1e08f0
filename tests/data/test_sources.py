"""Texts are found, read and checked, and bad ones are reported."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.corpus import open_corpus
from chargen.data.sources import CHUNK_BYTES, name_of
from chargen.errors import CorpusError
from tests.support.texts import WHOLE, spell, write


def test_files_folders_globs_and_gzip(tmp_path: Path) -> None:
    write(tmp_path, "books/b.txt", "bee")
    write(tmp_path, "books/deep/a.txt", "ay")
    write(tmp_path, "books/z.txt.gz", gzip.compress(b"zip", mtime=0))
    write(tmp_path, "books/notes.md", "no")
    write(tmp_path, "x1.text", "one")
    write(tmp_path, "x2.text", "two")
    packed = write(tmp_path, "z.txt.gz", gzip.compress(b"zed", mtime=0))
    corpus = open_corpus([tmp_path / "books", str(tmp_path / "x*.text"), packed], WHOLE)
    assert spell(corpus, corpus.train) == ["bee", "ay", "zip", "one", "two", "zed"]
    assert [name for name, *_ in corpus.sources] == [
        "b.txt", "a.txt", "z.txt.gz", "x1.text", "x2.text", "z.txt.gz",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"piped text", gzip.compress(b"piped text", mtime=0)])
def test_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr("sys.stdin", stdin)
    corpus = open_corpus(["-"], WHOLE)
    assert spell(corpus, corpus.train) == ["piped text"]
    assert corpus.name == "stdin"


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
@pytest.mark.parametrize(("newlines", "expected"), [("keep", "a\r\nb\rc\n"), ("lf", "a\nb\nc\n")])
def test_byte_order_mark_goes_and_newlines_stay_unless_asked(
    tmp_path: Path, tokenizer: str, newlines: str, expected: str
) -> None:
    path = write(tmp_path, "a.txt", b"\xef\xbb\xbfa\r\nb\rc\n")
    config = CorpusConfig(valid_fraction=0, test_fraction=0, newlines=newlines, tokenizer=tokenizer)
    corpus = open_corpus([path], config)
    assert spell(corpus, corpus.train) == [expected]


@pytest.mark.parametrize(
    ("content", "byte"),
    [
        (b"\xffabc", 0),
        (b"abc\xc3\x28", 3),
        (b"caf\xe9", 3),
        (b"abc\xe6\xbc", 3),
        (b"x" * (CHUNK_BYTES - 1) + b"\xe6\xbc!", CHUNK_BYTES - 1),
        ("héllo".encode("utf-16"), 0),
    ],
)
def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path, content: bytes, byte: int) -> None:
    path = write(tmp_path, "bad.txt", content)
    with pytest.raises(CorpusError, match=rf"bad.txt is not UTF-8: byte {byte} .*iconv"):
        open_corpus([path], WHOLE)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nowhere.txt", None, "no such text"),
        ("empty.txt", b"", "the text is empty"),
        ("bom.txt", b"\xef\xbb\xbf", "the text is empty"),
        ("folder/readme.md", b"x", "has no text"),
        ("torn.txt.gz", gzip.compress(b"hello" * 99, mtime=0)[:-9], "not a whole gzip file"),
        ("false.txt.gz", b"hello", "not a whole gzip file"),
    ],
)
def test_useless_texts_are_refused(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        write(tmp_path, name, content)
    with pytest.raises(CorpusError, match=says):
        open_corpus([path.parent if "/" in name else path], WHOLE)


def test_a_corpus_takes_its_name_from_its_first_text() -> None:
    names = {"a/b.txt": "b", "b.md.gz": "b", "-": "stdin", "a/": "a", "texts/*.txt": "corpus"}
    for path, name in names.items():
        assert name_of([path]) == name
