"""Slack's export: users, channels, days."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message, Remark
from chargen.formats.kinds import recognise_export
from chargen.formats.slack import is_slack, is_slack_export, read_slack, read_slack_export

USERS = [
    {"id": "U1", "name": "ana", "profile": {"display_name": "Ana", "real_name": "Ana Lee"}},
    {"id": "U2", "name": "ben", "profile": {"display_name": "", "real_name": "Ben Kim"}},
]


def export(root: str = "", **days: Any) -> dict[str, Content]:
    files = {"users.json": USERS, "channels.json": [], "integration_logs.json": []}
    files |= {
        name.replace("__", "/").replace("_", "-") + ".json": day for name, day in days.items()
    }
    return {
        root + name: Content.of(name, json.dumps(value).encode()) for name, value in files.items()
    }


def said(members: dict[str, Content]) -> list[tuple[str, str]]:
    found = read_slack_export(members, CorpusConfig())
    return [(m.speaker, m.text) for m in found if isinstance(m, Message)]


def message(user: str, text: str, ts: str = "1704057303.000200", **others: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": ts} | others


@pytest.mark.parametrize("root", ["", "Tea export/"])
def test_an_export(root: str) -> None:
    members = export(
        root,
        general__2023_12_31=[
            message("U1", "<@U1> has joined the channel", subtype="channel_join"),
            message("U1", "hi <@U2>, see <https://example.org|this> &amp; <#C1|tea> <!here>"),
            message("U2", "a &lt; b", files=[{"id": "F1"}]),
            {"type": "message", "subtype": "bot_message", "text": "beep", "bot_id": "B1"},
        ],
        general__2024_01_01=[
            message("U9", "hello", "1704100000.1", user_profile={"real_name": "Guest"})
        ],
        tea__2023_12_31=[message("U2", "anybody?")],
    )
    assert is_slack_export(members)
    found = list(read_slack_export(members, CorpusConfig()))
    assert said(members) == [
        ("Ana", "hi @Ben Kim, see this & #tea @here"),
        ("Ben Kim", "a < b"),
        ("Guest", "hello"),
        ("Ben Kim", "anybody?"),
    ]
    assert found[-1] == Remark("1 message of bots left out")
    assert len({m.chat for m in found if isinstance(m, Message)}) == 2


def test_it_is_told_by_its_names() -> None:
    config = CorpusConfig()
    names = ["x/users.json", "x/general/2023-12-31.json"]
    assert recognise_export(names, config)
    assert recognise_export(names, CorpusConfig(format="slack"))
    assert not recognise_export(names, CorpusConfig(format="text"))
    for others in (["users.json"], ["users.json", "2023-12-31.json"], ["a/2023-12-31.json"], []):
        assert not recognise_export(others, config)


def test_a_day_alone() -> None:
    text = json.dumps([message("U1", "hi", user_profile={"display_name": "Ana"})])
    assert is_slack(Head("x.json", text.encode(), text))
    found = list(read_slack(Content.of("x.json", text.encode()), CorpusConfig()))
    assert [(m.speaker, m.text) for m in found if isinstance(m, Message)] == [("Ana", "hi")]


@given(st.lists(st.tuples(st.sampled_from(["U1", "U2"]), st.text(min_size=1))))
def test_what_was_said_comes_back(turns: list[tuple[str, str]]) -> None:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    day = [message(user, escaped(text)) for user, text in turns]
    names = {"U1": "Ana", "U2": "Ben Kim"}
    assert said(export(a__2024_01_01=day)) == [(names[user], text) for user, text in turns]


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["type", "user", "text", "ts", "user_profile", "subtype"]), x)))  # fmt: skip
def test_other_json_is_read_without_a_crash(value: Any) -> None:
    day = [value, message("U1", "x") | {"text": value, "ts": value, "user_profile": value}]
    said(export(a__2024_01_01=day, b__2024_01_01=value))
