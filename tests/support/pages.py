"""A page as a browser takes it apart: by an HTML parser, without running anything."""

from __future__ import annotations

import base64
from html.parser import HTMLParser


class ParsedPage(HTMLParser):
    """The title of a page, its policy, the files in it by name, its other scripts, and all that it
    would fetch."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.title = self.policy = ""
        self.files: dict[str, bytes] = {}
        self.scripts: list[str] = []
        self.fetched: list[str] = []
        self._tag, self._file, self._text = "", "", ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self.fetched += [
            value
            for name, value in given.items()
            if name in ("src", "href", "action") and not value.startswith(("data:", "#"))
        ]
        self._tag, self._file, self._text = tag, given.get("data-file", ""), ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self.title = self._text
        elif tag == "script" and self._file:
            self.files[self._file] = base64.b64decode(self._text, validate=True)
        elif tag == "script":
            self.scripts.append(self._text)
        self._tag = self._file = ""
