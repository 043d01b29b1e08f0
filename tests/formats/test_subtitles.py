from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.formats import subtitles
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document


def read(data: str) -> list[Document]:
    content = Content.of("x.srt", data.encode())
    return list(subtitles.read(content, CorpusConfig()))


SAID = st.text(st.characters(categories=["L", "P"], exclude_characters="<>{}\\-–—&"), min_size=1)


@given(st.lists(SAID.filter(str.strip), min_size=1, max_size=3), st.booleans(), st.booleans())
@settings(max_examples=50)
def test_what_is_said_comes_back(said: list[str], is_vtt: bool, has_numbers: bool) -> None:
    point, text = (".", "WEBVTT - made\n\nNOTE by\nhand\n\n") if is_vtt else (",", "")
    for number, words in enumerate(said, start=1):
        text += f"{number}\n" if has_numbers else ""
        text += f"00:00:0{number}{point}000 --> 00:00:0{number}{point}900 align:start\n{words}\n\n"
    assert read(text) == ["\n".join(" ".join(words.split()) for words in said)]
    assert read(text.replace("\n", "\r\n")) == read(text)


def test_tags_and_layout_go() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000 X1:1\n<i>Once upon</i>\n<font color=red>a time</font>\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n{\\an8}- Is it 1 < 2?\n- Yes.\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\n1984\n\n4\n00:00:07,000 --> 00:00:08,000\n\n"
        "5\n00:00:09,000 --> 00:00:09,500\nOne line\n\nand another\n"
    )
    assert read(text) == [
        "Once upon a time\n- Is it 1 < 2?\n- Yes.\n1984\nOne line and another"
    ]  # fmt: skip


def test_web_subtitles() -> None:
    text = (
        "WEBVTT\n\nSTYLE\n::cue { color: red }\n\nintro\n01:02.000 --> 01:03.000\n"
        "<v Ana>Tea &amp; cake?</v>\n\nNOTE not said\n\nsecond\n01:04.000 --> 01:05.000\nNo.\n\n"
        "01:06.000 --> 01:07.000\nNo.\n"
    )
    assert read(text) == ["Tea & cake?\nNo.\nNo."]


def test_automatic_ones_that_show_each_line_twice() -> None:
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\nso<00:01.500><c> it</c>\n\n"
        "00:02.000 --> 00:02.100\nso it\n\n"
        "00:02.100 --> 00:03.000\nso it\ngoes<00:02.500><c> on</c>\n"
    )
    assert read(text) == ["so it\ngoes on"]


@given(st.lists(st.sampled_from(
    ["1", "00:00:01,000 --> 00:00:02,000", "WEBVTT", "NOTE a", "", "<", ">", "{\\", "a"]
)))  # fmt: skip
def test_any_arrangement_of_lines_is_read(lines: list[str]) -> None:
    assert len(read("\n".join(lines))) <= 1


@pytest.mark.parametrize(
    ("name", "text", "are_subtitles"),
    [
        ("x.srt", "", True),
        ("standard input", "WEBVTT\n\n", True),
        ("x.txt", "1\n00:00:01,000 --> 00:00:02,000\nHi\n", True),
        ("x.txt", "WEBVTTX", False),
        ("x.txt", "a --> b\n", False),
    ],
)
def test_subtitles_are_told_from_other_text(name: str, text: str, are_subtitles: bool) -> None:
    assert subtitles.recognises(Head(name, text.encode(), text)) == are_subtitles
