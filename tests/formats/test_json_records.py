from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats import json_records
from chargen.formats.content import Content, Head
from chargen.formats.documents import Dialogue, Document, Remark

TEXTS = st.text(min_size=1).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(
    data: str | bytes, reader: Any = json_records.read_lines, **options: Any
) -> list[Document]:
    data = data.encode() if isinstance(data, str) else data
    return list(reader(Content.of("x.json", data), CorpusConfig(**options)))


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def texts(found: list[Document]) -> list[Document]:
    return [each for each in found if not isinstance(each, Remark)]


@given(st.lists(TEXTS, min_size=1, max_size=8), st.booleans(), st.sampled_from([None, 2]))
def test_texts_come_back_however_they_are_written(
    written: list[str], ascii_only: bool, indent: int | None
) -> None:
    records = [{"id": number, "text": text} for number, text in enumerate(written)]
    whole = json.dumps(records, ensure_ascii=ascii_only, indent=indent)
    assert texts(read(whole, json_records.read_list)) == written
    assert texts(read(json.dumps(written), json_records.read_list)) == written
    within = json.dumps({"version": 1, "data": records}, ensure_ascii=ascii_only, indent=indent)
    assert texts(read(within, json_records.read_list)) == written
    assert (
        texts(read("".join(json.dumps(r, ensure_ascii=ascii_only) + "\n" for r in records)))
        == written
    )


@given(JSON)
def test_any_json_gives_documents_or_an_error(value: object) -> None:
    for reader in (json_records.read_lines, json_records.read_list):
        try:
            for found in read(json.dumps(value), reader):
                assert isinstance(found, str | Dialogue | Remark)
        except CorpusError as error:
            assert error.message.startswith("x.json")


@given(st.binary(max_size=100), st.sampled_from([b"", b"[", b'{"text":"a"}\n', b'[{"text":"a"},']))
def test_any_bytes_give_documents_or_an_error(data: bytes, before: bytes) -> None:
    content = Content.of("x.json", before + data, "latin-1")
    for reader in (json_records.read_lines, json_records.read_list):
        try:
            for found in reader(content, CorpusConfig()):
                assert isinstance(found, str | Dialogue | Remark)
        except CorpusError as error:
            assert error.message.startswith("x.json")


USER_AND_BOT = Dialogue((("user", "Hi"), ("bot", "Ho")))


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "x"}]},
                      {"role": "assistant", "content": None, "tool_calls": []},
                      {"role": "tool", "content": "{}"}, {"role": "assistant", "content": "Ho"}]},
        {"prompt": "Hi", "completion": " Ho\n"},
        {"instruction": "Hi", "input": "", "output": "Ho"},
        {"Question": "Hi", "Answer": "Ho"},
        {"prompt": [{"role": "user", "content": "Hi"}], "completion": "Ho"},
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
    ],
)  # fmt: skip
def test_turns_are_found(record: object) -> None:
    assert texts(read(lines(record, record))) == [USER_AND_BOT] * 2
    assert texts(read(json.dumps([record]), json_records.read_list)) == [USER_AND_BOT]


def test_what_the_system_says_and_what_an_instruction_is_about() -> None:
    record = {"system": "Be kind.", "conversations": [{"from": "human", "value": "Hi"}]}
    assert texts(read(lines(record))) == [Dialogue((("system", "Be kind."), ("user", "Hi")))]
    record = {"instruction": "Add.", "input": "1 and 2", "output": "3"}
    assert texts(read(lines(record))) == [Dialogue((("user", "Add.\n1 and 2"), ("bot", "3")))]


def test_a_file_that_is_one_dialogue() -> None:
    whole = {"messages": [{"role": "user", "content": "Hi"}, {"role": "model", "content": "Ho"}]}
    assert texts(read(json.dumps(whole), json_records.read_list)) == [USER_AND_BOT]


def test_fields_within_fields() -> None:
    data = lines({"data": {"body": "so it goes", "n": 1}}, {"data": {"body": "on and on"}})
    assert texts(read(data)) == ["so it goes", "on and on"]
    assert texts(read(data, field="data.body")) == ["so it goes", "on and on"]
    assert texts(read(data, field="{data.n}: {data.body}")) == ["1: so it goes"]
    assert texts(read(lines({"lines": ["a b", "c"]}))) == ["a b\nc"]
    with pytest.raises(CorpusError, match=r"no key text; there are: data, data\.body, data\.n"):
        read(data, field="text")


def test_bad_lines_are_told_or_left_out() -> None:
    data = '{"text": "a"}\n{"text": \n{"text": {}}\n{"text": "b"}\n{"text": null}\n'
    with pytest.raises(CorpusError, match=r"x\.json, line 2: it is not valid JSON"):
        read(data)
    assert read(data, skip_bad=True) == [
        "a", "b", Remark("key text"), Remark("2 bad records left out"),
        Remark("1 empty record left out"),
    ]  # fmt: skip
    stranger = lines({"messages": [{"role": "narrator", "content": "Hi"}]})
    with pytest.raises(CorpusError, match="line 1: the role of message 1, narrator, is none of"):
        read(stranger)


def test_a_line_that_is_too_long_is_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_RECORD", 100)
    data = lines({"text": "a"}, {"text": "b" * 500}, {"text": "c"})
    with pytest.raises(CorpusError, match="line 2: it has 100 characters and more"):
        read(data)
    assert texts(read(data, skip_bad=True)) == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "text", "lines", "whole"),
    [
        ("x.jsonl", "", True, False),
        ("x.txt", '{"a": 1}\n{"a": 2}\n', True, False),
        ("x.json", '{"a": 1}\n{"a": 2}\n', True, False),
        ("x.json", '{"a": 1}\n', False, False),
        ("x.txt", "{a}\n{b}\n", False, False),
        ("x.json", '[{"a": 1}]', False, True),
        ("standard input", '[{"a": 1}]', False, True),
        ("x.json", '["a", "b"]', False, True),
        ("x.txt", '["a", "b"]', False, False),
        ("x.json", "[1, 2]", False, False),
        ("x.json", '{"version": 1, "data": [{"a": 1}, {"a": 2}]}', False, True),
        ("x.json", '{"version": 1, "data": [{"a": 1}, {"a', False, True),
        ("package.json", '{"name": "x", "scripts": {"a": "b"}, "files": ["c"]}', False, False),
        ("package.json", '{"authors": [{"name": "Ana"}], "files": ["c"]}', False, False),
        ("tsconfig.json", '{"options": {"a": 1}, "references": [{"path": "a"}]}', False, False),
    ],
)  # fmt: skip
def test_files_of_records_are_told_from_other_json(
    name: str, text: str, lines: bool, whole: bool
) -> None:
    head = Head(name, text.encode(), text)
    assert json_records.recognises_lines(head) == lines
    assert json_records.recognises_json(head) == whole
