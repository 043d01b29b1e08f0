"""Slack's export of a workspace: a file of its users, and for each channel a folder with a file of
messages a day. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chargen.config import CorpusConfig
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message, Remark
from chargen.formats.json_stream import decoded_values
from chargen.reprs import counted

USERS = "users.json"
SAID = (None, "", "me_message", "thread_broadcast", "file_share", "file_comment", "reply_broadcast")
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_DAY = re.compile(r"(?:.*/)?[^/]+/\d{4}-\d\d-\d\d\.json")
_MESSAGE = re.compile(r'"type"\s*:\s*"message"')
_TIME = re.compile(r'"ts"\s*:\s*"\d{9,11}\.\d+"')
_MARKUP = re.compile(r"<([@#!]?)([^<>|\n]*)(?:\|([^<>\n]*))?>")


def is_slack_export(names: Collection[str]) -> bool:
    """Whether users and days are among these."""
    roots = {name.removesuffix(USERS) for name in names if name.split("/")[-1] == USERS}
    return any(_DAY.fullmatch(name) and _root_of(name) in roots for name in names)


def is_slack(head: Head) -> bool:
    """Whether it is a day of a channel."""
    text = head.text.lstrip("\ufeff \t\r\n")
    return text.startswith("[") and bool(_MESSAGE.search(text) and _TIME.search(text))


def read_slack_export(
    members: Mapping[str, Content], config: CorpusConfig
) -> Iterator[Message | Remark]:
    """What the people wrote, a channel after the other. Raises CorpusError,
    UnicodeDecodeError."""
    days = sorted((_channel_of(name), name) for name in members if _DAY.fullmatch(name))
    users: dict[str, str] = {}
    for root in {_root_of(name) for _, name in days}:
        if root + USERS in members:
            users |= _users(members[root + USERS])
    of_bots = 0
    for channel, name in days:
        for message in _read_day(members[name], channel, users):
            if message is None:
                of_bots += 1
            else:
                yield message
    if of_bots:
        yield Remark(f"{counted(of_bots, 'message')} of bots left out")


def read_slack(content: Content, config: CorpusConfig) -> Iterator[Message | Remark]:
    """What the people wrote on a day, whose names are known where its messages tell them."""
    return read_slack_export({"channel/2000-01-01.json": content}, config)


def _root_of(name: str) -> str:
    """The folder in which the folders of the channels lie, with a slash."""
    above, slash, _ = _channel_of(name).rpartition("/")
    return above + slash


def _channel_of(name: str) -> str:
    return name.rpartition("/")[0]


def _users(content: Content) -> dict[str, str]:
    """Their names, by number."""
    users = {}
    for path, value in decoded_values(content, lambda path: path == ()):
        if path and isinstance(value, dict) and isinstance(value.get("id"), str):
            users[value["id"]] = _name(value)
    return users


def _name(user: Mapping[str, Any]) -> str:
    """What others see of somebody."""
    profile = user.get("profile")
    found = [profile] if isinstance(profile, dict) else []
    names = [place.get(key) for place in (*found, user) for key in ("display_name", "real_name")]
    return next((name for name in (*names, user.get("name")) if name and isinstance(name, str)), "")


def _read_day(content: Content, channel: str, users: dict[str, str]) -> Iterator[Message | None]:
    """Messages; None for one of a bot."""
    for path, value in decoded_values(content, lambda path: path == ()):
        if not path or not isinstance(value, dict) or value.get("type") != "message":
            continue
        if value.get("subtype") == "bot_message" or value.get("bot_id"):
            yield None
        elif value.get("subtype") in SAID and isinstance(value.get("user"), str):
            user, text, profile = value["user"], value.get("text"), value.get("user_profile")
            if user not in users and isinstance(profile, dict):
                users[user] = _name(profile)
            yield Message(
                users.get(user) or user,
                _plain(text, users) if isinstance(text, str) else "",
                _seconds(value.get("ts")),
                channel,
                user,
            )


def _seconds(ts: object) -> float | None:
    try:
        return float(ts) if isinstance(ts, str) else None
    except ValueError:
        return None


def _plain(text: str, users: Mapping[str, str]) -> str:
    """The text as Slack shows it: names for numbers, labels of links, no entities."""

    def shown(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        if sign == "@":
            return "@" + (users.get(target) or label or target)
        if sign == "#":
            return "#" + (label or target)
        if sign == "!":  # @here, a group, a date
            return label or "@" + target.partition("^")[0]
        return label or target.removeprefix("mailto:")

    text = _MARKUP.sub(shown, text)
    for entity, character in ENTITIES.items():
        text = text.replace(entity, character)
    return text
