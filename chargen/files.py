"""Typed JSON, and files that are replaced at once. The only door to msgspec."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

Record = msgspec.Struct  # what JSON is read as: its fields are the keys, with their types
RecordType = TypeVar("RecordType", bound=Record)


def decode(content: bytes, kind: type[RecordType]) -> RecordType:
    """The record that the JSON spells. Raises ValueError, which says what is wrong where."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def decode_lines(content: bytes, kind: type[RecordType]) -> list[RecordType]:
    """A record of each line of JSON. Raises ValueError."""
    try:
        return msgspec.json.Decoder(kind).decode_lines(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def encode(value: object) -> bytes:
    """A record, or what is JSON-able, in one line."""
    return msgspec.json.encode(value)


def encode_indented(value: object) -> bytes:
    """The same for people to read."""
    return msgspec.json.format(encode(value), indent=2)


def to_builtins(value: object) -> Any:
    """The same in dicts and lists."""
    return msgspec.to_builtins(value)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file at once: readers see the old content or the new, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
