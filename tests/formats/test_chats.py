"""Messages become turns and conversations."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.formats import chats
from chargen.formats.chats import MAX_NAME, NOBODY, PIECE, ChatWriter, is_mostly, name_of
from chargen.formats.documents import Message


def written(messages: Iterable[Message], writer: ChatWriter | None = None) -> list[str]:
    """The conversations."""
    documents, text = [], ""
    for piece, ends in (writer or ChatWriter()).pieces(messages):
        text += piece
        if ends:
            documents.append(text)
            text = ""
    assert text == ""
    return documents


def test_messages_in_a_row_are_a_turn_and_an_hour_of_silence_ends_a_conversation() -> None:
    writer = ChatWriter()
    messages = [
        Message("Ana", "hi", 0.0),
        Message("Ana", "are you home?", 60.0),
        Message("Ben", "yes", 120.0),
        Message("Ben", "good morning", 120.0 + 3600),
        Message("Ana", "hello", 120.0 + 3600 + 3599),
    ]
    assert written(messages, writer) == [
        "Ana: hi\nare you home?\nBen: yes",
        "Ben: good morning\nAna: hello",
    ]
    assert writer.turns == {"Ana": 2, "Ben": 2}
    assert writer.summary == "2 people, 4 turns"
    assert writer.owner is None


def test_a_clock_that_is_set_back_ends_nothing() -> None:
    assert written([Message("Ana", "a", 7200.0), Message("Ben", "b", 3600.0)]) == ["Ana: a\nBen: b"]


def test_what_has_no_text_is_counted_and_keeps_a_conversation_alive() -> None:
    writer = ChatWriter()
    messages = [
        Message("Ana", "look", 0.0),
        Message("Ana", "", 3000.0),
        Message("Ben", "nice", 6000.0),
        Message("Cy", " \n ", 6000.0),
    ]
    assert written(messages, writer) == ["Ana: look\nBen: nice"]
    assert writer.summary == "2 people, 2 turns; 2 messages without text left out"


def test_another_chat_in_the_file_is_another_conversation() -> None:
    messages = [Message("Ana", "a", 0.0, chat="1"), Message("Ben", "b", 1.0, chat="2")]
    assert written(messages) == ["Ana: a", "Ben: b"]


def test_blank_lines_do_not_end_a_turn_and_no_line_in_it_looks_like_another() -> None:
    messages = [Message("Ben", "b"), Message("Ana", "one\r\n\r\n two \u2028\nBen: three")]
    assert written(messages) == ["Ben: b\nAna: one\n two\n Ben: three"]


def test_whose_export_it_is() -> None:
    writer = ChatWriter()
    written([Message("Ana", "a", is_mine=True), Message("Ben", "b")], writer)
    assert writer.owner == "Ana"


def test_people_of_one_name_are_told_apart_and_one_who_changed_it_is_known() -> None:
    messages = [
        Message("Ana", "1", speaker_id="7"),
        Message("A\u200ena", "2", speaker_id="8"),
        Message("Anastasia", "3", speaker_id="7"),
        Message("Ana", "4", speaker_id="9"),
    ]
    assert written(messages) == ["Ana: 1\nAna 2: 2\nAna: 3\nAna 3: 4"]


def test_a_long_conversation_comes_in_pieces() -> None:
    messages = (Message("Ana", "x" * 1000) for _ in range(1000))
    pieces = list(ChatWriter().pieces(messages))
    assert [ends for _, ends in pieces] == [False] * (len(pieces) - 1) + [True]
    assert max(len(text) for text, _ in pieces) < PIECE + 2000


def test_too_many_people_are_no_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chats, "MAX_SPEAKERS", 10)
    with pytest.raises(CorpusError, match="more than 10 people"):
        list(ChatWriter().pieces(Message(str(number), "x") for number in range(11)))


@pytest.mark.parametrize(
    ("speaker", "name"),
    [
        ("Ana", "Ana"),
        ("\u202a+1 (555) 010-0199\u202c", "+1 (555) 010-0199"),
        ("Dr: No", "Dr No"),
        ("two\nlines\t", "two lines"),
        ("\u200e\u202e", NOBODY),
        ("\u0639\u0644\u064a", "\u0639\u0644\u064a"),
        ("\U0001f468\u200d\U0001f469 us", "\U0001f468\u200d\U0001f469 us"),
        ("e\u0301ric", "\u00e9ric"),
        ("x" * 500, "x" * MAX_NAME),
    ],
)
def test_names_are_safe_as_labels(speaker: str, name: str) -> None:
    assert name_of(speaker) == name


@given(st.text())
def test_any_name_is_one_line_without_a_colon(speaker: str) -> None:
    name = name_of(speaker)
    assert name
    assert name.splitlines() == [name]
    assert ":" not in name
    assert name == name.strip()
    assert name_of(name) == name


WORDS = st.text("ab \u00e9\U0001f600.", min_size=1).map(str.strip).filter(bool)
TURNS = st.lists(st.tuples(st.sampled_from(["Ana", "Ben", "Cy"]), st.lists(WORDS, min_size=1)))


@given(TURNS)
def test_turns_can_be_told_from_the_text(turns: list[tuple[str, list[str]]]) -> None:
    messages = [Message(name, line) for name, lines in turns for line in lines]
    merged: list[tuple[str, list[str]]] = []
    for name, lines in turns:
        if merged and merged[-1][0] == name:
            merged[-1][1].extend(lines)
        else:
            merged.append((name, list(lines)))
    expected = "\n".join(f"{name}: " + "\n".join(lines) for name, lines in merged)
    assert written(messages) == ([expected] if expected else [])


def test_a_chat_is_told_by_nearly_all_of_its_lines() -> None:
    lines = ["a: x", "", "a: y", "more"]
    assert is_mostly(lines, lambda line: ":" in line, share=0.6)
    assert not is_mostly(lines, lambda line: ":" in line, share=0.7)
    assert not is_mostly(["more", *lines], lambda line: ":" in line, share=0.1)
    assert not is_mostly(["a: x"], lambda line: ":" in line, share=0.1)
