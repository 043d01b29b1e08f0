"""Documents are found where a reader of the whole text would find them, however it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.data.boundaries import find_documents

texts = st.lists(
    st.sampled_from([b"a", b"bc", b" ", b"\t", b"\n", b"\r\n", b"\r", b"\xc3\xa9"]), max_size=30
).map(b"".join)


def lines_of(text: bytes, lf: bool) -> list[bytes]:
    lines = re.split(rb"\r\n|\n|\r" if lf else rb"\r?\n", text)
    lines[-1] = lines[-1].removesuffix(b"\r")
    return [line for line in lines if line]


def paragraphs_of(text: bytes) -> list[bytes]:
    """Line after line with its end, until a blank one."""
    paragraphs = [b""]
    for line in re.findall(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", text):
        if line.strip(b" \t\r\n"):
            paragraphs[-1] += line
        else:
            paragraphs.append(b"")
    return [re.sub(rb"(?:\r\n|\n|\r)\Z", b"", paragraph) for paragraph in paragraphs if paragraph]


@pytest.mark.parametrize("lf", [False, True])
@given(text=texts, size=st.integers(1, 9))
def test_lines_and_paragraphs_are_whole_wherever_a_chunk_ends(
    lf: bool, text: bytes, size: int
) -> None:
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    for documents, expected in (("line", lines_of(text, lf)), ("paragraph", paragraphs_of(text))):
        starts, stops = find_documents(chunks, documents, lf=lf)
        found = [text[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        assert found == expected
