"""Tags and text of HTML and XHTML, as they come, in time that grows with the length alone.

The standard library's parser takes minutes for 60 kB of `<a <a <a`. Nothing is nested here and no
entity is defined, so no text can grow.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

# Their content is no markup.
RAW = ("script", "style", "textarea", "title")
PROGRAMS = ("script", "style")  # which go on to the end of the text where they have none
MAX_BROKEN = 100

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)((?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+)>")
_ATTRIBUTE = re.compile(r"([^\s\"'=<>/]++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?")
_TAG_START = re.compile(r"</?[a-zA-Z]")
_LONG_NUMBER = re.compile(r"&#(?:\d{8,}|[xX][\da-fA-F]{7,});?")  # of no character


class Tag(NamedTuple):
    """A tag's name, in small letters and without a prefix, whether it is an end, or both, and what
    else stands in it."""

    name: str
    is_end: bool
    is_empty: bool
    rest: str

    @property
    def attributes(self) -> dict[str, str]:
        """By their names in small letters."""
        return {
            name.lower(): unescape(double or single or bare)
            for name, double, single, bare in _ATTRIBUTE.findall(self.rest)
        }


def unescape(text: str) -> str:
    """Entities as the characters that they stand for."""
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text


class Markup:
    """A text with tags, read from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._unclosed: set[str] = set()  # elements of which no end follows
        self._broken = 0  # tags with a quote that is not closed, each sought to the text's end

    def tokens(self) -> Iterator[Tag | str]:
        """Tags, and the text between them with its entities resolved."""
        text = self._text
        while self._at < len(text):
            at = self._at
            opening = text.find("<", at)
            if opening != at:
                self._at = opening if opening >= 0 else len(text)
                yield unescape(text[at : self._at])
            elif text.startswith("<![CDATA[", at):
                end = self._find("]]>", at + 9)
                yield text[at + 9 : end]
                self._at = end + 3
            elif text.startswith("<!--", at):
                self._at = self._find("-->", at + 4) + 3
            elif text.startswith(("<!", "<?"), at):
                self._at = self._find(">", at + 2) + 1
            elif not _TAG_START.match(text, at):
                self._at = at + 1
                yield "<"
            else:
                yield self._tag(at)

    def _find(self, end: str, at: int) -> int:
        """Where the end of something is; that of the text where there is none."""
        found = self._text.find(end, at)
        return found if found >= 0 else len(self._text)

    def _tag(self, at: int) -> Tag | str:
        match = _TAG.match(self._text, at) if self._broken < MAX_BROKEN else None
        if match is None:  # with a quote that is not closed, or no end
            self._broken += 1
            self._at = self._find(">", at) + 1
            return "" if self._at <= len(self._text) else unescape(self._text[at:])
        self._at = match.end()
        name = match[2].lower().rpartition(":")[2]
        tag = Tag(name, bool(match[1]), match[3].endswith("/"), match[3])
        is_raw = name in RAW and not tag.is_end and not tag.is_empty
        if is_raw and not self.skip_to_end(name) and name in PROGRAMS:
            self._at = len(self._text)
        return tag

    def skip_to_end(self, *names: str) -> bool:
        """Pass over all up to the end of the element that was just begun; nothing where it has
        none. More `names` than its own are those of elements that begin after it."""
        if names[0] in self._unclosed:
            return False
        pattern = "|".join([f"/{names[0]}", *names[1:]])
        match = re.compile(rf"<(?:{pattern})\b", re.IGNORECASE).search(self._text, self._at)
        if match is None:
            self._unclosed.add(names[0])
            return False
        self._at = match.start()
        return True
