"""Logs of IRC, as irssi, WeeChat, mIRC, ZNC, HexChat and others write them.

    21:15 <@ana> hi                      irssi
    [21:15:03] <ana> hi                  mIRC, ZNC
    2023-12-31 21:15:03	ana	hi           WeeChat
    Dec 31 21:15:03 <ana> hi             HexChat
    <ana> hi

Who acts (`* ana waves`) says so: "* waves". Who joins, quits or changes a name says nothing. Pure.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from chargen.config import CorpusConfig
from chargen.formats.chats import head_lines, iso_seconds, text_lines
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message

SHARE = 0.95  # of the lines that are as in a log

_CODES = re.compile("\x03(?:\\d{1,2}(?:,\\d{1,2})?)?|[\x02\x04\x0f\x11\x16\x1d\x1e\x1f]")  # colours
_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?"
_DATE = r"(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} ?\d{1,2},? (?:\d{4} )?"  # Sun Dec 31
_STAMP = re.compile(
    rf"[\[(]?(?:{_ISO}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|(?:{_DATE})?{_CLOCK}(?: ?[AP]M)?)[\])]?\s+"
)
_NICK = r"[A-Za-z0-9_\[\]{}\\|^`~.-][^\s<>:*]{0,63}"
_SAID = re.compile(rf"<[\s@+%&~!]?({_NICK})>(?:\s(.*)|$)")
_ACTED = re.compile(rf"\*\s+({_NICK})\s+(.+)")
_WEECHAT = re.compile(rf"({_ISO})\t([^\t]*)\t(.*)")
_WEECHAT_NICK = re.compile(rf"[@+%&~!]?({_NICK})")
_NOTICE = re.compile(
    r"-!-|\*\*\*|-->|<--|===|--\s|\*\s*$|-[^\s-]+- |"
    r"\*\s+(?:Now talking|Topic|Set by|Disconnected|Joins:|Parts:|Quits:|Retrieving|Loaded|You |"
    r"Users|Channel|Rejoined|Attempting)|"
    r"--- (?:Log|Day)|\*{4} (?:BEGIN|ENDING)|Session (?:Start|Time|Close|Ident)"
)
_EVENT = re.compile(
    r"\([^()\s]*@[^()\s]*\)|\[\S+@\S+\]|has (?:joined|left|quit)(?: [#&(].*| IRC.*|\Z)|"
    r"is now known as \S+\Z|sets (?:mode|channel)\b|(?:gives|removes) (?:voice|channel)\b|"
    r"was kicked\b|has (?:changed|set) the topic\b|changes topic\b"
)
_DAY = re.compile(
    r"(?:--- (?:Day changed|Log opened)|\*{4} BEGIN LOGGING AT|Session (?:Start|Time):?)\s+"
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (?:\d\d:\d\d(?::\d\d)? )?(\d{4})"
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DAY_SECONDS = 86400
BACK = 5400  # seconds: where the time goes back by more, it is the next day


def is_irc(head: Head) -> bool:
    """Whether at least two people speak there, one of them twice, and hardly anybody else."""
    lines = head_lines(head.text)
    found = [spoken for spoken in map(_of_somebody, lines) if spoken is not None]
    nicks = [nick for nick, text, _ in found if not text.startswith("* ")]
    if not len(nicks) > len(set(nicks)) >= 2:
        return False
    known = [bool(_of_somebody(line) or _is_notice(line)) for line in lines if line.strip()]
    return sum(known) >= SHARE * len(known)


def read_irc(content: Content, config: CorpusConfig) -> Iterator[Message]:
    """What the people wrote. Raises UnicodeDecodeError."""
    clock = _Clock()
    with content.text() as stream:
        for line in text_lines(stream):
            clock.see_day(line)
            found = _of_somebody(line)
            if found is not None:
                nick, text, stamp = found
                yield Message(nick, text, clock.seconds(stamp))


def _of_somebody(line: str) -> tuple[str, str, str] | None:
    """Nick, what was said, and the line's time; None where it is nobody's words."""
    line = _CODES.sub("", line)
    tabbed = _WEECHAT.fullmatch(line)
    if tabbed:
        return _of_weechat(*tabbed.groups())
    stamp = _STAMP.match(line)
    rest = line[stamp.end() :] if stamp else line
    when = stamp[0] if stamp else ""
    said = _SAID.match(rest)
    if said:
        return said[1], said[2] or "", when
    acted = _ACTED.fullmatch(rest.lstrip())
    if acted and not _NOTICE.match(rest.lstrip()) and not _EVENT.match(acted[2]):
        return acted[1], f"* {acted[2]}", when
    return None


def _of_weechat(stamp: str, prefix: str, text: str) -> tuple[str, str, str] | None:
    if prefix.strip() == "*":
        nick, _, action = text.partition(" ")
        return (nick, f"* {action}", stamp) if action else None
    nick_found = _WEECHAT_NICK.fullmatch(prefix)
    if nick_found is None or prefix in ("--", "-->", "<--", "=!="):
        return None
    return nick_found[1], text, stamp


def _is_notice(line: str) -> bool:
    """Whether it is one of the program or the server."""
    line = _CODES.sub("", line)
    if _WEECHAT.fullmatch(line) or _DAY.match(line):
        return True
    stamp = _STAMP.match(line)
    rest = line[stamp.end() :] if stamp else line
    rest = rest.lstrip()
    acted = _ACTED.fullmatch(rest)
    return bool(_NOTICE.match(rest) or (acted and _EVENT.match(acted[2])))


class _Clock:
    """Tells moments from times of the day: a day begins where the log says so, or where the time
    goes back."""

    def __init__(self) -> None:
        self._day = 0  # since some day
        self._last = 0

    def see_day(self, line: str) -> None:
        match = _DAY.match(line)
        if match is None or match[1] not in _MONTHS:
            return
        try:
            date = datetime.date(int(match[3]), _MONTHS.index(match[1]) + 1, int(match[2]))
        except ValueError:
            return
        self._day, self._last = date.toordinal(), 0

    def seconds(self, stamp: str) -> float | None:
        iso = re.search(_ISO, stamp)
        if iso:
            return iso_seconds(iso[0])
        match = re.search(_CLOCK, stamp)
        if match is None or int(match[1]) > 23:
            return None
        hours = int(match[1])
        if "PM" in stamp or "AM" in stamp:
            hours = hours % 12 + 12 * ("PM" in stamp)
        seconds = 3600 * hours + 60 * int(match[2]) + int(match[3] or 0)
        if seconds < self._last - BACK:
            self._day += 1
        self._last = seconds
        return float(self._day * _DAY_SECONDS + seconds)
