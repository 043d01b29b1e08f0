"""DiscordChatExporter's JSON and CSV."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.content import Content, Head
from chargen.formats.discord import is_discord, read_discord
from chargen.formats.documents import Message, Remark


def read(text: str) -> list[Message | Remark]:
    return list(read_discord(Content.of("tea.json", text.encode()), CorpusConfig()))


def said(text: str) -> list[tuple[str, str]]:
    return [(m.speaker, m.text) for m in read(text) if isinstance(m, Message)]


def recognised(text: str) -> bool:
    return is_discord(Head("tea.json", text.encode(), text))


def author(number: int, name: str, nickname: str, *, bot: bool = False) -> dict[str, Any]:
    return {"id": str(number), "name": name, "nickname": nickname, "isBot": bot, "roles": []}


ANA, BEN, BOT = author(1, "ana", "Ana"), author(2, "ben", "Ben"), author(3, "b", "B", bot=True)


def exported(messages: list[tuple[str, dict[str, Any], str]], **channel: Any) -> str:
    return json.dumps(
        {
            "guild": {"id": "1", "name": "Tea"},
            "channel": {"id": "2", "type": "GuildTextChat", "name": "general"} | channel,
            "messages": [
                {
                    "id": str(number),
                    "type": kind,
                    "timestamp": f"2023-12-31T21:{number:02}:03.123+00:00",
                    "content": text,
                    "author": who,
                }
                for number, (kind, who, text) in enumerate(messages)
            ],
            "messageCount": len(messages),
        },
        indent=2,
    )


def test_json() -> None:
    text = exported(
        [
            ("GuildMemberJoin", ANA, "Joined the server."),
            ("Default", ANA, "hi"),
            ("Reply", BEN, "hello\nthere"),
            ("Default", BOT, "!played a song"),
            ("Default", BEN, ""),
        ]
    )
    assert recognised(text)
    assert said(text) == [("Ana", "hi"), ("Ben", "hello\nthere"), ("Ben", "")]
    found = read(text)
    assert found[-1] == Remark("1 message of bots left out")
    first, second = found[0], found[1]
    assert isinstance(first, Message) and isinstance(second, Message)
    assert (second.time or 0) - (first.time or 0) == 60
    assert not first.is_mine


def test_a_channel_of_two_is_named_after_the_other() -> None:
    text = exported(
        [("Default", ANA, "hi"), ("Default", BEN, "ho")], type="DirectTextChat", name="Ben"
    )
    assert [m.is_mine for m in read(text) if isinstance(m, Message)] == [True, False]


def in_csv(rows: list[list[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(
        [["AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"], *rows]
    )
    return written.getvalue()


def test_csv() -> None:
    text = in_csv(
        [
            ["1", "ana#0001", "2023-12-31T21:15:03.1230000+00:00", "Joined the server.", "", ""],
            ["1", "ana#0001", "2023-12-31T21:15:03.1230000+00:00", 'say "hi",\nBen', "", ""],
            ["2", "ben", "2023-12-31T21:16:03.1230000+00:00", "hi", "", "x (1)"],
            ["2", "ben", "", "", "https://example.org/a.png", ""],
        ]
    )
    assert recognised(text)
    assert said(text) == [("ana", 'say "hi",\nBen'), ("ben", "hi"), ("ben", "")]


def test_what_is_no_export() -> None:
    assert not recognised('{"guild": 1}')
    assert not recognised("Author,Date,Content\n")


def test_a_damaged_csv_is_refused_in_one_line() -> None:
    with pytest.raises(CorpusError, match=r"tea\.json is not a valid CSV file"):
        read(in_csv([]) + '1,ana,x,"' + "x" * 200_000)


@given(
    st.lists(
        st.tuples(st.sampled_from([ANA, BEN]), st.text(min_size=1).filter(lambda t: "\0" not in t))
    )
)
def test_what_was_said_comes_back(turns: list[tuple[dict[str, Any], str]]) -> None:
    expected = [(who["nickname"], text) for who, text in turns]
    assert said(exported([("Default", who, text) for who, text in turns])) == expected
    rows = [[who["id"], who["nickname"], "", f"x{text}", "", ""] for who, text in turns]
    assert said(in_csv(rows)) == [(name, f"x{text}") for name, text in expected]


@given(st.text())
def test_anything_else_is_read_without_a_crash(text: str) -> None:
    for beginning in (
        '{"guild": {}, "channel": {}, "messages": [',
        "AuthorID,Author,Date,Content\n",
    ):
        try:
            read(beginning + text.encode(errors="replace").decode())
        except CorpusError as error:
            assert "\n" not in str(error)
