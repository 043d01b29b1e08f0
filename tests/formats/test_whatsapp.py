"""WhatsApp's exports, of any phone."""

import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.formats.chats import ChatWriter
from chargen.formats.content import Content, Head
from chargen.formats.documents import Message
from chargen.formats.whatsapp import is_whatsapp, read_whatsapp

LRM = "\u200e"


def read(text: str) -> list[Message]:
    return list(read_whatsapp(Content.of("chat.txt", text.encode()), CorpusConfig()))


def said(text: str) -> list[tuple[str, str]]:
    return [(message.speaker, message.text.rstrip()) for message in read(text) if message.text]


def recognised(text: str) -> bool:
    return is_whatsapp(Head("chat.txt", text.encode(), text))


def conversations(text: str) -> list[str]:
    return "".join(
        piece + "\0" * ends for piece, ends in ChatWriter().pieces(read(text))
    ).split("\0")[:-1]  # fmt: skip


ANDROID = """\
12/31/23, 8:59 PM - Messages and calls are end-to-end encrypted. No one outside of this chat, not \
even WhatsApp, can read or listen to them. Tap to learn more.
12/31/23, 9:15 PM - Ana: hi Ben, are you
coming tonight?

Bring: a cake
12/31/23, 9:16 PM - Ben: yes!
12/31/23, 9:16 PM - Ben: <Media omitted>
12/31/23, 9:17 PM - Ben: \u200eIMG-20231231-WA0001.jpg (file attached)
my cake
12/31/23, 9:18 PM - Ana: This message was deleted
12/31/23, 9:18 PM - Ana: nice <This message was edited>
12/31/23, 9:19 PM - Ana changed the subject from \u201cParty: 2023\u201d to \u201cParty: 2024\u201d
12/31/23, 9:19 PM - Ben: POLL:
What to drink?
OPTION: tea (3 votes)
OPTION: wine (1 vote)
12/31/23, 9:20 PM - Ben: location: https://maps.google.com/?q=52.5,13.4
12/31/23, 9:20 PM - Ben left
1/1/24, 12:05 AM - Ana: happy new year
"""


def test_android() -> None:
    assert recognised(ANDROID)
    assert said(ANDROID) == [
        ("Ana", "hi Ben, are you\ncoming tonight?\n\nBring: a cake"),
        ("Ben", "yes!"),
        ("Ben", "my cake"),
        ("Ana", "nice"),
        ("Ana", "happy new year"),
    ]
    assert conversations(ANDROID) == [
        "Ana: hi Ben, are you\ncoming tonight?\nBring: a cake\nBen: yes!\nmy cake\nAna: nice",
        "Ana: happy new year",
    ]


IPHONE = f"""\
[31.12.23, 21:15:01] Ben: {LRM}Nachrichten und Anrufe sind Ende-zu-Ende-verschl\u00fcsselt.
[31.12.23, 21:15:03] ~\u202fAna: hallo
{LRM}[31.12.23, 21:15:10] Ben: {LRM}Bild weggelassen
{LRM}[31.12.23, 21:15:20] Ben: Plan.pdf \u2022 {LRM}3 Seiten {LRM}Dokument weggelassen
{LRM}[31.12.23, 21:15:30] Ben: schau mal {LRM}<Anhang: 00000012-PHOTO-2023-12-31.jpg>
[31.12.23, 21:16:00] Ben: danke @\u2068Ana\u2069 {LRM}<Diese Nachricht wurde bearbeitet.>
[31.12.23, 21:16:30] \u202a+49 170 1234567\u202c: ich auch
[31.12.23, 21:17:00] Ben: {LRM}Du hast diese Nachricht gel\u00f6scht.
"""


