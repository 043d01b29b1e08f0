"""JSON is read as what it should be, or told; files are replaced at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from chargen.runtime.files import Record, decode, decode_lines, encode, encode_indented, write_file


class Fruit(Record, forbid_unknown_fields=True):
    name: str
    weight: float | None
    notes: Any = None


def test_a_record_comes_back() -> None:
    fruit = Fruit("caf\u00e9", 0.5)
    assert decode(encode(fruit), Fruit) == decode(encode_indented(fruit), Fruit) == fruit
    assert decode_lines(encode(fruit) + b"\n" + encode(fruit), Fruit) == [fruit, fruit]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"name": "pear"}', "weight"),
        (b'{"name": 1, "weight": null}', "Expected `str`"),
        (b'{"name": "pear", "weight": 1, "hue": 2}', "hue"),
        (b'{"name": "\xff"', "utf-8"),
        (b'{"name": ', "truncated"),
        (b'{"notes": ' + b"[" * 100_000, "recursion"),
        (b"", "truncated"),
    ],
)
def test_other_json_is_a_value_error(content: bytes, says: str) -> None:
    for read in (decode, decode_lines):
        if content or read is decode:  # no line is no record
            with pytest.raises(ValueError, match=says):
                read(content, Fruit)


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
