"""Texts are found, read and checked, and bad ones are reported."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.corpus import open_corpus
from chargen.data.finding import find_texts, name_of
from chargen.data.sources import CHUNK_BYTES
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
    assert spell(corpus, corpus.train) == ["bee", "ay", "no", "zip", "one", "two", "zed"]
    assert [name for name, *_ in corpus.sources] == [
        "b.txt", "a.txt", "notes.md", "z.txt.gz", "x1.text", "x2.text", "z.txt.gz",
    ]  # fmt: skip


def test_a_folder_gives_what_its_glob_gives(tmp_path: Path) -> None:
    """No hidden copies that editors and systems keep; endings in capitals are endings."""
    for name in ("a.txt", "B.TXT", "deep/c.Txt", ".ipynb_checkpoints/a-checkpoint.txt", "._a.txt"):
        write(tmp_path, name, name)
    write(tmp_path, "Z.TXT.GZ", gzip.compress(b"zip", mtime=0))
    found = find_texts([tmp_path])
    assert [path.name for path in found] == ["B.TXT", "Z.TXT.GZ", "a.txt", "c.Txt"]
    assert set(find_texts([str(tmp_path / "**" / "*.txt")])) <= set(found)
    hidden = tmp_path / ".ipynb_checkpoints"
    assert find_texts([hidden]) == [hidden / "a-checkpoint.txt"], "it was asked for"


@pytest.mark.parametrize("content", [b"piped text", gzip.compress(b"piped text", mtime=0)])
def test_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr("sys.stdin", stdin)
    corpus = open_corpus(["-"], WHOLE)
    assert spell(corpus, corpus.train) == ["piped text"]
    assert corpus.name == "stdin"


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"piped text", None),
        (gzip.compress(b"piped text", mtime=0), None),
        (bz2.compress(b"piped text"), None),
        ("piped text".encode("utf-16-le"), "read it with encoding='utf-16-le'"),
        (gzip.compress("caf\u00e9 au lait".encode("cp1252"), mtime=0), "encoding='cp1252'"),
        (gzip.compress(b"piped text" * 99, mtime=0)[:-9], "it cannot be unpacked"),
    ],
)
def test_what_comes_through_a_pipe_is_seen_as_it_is_in_a_file(
    tmp_path: Path, content: bytes, says: str | None, byte_by_byte: bool
) -> None:
    """As by `<(...)`, whatever the pieces that it comes in."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        with suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
            for piece in [content[:1], content[1:]] if byte_by_byte else [content]:
                file.write(piece)

    writer = threading.Thread(target=feed)
    writer.start()
    try:
        if says is None:
            corpus = open_corpus([pipe], WHOLE)
            assert spell(corpus, corpus.train) == ["piped text"]
        else:
            with pytest.raises(CorpusError) as refused:
                open_corpus([pipe], WHOLE)
            assert says in str(refused.value)
    finally:
        writer.join()


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
    ],
)
def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path, content: bytes, byte: int) -> None:
    path = write(tmp_path, "bad.txt", content)
    with pytest.raises(CorpusError, match=rf"bad.txt is not UTF-8: byte {byte} "):
        open_corpus([path], WHOLE)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nowhere.txt", None, "no such text"),
        ("empty.txt", b"", "the text is empty"),
        ("bom.txt", b"\xef\xbb\xbf", "the text is empty"),
        (
            "folder/picture.png",
            b"\x89PNG\r\n\x1a\n\0",
            "there is no text in .*folder; left out: picture.png",
        ),
        ("hidden/.notes.txt", b"x", "hidden has no text"),
        ("torn.txt.gz", gzip.compress(b"hello" * 99, mtime=0)[:-9], "it cannot be unpacked"),
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


@pytest.mark.parametrize("text", ["It was a dark night, and late.\nIt [was]?\n", "a text " * 9999])
def test_a_text_in_place_of_its_path_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CorpusError, match="it looks like a text itself; name the file") as raised:
        find_texts(text)
    assert len(str(raised.value)) < 150 and "\n" not in str(raised.value)


def test_a_corpus_takes_its_name_from_its_first_text() -> None:
    names = {"a/b.txt": "b", "b.md.gz": "b", "-": "stdin", "a/": "a", "texts/*.txt": "corpus",
             "C.TXT.GZ": "C", "/dev/fd/63": "pipe"}  # fmt: skip
    for path, name in names.items():
        assert name_of([path]) == name