def test_iphone() -> None:
    assert recognised(IPHONE)
    assert said(IPHONE) == [
        ("Ana", "hallo"),
        ("Ben", "schau mal"),
        ("Ben", "danke @Ana"),
        ("+49 170 1234567", "ich auch"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "12/31/23, 9:15 PM - Ana: hi",
        "12/31/23, 9:15\u202fPM - Ana: hi",
        "31/12/23, 9:15 pm - Ana: hi",
        "31/12/23, 9:15 p.\u00a0m. - Ana: hi",
        "31.12.23, 21:15 - Ana: hi",
        "31/12/2023 21:15 - Ana: hi",
        "31-12-2023 21:15 - Ana: hi",
        "2023-12-31 21:15 - Ana: hi",
        "31.12.2023 klo 21.15 - Ana: hi",
        "2023. 12. 31. 21:15 - Ana: hi",
        "2023. 12. 31. \uc624\ud6c4 9:15 - Ana: hi",
        "2023/12/31 \u4e0b\u53489:15 - Ana: hi",
        "\u0663\u0661\u200f/\u0661\u0662\u200f/\u0662\u0660\u0662\u0663\u060c \u0669:\u0661\u0665 \u0645 - Ana: hi",  # noqa: E501
        "[31.12.23, 21:15:00] Ana: hi",
        "[31/12/23 21:15:00] Ana: hi",
        "[12/31/23, 9:15:00\u202fPM] Ana: hi",
        "[2023-12-31, 9:15:00 p.m.] Ana: hi",
        "[2023/12/31 \u4e0b\u53489:15:00] Ana: hi",
        "\ufeff[31.12.2023 klo 21.15.00] Ana: hi",
    ],
)
def test_clocks_and_calendars(line: str) -> None:
    [message] = read(line)
    assert (message.speaker, message.text) == ("Ana", "hi")
    noon = datetime.datetime(2023, 12, 31, 21, 15) - datetime.datetime(1, 1, 1)
    assert message.time == noon.total_seconds() + 86400
    assert recognised(f"{line}\n{line}\n")


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["1/2/24", "2/2/24", "3/2/24"], [1, 1]),  # of February
        (["1/2/24", "1/3/24", "1/13/24"], [1, 10]),
        (["30/1/24", "1/2/24"], [2]),
    ],
)
def test_the_order_of_a_date_is_seen_from_all(dates: list[str], days: list[int]) -> None:
    times = [m.time or 0 for m in read("".join(f"{date}, 10:00 - Ana: x\n" for date in dates))]
    assert [(b - a) / 86400 for a, b in pairwise(times)] == days


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Once upon a time: a tale.\nIt was long.\n",
        "2023-12-31 21:15:03,123 - root - INFO - started: yes\n" * 9,
        "[2023-12-31 21:15:03] ERROR: disk full\n" * 9,
        "[31/12/2023, 21:15:03] ERROR: disk full\n" * 9,
        "[21:15] <ana> hi\n" * 9,
        "12/31/23, 9:15 PM - Ana: hi\n",  # a single one may stand in any text
        "1.2.3.4 - - [31/Dec/2023:21:15:03 +0000] GET / 200\n" * 9,
    ],
)
def test_what_is_no_chat(text: str) -> None:
    assert not recognised(text)


PEOPLE = st.sampled_from(
    ["Ana", "Ben Smith", "+1 555 0100", "\u0639\u0644\u064a", "Zo\u00eb \U0001f600"]
)
LINE = st.text("abc,.! \u00e9\U0001f600?-:", min_size=1).filter(lambda line: line == line.strip())
STAMPS = [
    "%m/%d/%y, %I:%M %p - ",
    "%d.%m.%y, %H:%M - ",
    "[%d/%m/%Y, %H:%M:%S] ",
    "%Y-%m-%d %H:%M - ",
]


@given(
    st.lists(st.tuples(PEOPLE, st.lists(LINE, min_size=1, max_size=3), st.integers(0, 20000))),
    st.sampled_from(STAMPS),
)
def test_what_was_said_comes_back(turns: list[tuple[str, list[str], int]], stamp: str) -> None:
    time = datetime.datetime(2023, 12, 30, 22, 0)
    text, expected = "", []
    for name, lines, seconds in turns:
        time += datetime.timedelta(seconds=seconds)
        text += f"{time.strftime(stamp)}{name}: " + "\n".join(lines) + "\n"
        expected.append((name, "\n".join(lines)))
    found = read(text)
    assert [(message.speaker, message.text) for message in found] == expected
    times = [message.time or 0 for message in found]
    assert times == sorted(times)


@given(st.text("0123456789/:.,-[] PMAna\u200e<>\n()") | st.text())
def test_anything_else_is_read_without_a_crash(text: str) -> None:
    text = text.encode(errors="replace").decode()
    read(text)
    recognised(text)
