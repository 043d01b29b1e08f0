"""Chats exported from WhatsApp: a text in the language and with the clock of somebody's phone.

    12/31/23, 9:15 PM - Ana: hi           Android
    [31.12.23, 21:15:03] Ana: hi          iPhone

A message goes on in the lines that begin otherwise. Where WhatsApp itself speaks, there is no name,
or on an iPhone a left-to-right mark before what it says. Pure.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from chargen.config import CorpusConfig
from chargen.formats import whatsapp_words as words
from chargen.formats.chats import MAX_TEXT, head_lines, is_mostly, text_lines
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message

LRM = "\u200e"
_S = "[ \u00a0\u202f]"  # spaces
_M = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*"  # marks of direction
_DATE = rf"(\d{{1,4}}){_M}[./-]{_S}?{_M}(\d{{1,2}}){_M}[./-]{_S}?{_M}(\d{{1,4}})\.?"
_TIME = (
    rf"(?:klo{_S}|kl\.{_S})?([^\W\d_]{{1,4}})?{_S}?"  # before noon or after, in Asia
    rf"(\d{{1,2}})[:.](\d{{2}})(?:[:.](\d{{2}}))?"
    rf"(?:{_S}*([^\W\d_](?:[^\W\d_]|\.(?:{_S}(?=[^\W\d_]\.))?){{0,5}}))?"  # elsewhere
)
_STAMP = rf"{_DATE}{_M}[,\u060c]?{_S}*{_M}{_TIME}{_M}"
_HEADER = re.compile(rf"{_M}(?:(\[){_STAMP}\]{_S}?|{_STAMP}{_S}[-\u2013]{_S})")
_SPEAKER = re.compile(rf"{_M}(?:~{_S}?)?([^:]{{1,80}}?){_S}?:(?:{_S}|$)")
_QUOTES = re.compile('[\u201c\u201d\u201e\u00ab\u00bb"]')  # of what a group was renamed to
_MARKS = re.compile(_M.replace("*", "+"))
_LOG_LEVELS = {"TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"}
_PLACEHOLDER = re.compile(
    rf"<[^<>]*(?:{words.MEDIA})[^<>]*>|<(?:{words.ATTACHED}) ?: ?[^<>]+>|"
    rf"(?:{words.THINGS}) (?:{words.OMITTED})|{words.OTHERS}|"
    rf"[^:]+\.\w{{2,5}} \((?:{words.FILE_ATTACHED})\)|"
    r"(?:IMG|VID|PTT|AUD|STK|DOC|GIF)-\d{8}-WA\d+\.\w{2,5} \([^()]+\)|"
    r"[^:]+\.\w{2,5} \u2022.*|"  # report.pdf, 3 pages
    r"[^\s:]+(?: [^\s:]+)?: https://maps\.google\.com/\S*",
    re.IGNORECASE,
)
_DELETED = re.compile(rf"(?:{words.DELETED})\.?", re.IGNORECASE)
_EDITED = re.compile(words.EDITED, re.IGNORECASE)
_ATTACHED = re.compile(f"{LRM}<[^<>\\n]*>")
_POLL = re.compile(f"{LRM}?\\w+ ?:$")
_POLL_OPTION = re.compile(f"{LRM}?\\w+ ?: .*\\({LRM}?\\d+[^()]*\\)$")
_FILE_NAME = re.compile(r"[^\n]+\.\w{2,5}")
_MAX_MARK = 300  # characters of what stands in place of something

Triple = tuple[int, int, int]  # the numbers of a date in their order
DateOrder = Callable[[Triple], float | None]  # when the day begins, in seconds, if it is a day


@dataclass(frozen=True)
class _Line:
    """The first line of a message."""

    date: Triple
    seconds: int  # of the day
    rest: str  # what follows the time
    is_ios: bool
    is_marked: bool  # begins with a left-to-right mark
    in_halves: bool  # of a clock of 12 hours


def is_whatsapp(head: Head) -> bool:
    speakers: set[str] = set()

    def fits(line: str) -> bool:
        found = _parse(line)
        if found is not None and (speaker := _speaker(found)):
            speakers.add(speaker[0].upper())
        return found is not None

    return is_mostly(head_lines(head.text), fits, share=0.2) and bool(speakers - _LOG_LEVELS)


def read_whatsapp(content: Content, config: CorpusConfig) -> Iterator[Message]:
    """What the people wrote. Raises UnicodeDecodeError."""
    order = _date_order(content)
    first: _Line | None = None
    lines: list[str] = []
    size = 0
    with content.text() as stream:
        for line in text_lines(stream):
            found = _parse(line)
            if found is None and size < MAX_TEXT:
                lines.append(line)
                size += len(line)
                continue
            yield from _message(first, lines, order)
            if found is None:  # far too long for one message: the rest of it is another
                lines, size = [line], len(line)
            else:
                first, lines, size = found, [], 0
    yield from _message(first, lines, order)


def _parse(line: str) -> _Line | None:
    match = _HEADER.match(line)
    if match is None:
        return None
    is_ios = match[1] is not None
    a, b, c, before, hour, minute, second, after = (
        match.groups()[1:9] if is_ios else match.groups()[9:]
    )
    if not is_ios and second is not None:  # as programs write their logs
        return None
    if is_ios and len(a) == 4 and "," not in match[0] and before is None and after is None:
        return None
    half = (before or after or "").replace(".", "").casefold()
    half = re.sub(_S, "", half)
    hours = int(hour)
    if half:
        hours = hours % 12 + 12 * (half in words.AFTERNOON)
    if hours > 23 or int(minute) > 59:
        return None
    seconds = 3600 * hours + 60 * int(minute) + int(second or 0)
    triple = (int(a), int(b), int(c))
    return _Line(triple, seconds, line[match.end() :], is_ios, line.startswith(LRM), bool(half))


def _speaker(line: _Line) -> tuple[str, str] | None:
    """Who speaks, and what; None where WhatsApp does."""
    match = _SPEAKER.match(line.rest)
    if match is None or len(_QUOTES.findall(match[1])) % 2:
        return None
    return _MARKS.sub("", match[1]).strip(), line.rest[match.end() :]


def _message(first: _Line | None, others: list[str], order: DateOrder) -> Iterator[Message]:
    speaker = None if first is None else _speaker(first)
    if first is None or speaker is None:
        return
    day = order(first.date)
    name, said = speaker
    text = _text(first, said, others)
    yield Message(name, text, None if day is None else day + first.seconds)


def _text(first: _Line, said: str, others: list[str]) -> str:
    """What somebody wrote: all lines but those that WhatsApp put there."""
    if others and _POLL.match(said) and any(map(_POLL_OPTION.match, others)):
        return ""
    if said.startswith(LRM):
        said = ""
    elif first.is_ios and first.is_marked:  # a caption stands before its picture, if any
        said = said.partition(LRM)[0]
    said = _without_edited(_ATTACHED.sub("", said))
    plain = _MARKS.sub("", said).strip()
    if len(plain) <= _MAX_MARK:
        if _DELETED.fullmatch(plain):
            return ""
        if _PLACEHOLDER.fullmatch(plain):
            said = ""
            if len(others) == 1 and _FILE_NAME.fullmatch(others[0]):
                others = []
    lines = [said, *others] if said else others
    return _MARKS.sub("", _without_edited("\n".join(lines)))


def _without_edited(text: str) -> str:
    """The text without the remark at its end that it was edited."""
    before, bracket, remark = text.rstrip().rpartition("<")
    is_remark = remark.endswith(">") and len(remark) <= _MAX_MARK and _EDITED.search(remark)
    return before.rstrip(f"{LRM} \n") if bracket and is_remark else text


# -- dates ------------------------------------------------------------------------------------


def _date_order(content: Content) -> DateOrder:
    """In which order the dates are written: the one in which all of those at the beginning are
    dates, in which time goes on, and in small steps."""
    text = content.head().decode(content.encoding, errors="ignore")
    lines = [line for line in map(_parse, head_lines(text)) if line is not None]
    american = any(line.in_halves for line in lines) and "/" in text[:20]
    orders = (_month_first, _day_first) if american else (_day_first, _month_first)

    def badness(order: DateOrder) -> tuple[int, int, float]:
        days = [order(line.date) for line in lines]
        known = [day for day in days if day is not None]
        steps = [later - earlier for earlier, later in pairwise(known)]
        return len(days) - len(known), sum(step < 0 for step in steps), sum(map(abs, steps))

    return min(orders, key=badness)


def _day_first(triple: Triple) -> float | None:
    a, b, c = triple
    return _day(a, b, c) if a > 31 else _day(c, b, a)


def _month_first(triple: Triple) -> float | None:
    a, b, c = triple
    return _day(a, b, c) if a > 31 else _day(c, a, b)


def _day(year: int, month: int, day: int) -> float | None:
    try:
        date = datetime.date(year if year > 99 else 2000 + year, month, day)
    except ValueError:
        return None
    return 86400.0 * date.toordinal()
