"""JSON in values, whatever its size."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.formats import json_stream
from chargen.formats.content import Content
from chargen.formats.json_stream import MAX_DEPTH, Path, json_values


def values(text: str, depth: int) -> list[tuple[Path, bytes]]:
    return list(json_values(Content.of("x.json", text.encode()), lambda path: len(path) < depth))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def leaves(value: Any, depth: int, path: Path = ()) -> list[tuple[Path, Any]]:
    """What `json_values` should find."""
    if len(path) < depth and isinstance(value, list):
        return [leaf for at, v in enumerate(value) for leaf in leaves(v, depth, (*path, at))]
    if len(path) < depth and isinstance(value, dict):
        return [leaf for key, v in value.items() for leaf in leaves(v, depth, (*path, key))]
    return [(path, value)]


@given(VALUES, st.integers(0, 4), st.sampled_from([None, 1]), st.booleans(), st.integers(1, 9))
def test_the_values_are_those_of_the_whole(
    value: Any, depth: int, indent: int | None, ascii_only: bool, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        found = values(json.dumps(value, indent=indent, ensure_ascii=ascii_only), depth)
    assert [(path, json.loads(raw)) for path, raw in found] == leaves(value, depth)


@given(st.text(alphabet='[]{},:"\\ab1 \n', max_size=30), st.integers(0, 3))
def test_what_is_no_json_ends_in_one_line(text: str, depth: int) -> None:
    try:
        values(text, depth)
    except CorpusError as error:
        assert str(error).startswith("x.json is not valid JSON in line ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: it ends too early"),
        ("[1,\n2", "line 2: it ends too early"),
        ("[1 2]", "line 1: , was expected"),
        ('{"a" 1}', "line 1: : was expected"),
        ("{1: 2}", "line 1: a key was expected"),
        ("[1]\n\n[2]", "line 3: more follows after its end"),
        ('["' + "x" * 99, "line 1: it ends too early"),
        ("[" + "[" * (MAX_DEPTH + 2), f"line 1: it is more than {MAX_DEPTH} brackets deep"),
    ],
)
def test_errors_say_where(text: str, why: str) -> None:
    with pytest.raises(CorpusError) as caught:
        values(text, 1)
    assert why in str(caught.value)
    assert "--format text" in caught.value.spelled(lambda mention: "--format text")


def test_a_value_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_VALUE", 1 << 20)
    with pytest.raises(CorpusError, match="more than 1 MB"):
        values('["' + "x" * (5 << 20) + '"]', 1)


def test_it_is_left_early() -> None:
    found = json_values(Content.of("x", b"[1, 2, not json"), lambda path: path == ())
    assert next(found) == ((0,), b"1")
    found.close()  # type: ignore[attr-defined]
