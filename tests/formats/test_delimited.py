from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import delimited
from chargen.formats.content import Content
from chargen.formats.documents import Dialogue, Document, Remark

# What csv.writer writes so that csv.reader reads it again.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def read(data: str | bytes, **options: Any) -> list[Document]:
    data = data.encode() if isinstance(data, str) else data
    return list(delimited.read_csv(Content.of("x.csv", data), CorpusConfig(**options)))


def texts(data: str, **options: Any) -> list[Document]:
    return [found for found in read(data, **options) if not isinstance(found, Remark)]


def remarks(data: str, **options: Any) -> list[str]:
    return [found.words for found in read(data, **options) if isinstance(found, Remark)]


@given(
    st.lists(TEXTS, min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_what_is_written_in_any_dialect_is_read(
    written: list[str], delimiter: str, line_end: str, quoting: Any
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(["id", "text", "date"])
    writer.writerows([number, text, "2026-01-01"] for number, text in enumerate(written))
    assert texts(file.getvalue()) == written


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_single_column_is_the_text(written: list[str]) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([text] for text in ["lyrics", *written])
    assert texts(file.getvalue()) == written


@given(st.lists(st.sampled_from(['say "hi", you', 'a "b" c', "plain words"]), min_size=1))
def test_quotes_after_a_backslash_are_read(written: list[str]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text"), *(("1", text) for text in written)])
    assert texts(file.getvalue()) == written


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_documents_or_an_error(data: bytes, skip_bad: bool) -> None:
    content = Content.of("x.csv", b'id,text\n1,"a b"\n' + data, "latin-1")
    for reader in (delimited.read_csv, delimited.read_tsv):
        try:
            for found in reader(content, CorpusConfig(skip_bad=skip_bad)):
                assert isinstance(found, str | Remark)
        except CorpusError as error:
            assert error.message.startswith("x.csv")


@given(st.text(alphabet='",;\n\r\\ab \t', max_size=60))
def test_any_arrangement_of_quotes_ends(data: str) -> None:
    for found in read("id,text\n1,a\n" + data, skip_bad=True, field="text"):
        assert isinstance(found, str | Remark)


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("id,text,label", "7,so it goes,yes it does", "text"),
        ("id,Text,note", "7,so it goes,yes it does", "Text"),
        ("id,tweet,user,date,link", "7,so it goes,ana_7,2026-01-01 10:00,http://a.b/c d", "tweet"),
        ("when,what", "Mon Jan 05 10:00:00 UTC 2026,so it goes", "what"),
        ("name,sex,count", "Ana,F,12", "name"),
        ("n,said", "7,昨日は雨が降りました", "said"),
    ],
)
def test_the_column_of_text_is_found(header: str, row: str, column: str) -> None:
    at = header.split(",").index(column)
    data = f"{header}\n" + f"{row}\n" * 3
    assert texts(data) == [row.split(",")[at]] * 3
    assert remarks(data) == [f"column {column}"]


def test_which_columns_there_are_is_told() -> None:
    several = "title,body\nBig news,So it is\nOld news,So it was\n"
    with pytest.raises(CorpusError, match="several columns of text: title, body"):
        read(several)
    with pytest.raises(CorpusError, match="no column of text; there are: id, n"):
        read("id,n\n1,2\n3,4\n")
    with pytest.raises(CorpusError, match="no column boddy; there are: title, body"):
        read(several, field="boddy")
    assert texts(several, field="body") == ["So it is", "So it was"]
    assert texts(several, field="2") == ["So it is", "So it was"]


def test_columns_are_put_together_by_a_template() -> None:
    data = "text,label\nso good,1\nso bad,0\n,0\n"
    assert texts(data, field="{text} => {label}") == ["so good => 1", "so bad => 0"]
    assert "1 empty record left out" in remarks(data, field="{text} => {label}")
    assert texts(data, field=r"{label}\n{text}")[0] == "1\nso good"


def test_questions_and_answers_are_turns() -> None:
    data = "question,answer,id\nWho?,Me.,1\nWhat?,,2\n"
    assert texts(data) == [Dialogue((("user", "Who?"), ("bot", "Me.")))]
    assert remarks(data) == ["turns of question and answer", "1 empty record left out"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Ana\nBen\nCleo\n", ["Ana", "Ben", "Cleo"]),
        ("Hello, all of you\n", ["Hello, all of you"]),
        ("7,It rains.\n8,It snows.\n", ["It rains.", "It snows."]),
        ("name\nAna\nBen\n", ["Ana", "Ben"]),
        ("joke\nWhy did the hen go?\nKnock, knock\n", ["Why did the hen go?", "Knock, knock"]),
        ("sep=;\r\nid;text\r\n7;a, b\r\n", ["a, b"]),
        ("id,text\r7,a b\r8,c d\r", ["a b", "c d"]),
        ("id,text\n\n7,a b\n\n\n8,\n9\n", ["a b"]),
        ("id,text\n7,a\0b\n", ["a\0b"]),
        ("text\n", []),
        ("", []),
    ],
)
def test_rows_with_and_without_a_header(data: str, expected: list[str]) -> None:
    assert texts(data) == expected


def test_bad_rows_are_told_or_left_out() -> None:
    ragged = "id,text\n1,a b\n2,c, d\n3,e f\n"
    with pytest.raises(CorpusError, match=r"x\.csv, line 3: it has 3 fields for 2 columns"):
        read(ragged)
    assert texts(ragged, skip_bad=True) == ["a b", "e f"]
    assert "1 bad record left out" in remarks(ragged, skip_bad=True)
    unclosed = 'id,text\n1,"a ""b"""\n2,"c\n3,d e, f\n4,g h\n'
    with pytest.raises(CorpusError, match=r"x\.csv, line 3: it has a quote that is never closed"):
        read(unclosed)
    assert texts(unclosed, skip_bad=True) == ['a "b"', "g h"]


def test_quotes_of_a_table_without_quoting_are_characters() -> None:
    data = 'id\ttext\n1\t"Hi, he said.\n2\t"Ho\n3\tha "ha"\n'
    content = Content.of("x.tsv", data.encode())
    found = list(delimited.read_tsv(content, CorpusConfig()))
    assert found[:-1] == ['"Hi, he said.', '"Ho', 'ha "ha"']


def test_an_open_quote_does_not_take_the_rest_of_a_long_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD", 1000)
    data = 'id,text\n1,"a ""b"""\n2,"c\n' + "3,d e\n" * 1000
    with pytest.raises(CorpusError, match="line 3: 1,000 characters from here on are one row"):
        read(data)
    assert texts(data, skip_bad=True) == ['a "b"', *["d e"] * 1000]


def test_a_field_may_be_long() -> None:
    long = "words, " * 100_000
    assert texts(f'id,text\n1,"{long}"\n') == [long]
