"""JSON with records in it: a line each, a list of them, or an object that holds one such list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chargen.config import CorpusConfig
from chargen.errors import CorpusError, setting
from chargen.formats.content import HEAD_BYTES, Content, Head
from chargen.formats.documents import Document
from chargen.formats.json_stream import json_values
from chargen.formats.records import (
    CONVERSATIONS,
    MAX_RECORD,
    BadRecord,
    Origin,
    Row,
    is_messages,
    read_records,
)
from chargen.runtime.files import decode_any

_LIST = re.compile(r"\s*\[\s*(\{\s*[\"}]|\")")


def recognises_lines(head: Head) -> bool:
    """By its name, or where the first line is an object and another one begins in the next."""
    if head.name.endswith((".jsonl", ".ndjson", ".jsonlines")):
        return True
    first, _, rest = head.text.partition("\n")
    return rest.lstrip().startswith("{") and isinstance(_record(first.encode()), dict)


def recognises_json(head: Head) -> bool:
    """A list of objects; in a file of that name one of texts, too, or an object that holds one list
    of objects and else but single values. Other JSON, as of settings, is a text."""
    match = _LIST.match(head.text)
    if not head.name.endswith(".json"):
        return match is not None and match[1] != '"' and head.text[:1] == "["
    return match is not None or _key_of_records(head) is not None


def _key_of_records(head: Head) -> str | None:
    """Where in an object the one list of records is."""
    found = None
    try:
        for path, value in json_values(Content.of(head.name, head.text.encode()), _is_near):
            key = str(path[0]) if path else ""
            if key == found:
                continue
            is_record = len(path) == 2 and path[1] == 0 and value[:1] == b"{"
            if (found is not None and value[:1] in b"[{") or (not is_record and len(path) != 1):
                return None
            if is_record:
                found = key
            elif value[:1] in b"[{" or not path:
                return None
    except CorpusError:  # it goes on beyond the head, or is no JSON
        return found
    return found


def _is_near(path: tuple[str | int, ...]) -> bool:
    return len(path) < 2


def read_lines(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """Each line as a document. Raises CorpusError, UnicodeDecodeError."""
    yield from read_records(_lines(content), config, Origin(content.name, "line", "key"))


def _lines(content: Content) -> Iterator[Row]:
    number = 0
    with content.text() as stream:
        while line := stream.readline(MAX_RECORD):
            number += 1
            size = len(line)
            if size == MAX_RECORD:
                yield Row(number, BadRecord(f"it has {MAX_RECORD:,} characters and more"), 0)
                while line and not line.endswith("\n"):
                    line = stream.readline(MAX_RECORD)
            elif line.strip():
                yield Row(number, _record(line.encode(errors="replace")), size)


def _record(data: bytes) -> object:
    try:
        value: object = decode_any(data)
    except (ValueError, RecursionError) as error:
        return BadRecord(f"it is not valid JSON: {error}")
    return value


def read_list(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """Each element of the list as a document. Raises CorpusError, UnicodeDecodeError."""
    yield from read_records(_elements(content), config, Origin(content.name, "record", "key"))


def _elements(content: Content) -> Iterator[Row]:
    with content.text() as stream:
        text = stream.read(HEAD_BYTES)
    key = None
    if not text.lstrip().startswith("["):
        key = _key_of_records(Head(content.name, text.encode(errors="replace"), text))
        if key is None:
            raise CorpusError(
                f"{content.name} has no list of records",
                hint="to read it as it is, add " + setting("format", "text"),
            )
        if _is_dialogue(content, key):
            for _, value in json_values(content, lambda path: False):
                yield Row(1, _element(value), len(value))
            return
    root: tuple[str | int, ...] = () if key is None else (key,)
    number = 0
    for path, value in json_values(content, lambda path: path in ((), root)):
        if path[: len(root)] == root and len(path) > len(root):
            number += 1
            yield Row(number, _element(value), len(value))


def _is_dialogue(content: Content, key: str) -> bool:
    """Whether the records are the turns of one dialogue, so that the whole is a record."""
    if key.lower() not in CONVERSATIONS:
        return False
    values = json_values(content, lambda path: path in ((), (key,)))
    first = next((value for path, value in values if path == (key, 0)), b"")
    return is_messages([_element(first)])


def _element(value: bytes) -> object:
    if len(value) > MAX_RECORD:
        return BadRecord(f"it has more than {MAX_RECORD:,} bytes")
    return _record(value)
