"""Telegram's result.json."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.chats import ChatWriter
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message
from chargen.formats.telegram import GONE, is_telegram, read_telegram


def read(value: Any) -> list[Message]:
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    return list(read_telegram(Content.of("result.json", text.encode()), CorpusConfig()))


def recognised(value: Any) -> bool:
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    return is_telegram(Head("result.json", text.encode(), text))


def message(number: int, name: str | None, who: str, text: Any, **others: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2023-12-31T21:15:00",
        "date_unixtime": str(1704057300 + number),
        "from": name,
        "from_id": who,
        "text": text,
    } | others


MESSAGES = [
    {"id": 1, "type": "service", "actor": "Ana", "actor_id": "user1", "text": ""},
    message(2, "Ana", "user1", "hi"),
    message(3, "Ben", "user2", ["see ", {"type": "link", "text": "example.org"}, "!"]),
    message(4, "Ben", "user2", "", photo="photos/1.jpg", width=8),
    message(5, None, "user2", "\u00e9\U0001f600"),
]  # fmt: skip
ONE = {"name": "Ben", "type": "personal_chat", "id": 2, "messages": MESSAGES}
ALL = {
    "about": "Here is the data you requested.",
    "personal_information": {"user_id": 1, "first_name": "Ana", "bio": ""},
    "contacts": {"list": [{"user_id": 2, "first_name": "Ben"}]},
    "chats": {
        "about": "",
        "list": [
            ONE,
            {"name": "Tea", "type": "private_group", "id": 9, "messages": MESSAGES[1:3]},
        ],
    },
    "left_chats": {"list": [{"type": "private_group", "id": 8, "messages": MESSAGES[1:2]}]},
}


def test_one_chat() -> None:
    assert recognised(ONE)
    found = read(ONE)
    assert [(m.speaker, m.text, m.is_mine) for m in found] == [
        ("Ana", "hi", True),
        ("Ben", "see example.org!", False),
        ("Ben", "", False),
        (GONE, "\u00e9\U0001f600", False),
    ]
    assert found[1].time == 1704057303.0


def test_a_group_does_not_say_whose_export_it_is() -> None:
    assert not any(m.is_mine for m in read(ONE | {"type": "private_group"}))


def test_all_chats() -> None:
    assert recognised(ALL)
    writer = ChatWriter()
    text = "".join(piece + "|" * ends for piece, ends in writer.pieces(read(ALL)))
    assert text == (
        "Ana: hi\nBen: see example.org!\n\u00e9\U0001f600|Ana: hi\nBen: see example.org!|Ana: hi|"
    )
    assert writer.owner == "Ana"


def test_what_is_no_chat() -> None:
    assert not recognised('{"messages": [{"role": "user", "content": "hi"}]}')
    assert not recognised('[{"from_id": 1, "messages": []}]')


@pytest.mark.parametrize("text", ['{"messages": [', '{"messages": [{]}', '{"messages": [1] 2}'])
def test_a_damaged_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CorpusError, match=r"result\.json is not valid JSON in line 1"):
        read(text)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "type", "id", "from", "from_id", "text", "chats", "list"]),
            inner,
            max_size=5,
        )
    ),
)


@given(ANY)
def test_other_json_is_read_without_a_crash(value: Any) -> None:
    read({"messages": [{"type": "message", "from_id": "user1", "text": value}, value]})
    read({"chats": value, "personal_information": value, "messages": value, "type": value})


@given(st.lists(st.tuples(st.sampled_from(["Ana", "Ben"]), st.text(min_size=1))))
def test_what_was_said_comes_back(turns: list[tuple[str, str]]) -> None:
    messages = [message(at, name, name, said) for at, (name, said) in enumerate(turns)]
    assert [(m.speaker, m.text) for m in read({"messages": messages})] == turns
