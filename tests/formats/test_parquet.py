from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, cast

import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as arrow_parquet

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import parquet
from chargen.formats.content import Content, Head
from chargen.formats.documents import Dialogue, Document, Remark


def written(columns: dict[str, list[Any]], **options: Any) -> bytes:
    file = io.BytesIO()
    arrow_parquet.write_table(arrow.table(columns), file, **options)
    return file.getvalue()


def read(data: bytes, **options: Any) -> list[Document]:
    return list(parquet.read(Content.of("x.parquet", data), CorpusConfig(**options)))


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=9))
@settings(max_examples=25)
def test_texts_come_back(texts: list[str]) -> None:
    data = written({"id": list(range(len(texts))), "text": texts}, row_group_size=2)
    assert read(data) == [*texts, Remark("column text")]


def test_columns_are_chosen_as_of_other_tables() -> None:
    columns: dict[str, list[Any]] = {
        "said": ["so it goes", "on and on"],
        "n": [1, 2],
        "picture": [b"a", b"b"],
    }
    assert read(written(columns))[:-1] == ["so it goes", "on and on"]
    assert read(written(columns), field="{n}: {said}")[0] == "1: so it goes"
    with pytest.raises(CorpusError, match="no column of text; there are: n"):
        read(written({"n": [1, 2], "m": [3, 4]}))
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    assert read(written({"id": [1], "messages": [talk]}))[0] == Dialogue(
        (("user", "Hi"), ("bot", "Ho"))
    )


def test_a_member_of_an_archive_is_read_though_it_cannot_be_wound_back() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = written({"text": ["a b"]})
    content = Content("x.parquet", lambda: cast(BinaryIO, Unseekable(data)))
    assert next(parquet.read(content, CorpusConfig())) == "a b"


@given(st.integers(0, 600), st.binary(max_size=6))
@settings(max_examples=40)
def test_a_damaged_file_gives_documents_or_an_error(at: int, damage: bytes) -> None:
    data = bytearray(written({"text": ["a b", "c d"] * 20}))
    data[at : at + len(damage) + 1] = damage
    try:
        for found in read(bytes(data)):
            assert isinstance(found, str | Remark)
    except CorpusError as error:
        assert error.message.startswith("x.parquet")


def test_without_pyarrow_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CorpusError, match=r"pip install 'chargen\[parquet\]'"):
        read(b"PAR1")


def test_it_is_recognised_by_its_first_bytes() -> None:
    assert parquet.recognises(Head("x", b"PAR1\x15", "PAR1"))
    assert not parquet.recognises(Head("x.parquet", b"text", "text"))
