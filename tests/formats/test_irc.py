"""Logs of IRC, whoever wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message
from chargen.formats.irc import is_irc, read_irc
from chargen.formats.kinds import recognise


def read(text: str) -> list[Message]:
    return list(read_irc(Content.of("x.log", text.encode()), CorpusConfig()))


def recognised(text: str) -> bool:
    return is_irc(Head("x.log", text.encode(), text))


IRSSI = """\
--- Log opened Sun Dec 31 23:50:00 2023
23:50 -!- ana [~ana@example.org] has joined #tea
23:50 <@ana> hi: all
23:51 < ben> hello <b>
23:52  * ana waves
23:53 -!- ben is now known as benny
23:54 -NickServ(x@y)- you are known
--- Day changed Mon Jan 01 2024
00:01 <+benny> happy new year
"""
MIRC = """\
Session Start: Sun Dec 31 23:50:00 2023
Session Ident: #tea
[23:50] * Now talking in #tea
[23:50] * ana (~ana@example.org) has joined #tea
[23:50] <@ana> \x0304hi:\x03 all
[23:51] <ben> hello <b>
[23:52] * ana waves
[23:53] * ben is now known as benny
[00:01] <+benny> happy new year
Session Close: Mon Jan 01 00:02:00 2024
"""
ZNC = """\
[23:50:00] *** Joins: ana (~ana@example.org)
[23:50:00] <ana> hi: all
[23:51:00] <ben> hello <b>
[23:52:00] * ana waves
[23:53:00] *** ben is now known as benny
[00:01:00] <benny> happy new year
"""
WEECHAT = """\
2023-12-31 23:50:00\t-->\tana (~ana@example.org) has joined #tea
2023-12-31 23:50:00\t@ana\thi: all
2023-12-31 23:51:00\tben\thello <b>
2023-12-31 23:52:00\t *\tana waves
2023-12-31 23:53:00\t--\tben is now known as benny
2024-01-01 00:01:00\tbenny\thappy new year
"""
HEXCHAT = """\
**** BEGIN LOGGING AT Sun Dec 31 23:50:00 2023

Dec 31 23:50:00 *\tana has joined (~ana@example.org)
Dec 31 23:50:00 <ana>\thi: all
Dec 31 23:51:00 <ben>\thello <b>
Dec 31 23:52:00 *\tana waves
Dec 31 23:53:00 *\tben is now known as benny
Jan 01 00:01:00 <benny>\thappy new year
**** ENDING LOGGING AT Mon Jan 01 00:02:00 2024
"""
PLAIN = """\
<ana> hi: all
<ben> hello <b>
* ana waves
* ben is now known as benny
<benny> happy new year
"""


@pytest.mark.parametrize("log", [IRSSI, MIRC, ZNC, WEECHAT, HEXCHAT, PLAIN])
def test_each_program_s_log(log: str) -> None:
    found = read(log)
    assert [(message.speaker, message.text) for message in found] == [
        ("ana", "hi: all"),
        ("ben", "hello <b>"),
        ("ana", "* waves"),
        ("benny", "happy new year"),
    ]
    times = [message.time for message in found]
    if log is PLAIN:
        assert set(times) == {None}
    else:
        first = times[0] or 0
        assert [(time or 0) - first for time in times] == [0, 60, 120, 660]
    assert recognised(log + log)


@pytest.mark.parametrize(
    "text",
    [
        "<p> one\n<p> two\n<p> three\n",
        "<s> the cat\n<s> the dog\n",
        "* one item\n* two items\n* two items\n",
        "10:00 start\n11:00 end\n",
        "<html>\n<body> text\n<p> more\n<p> more\n</body>\n",
        "2023-12-31 21:15:03\tana\tone\n2023-12-31 21:15:03\tben\ttwo\n",
        "[21:15:03] INFO all is well\n" * 5,
        "",
    ],
)
def test_what_is_no_log(text: str) -> None:
    assert not recognised(text)


def test_the_next_day_is_seen_from_the_time() -> None:
    times = [m.time or 0 for m in read("[22:00] <a> x\n[21:00] <b> y\n[09:00] <a> z\n")]
    assert [times[1] - times[0], times[2] - times[1]] == [-3600, 12 * 3600]


def test_turns_that_begin_as_is_said_are_no_log() -> None:
    content = Content.of("x.log", b"<ana> hi\n<benny> ho\n" * 5)
    found = recognise(content, CorpusConfig())
    assert found is not None and found.name == "irc"
    assert recognise(content, CorpusConfig(user="<ana>", bot="<benny>")) is None
    assert recognise(content, CorpusConfig(user="<ana>", bot="<zoe>")) is found


NICKS = st.sampled_from(["ana", "ben_", "[cy]", "d|away", "e-f"])
SAID = st.text("abc <>*:@\u00e9\U0001f600", min_size=1).filter(lambda t: t.strip() == t)
SHAPES = [
    "[10:{0:02}] <{1}> {2}",
    "10:{0:02} <@{1}> {2}",
    "2024-01-01 10:{0:02}:00\t{1}\t{2}",
    "<{1}> {2}",
]


@given(st.lists(st.tuples(NICKS, SAID), max_size=20), st.sampled_from(SHAPES))
def test_what_was_said_comes_back(turns: list[tuple[str, str]], shape: str) -> None:
    lines = [shape.format(number, nick, said) for number, (nick, said) in enumerate(turns)]
    assert [(m.speaker, m.text) for m in read("\n".join(lines))] == turns


@given(st.text("0123456789[]<>:*- \tanPM\n") | st.text())
def test_anything_else_is_read_without_a_crash(text: str) -> None:
    text = text.encode(errors="replace").decode()
    read(text)
    recognised(text)
