"""Subtitles (SRT, WebVTT) become what is said, a line a cue, without numbers, times and tags. A
film is a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document
from chargen.formats.markup import unescape

MAX_TEXT = 1 << 25  # characters
MAX_LINE = 1 << 16

_TIMING = re.compile(r"\s*(?:\d+:)?\d+:\d\d[,.]\d+\s*-->\s*(?:\d+:)?\d+:\d\d[,.]\d+")
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<(?:\d+:)?\d\d:\d\d\.\d+>|\{\\[^{}]*\}")
_SPOKEN_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d+>")  # as of each word, in automatic ones
_NOT_SAID = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|\Z)")
_VTT = "WEBVTT"


def recognises(head: Head) -> bool:
    """By its name, or where it begins with a cue."""
    if head.name.endswith((".srt", ".vtt")):
        return True
    lines = [line for line in head.text[:1000].splitlines() if line.strip()]
    if lines[:1] and (lines[0] == _VTT or lines[0].startswith((_VTT + " ", _VTT + "\t"))):
        return True
    return any(_TIMING.match(line) for line in lines[:2])


def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """What is said. Raises CorpusError, UnicodeDecodeError."""
    said: list[str] = []
    size = 0
    with content.text() as stream:
        lines = iter(lambda: stream.readline(MAX_LINE), "")
        for cue in _cues(lines):
            if cue:
                said.append(cue)
                size += len(cue) + 1
            if size > MAX_TEXT:
                raise CorpusError(
                    f"{content.name} has more than {MAX_TEXT:,} characters", hint="split it"
                )
    if said:
        yield "\n".join(said)


def _cues(lines: Iterable[str]) -> Iterator[str]:
    """What is said in each. A blank line within one, as some files have, ends none."""
    is_vtt = False
    cue: list[str] | None = None  # None before the first, and in what is not said
    previous = ""
    is_rolling = False  # each shows the line before it again
    for number, raw in enumerate(lines):
        line = raw.strip().removeprefix("\ufeff")
        if number == 0 and line.startswith(_VTT):
            is_vtt = True
        elif _TIMING.match(line):
            if cue is not None:
                _drop_counter(cue, is_vtt)
                yield _joined(cue)
            cue = []
        elif is_vtt and _NOT_SAID.match(line) and (cue is None or not any(cue) or cue[-1] == ""):
            if cue is not None:
                yield _joined(cue)
            cue = None
        elif cue is not None:
            is_rolling = is_rolling or bool(_SPOKEN_TIME.search(line))
            text = _TAGS.sub("", line)
            text = " ".join((unescape(text) if is_vtt else text).split())
            if not (is_rolling and text == previous):
                cue.append(text)
            previous = text or previous
    if cue is not None:
        yield _joined(cue)


def _drop_counter(cue: list[str], is_vtt: bool) -> None:
    """Without the next one's number, or in WebVTT its name, which stands right before its time."""
    if cue and (cue[-1].isdecimal() or (is_vtt and cue[-1] and cue[-2:-1] == [""])):
        cue.pop()


def _joined(cue: list[str]) -> str:
    """In one line; in several where more than one person speaks, each after a dash."""
    lines = [line for line in cue if line]
    if len(lines) > 1 and all(line.startswith(("-", "\u2013", "\u2014")) for line in lines):
        return "\n".join(lines)
    return " ".join(lines)
