"""Records become documents: which of its fields holds a record's text, or the turns of a dialogue.

A record is what a line of JSON or a row of a table spells: fields by their names, or a text by
itself. Pure; knows no kind of file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from chargen.config import CorpusConfig
from chargen.errors import CorpusError, setting
from chargen.formats.columns import text_columns
from chargen.formats.documents import Dialogue, Document, Remark, Role
from chargen.options import unescape
from chargen.reprs import counted, printable

MAX_RECORD = 1 << 24  # characters of one
# The first records say where the text stands: so many, and no more than so many characters.
SAMPLE = 200
SAMPLE_SIZE = 1 << 22
MAX_NESTED = 3  # fields within fields that are looked at where none is named
MAX_LISTED = 20  # names in a message

# Where the turns of a dialogue stand, by the first of the names that is there.
CONVERSATIONS = ("messages", "conversations", "conversation")
ROLE_NAMES, CONTENT_NAMES = ("role", "from"), ("content", "value", "text")
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "ai", "chatgpt", "bing", "bard"), "bot"),
    **dict.fromkeys(("system", "developer"), "system"),
}
# Whose turns are no talk: what programs were asked and answered.
TOOLS = {"tool", "function", "function_call", "function_response", "tool_call", "tool_response",
         "observation", "ipython"}  # fmt: skip
SYSTEM_NAMES = ("system", "system_prompt")
# A question's name, and those that its answer may have.
PAIRS = (
    ("prompt", ("completion", "response", "answer", "output", "chosen")),
    ("instruction", ("output", "response", "completion", "answer")),
    ("question", ("answer", "response", "output")),
    ("query", ("answer", "response", "output")),
    ("input", ("output", "response", "answer")),
    ("user", ("assistant",)),
    ("human", ("assistant", "bot", "gpt")),
)
INSTRUCTION_INPUTS = ("input", "context")  # what an instruction is to be followed on

_IN_BRACES = re.compile(r"\{([^{}]+)\}")

Turns = list[tuple[Role | None, str]]  # of None: a tool's


class BadRecord(ValueError):
    """What is wrong with a record, in words that go on after its place."""


class Row(NamedTuple):
    """A record: its number or its line, what it spells, or why that cannot be told, and about how
    many characters it has."""

    place: int
    value: object
    size: int


@dataclass(frozen=True)
class Layout:
    """How a record is read: to a text, or to turns; raises BadRecord. `words` say so; `fields` are
    those of the outermost that are needed, None where that is not known."""

    words: str
    read: Callable[[Any], str | Turns]
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Origin:
    """Where records come from, for messages: a file's name, what counts them there, and what their
    fields are called."""

    name: str
    place: str = "line"  # or record
    noun: str = "key"  # or column


def read_records(rows: Iterable[Row], config: CorpusConfig, origin: Origin) -> Iterator[Document]:
    """The documents of the records, and last how they were found. What has no text is left out, and
    said. Raises CorpusError at the first bad one, unless such are to be left out."""
    rows = iter(rows)
    sample = take_sample(rows)
    if not sample:
        return
    good = [row.value for row in sample if not isinstance(row.value, BadRecord)]
    for row in sample:
        if isinstance(row.value, BadRecord) and not (config.skip_bad and good):
            raise bad_record(row.value, row, origin, can_go_on=bool(good))
    layout = find_layout(good, config, origin)
    yield from read_with(layout, chain(sample, rows), config, origin)


def take_sample(rows: Iterator[Row]) -> list[Row]:
    """The first of the rows."""
    sample: list[Row] = []
    size = 0
    while len(sample) < SAMPLE and size < SAMPLE_SIZE and (row := next(rows, None)) is not None:
        sample.append(row)
        size += row.size
    return sample


def read_with(
    layout: Layout, rows: Iterable[Row], config: CorpusConfig, origin: Origin
) -> Iterator[Document]:
    """The documents of the records in this layout, and last what was left out."""
    left_out: Counter[str] = Counter()
    for row in rows:
        try:
            if isinstance(row.value, BadRecord):
                raise row.value
            found = layout.read(row.value)
        except BadRecord as error:
            if not config.skip_bad:
                raise bad_record(error, row, origin) from None
            left_out["bad"] += 1
            continue
        if isinstance(found, str):
            if found.strip():
                yield found
            else:
                left_out["empty"] += 1
            continue
        turns = tuple((role, said) for role, said in found if role is not None)
        left_out["tools'"] += len(found) - len(turns)
        if any(role != "system" for role, _ in turns):
            yield Dialogue(turns)
        else:
            left_out["empty"] += 1
    if layout.words:
        yield Remark(layout.words)
    for why, noun in (("bad", "bad record"), ("empty", "empty record"), ("tools'", "tool's turn")):
        if left_out[why]:
            yield Remark(f"{counted(left_out[why], noun)} left out")


def bad_record(
    error: BadRecord, row: Row, origin: Origin, *, can_go_on: bool = True
) -> CorpusError:
    """The error that a bad record is; `can_go_on` where others are good."""
    leave_out = "to leave out such records, add " + setting("skip_bad", True)
    read_as_text = "to read the file as it is, add " + setting("format", "text")
    return CorpusError(
        f"{origin.name}, {origin.place} {row.place:,}: {error}",
        hint=leave_out if can_go_on else read_as_text,
    )


# -- which fields -------------------------------------------------------------------------------


def find_layout(values: Sequence[object], config: CorpusConfig, origin: Origin) -> Layout:
    """How records like these are read. Raises CorpusError where that cannot be told."""
    records = [value for value in values if isinstance(value, dict)]
    if not records:
        if config.field is not None:
            raise CorpusError(
                f"{origin.name} has no {origin.noun}s: its records are texts by themselves",
                hint="leave out " + setting("field"),
            )
        return Layout("", _by_itself)
    names = list(dict.fromkeys(name for record in records for name in record))
    if config.field is not None:
        return _asked(config.field, records, names, origin)
    for name in names:
        if name.lower() in CONVERSATIONS and any(is_messages(r.get(name)) for r in records):
            return _conversations(name, names)
    return _text(names, origin) or _pair(names, origin) or _only_column(records, names, origin)


def _by_itself(value: object) -> str | Turns:
    if is_messages(value):
        return read_messages(value)
    if not isinstance(value, str):
        raise BadRecord("it is neither a text nor an object")
    return value


def _text(names: Sequence[str], origin: Origin) -> Layout | None:
    same = [name for name in ("text", *names) if name in names and name.lower() == "text"]
    return _field(same[0], names, origin) if same else None


def _field(name: str, names: Sequence[str], origin: Origin) -> Layout:
    def read(record: object) -> str | Turns:
        value = get_field(record, name)
        return read_messages(value) if is_messages(value) else spelled(value, name)

    return Layout(f"{origin.noun} {shown(name)}", read, (_outermost(name, names),))


def _conversations(name: str, names: Sequence[str]) -> Layout:
    systems = tuple(other for other in names if other.lower() in SYSTEM_NAMES)

    def read(record: object) -> Turns:
        turns = read_messages(get_field(record, name))
        return _with_system(record, systems, turns)

    return Layout(f"turns of {shown(name)}", read, (name, *systems))


def _pair(names: Sequence[str], origin: Origin) -> Layout | None:
    by_name = {name.lower(): name for name in reversed(names)}
    for question, answers in PAIRS:
        answer = next((by_name[name] for name in answers if name in by_name), None)
        if question not in by_name or answer is None:
            continue
        asked = [by_name[question]]
        if question == "instruction":
            asked += [by_name[name] for name in INSTRUCTION_INPUTS if name in by_name][:1]
        return _pairs(asked, answer, tuple(by_name[n] for n in SYSTEM_NAMES if n in by_name))
    return None


def _pairs(asked: Sequence[str], answer: str, systems: tuple[str, ...]) -> Layout:
    def read(record: object) -> str | Turns:
        parts = [value_turns(get_field(record, name), name, "user") for name in asked]
        answers = value_turns(get_field(record, answer), answer, "bot")
        if not any(parts) or not answers:
            return ""
        if any(role == "user" for role, _ in answers):  # the whole conversation
            return _with_system(record, systems, answers)
        said = [turn for part in parts for turn in part]
        if all(role == "user" for role, _ in said):
            said = [("user", "\n".join(text for _, text in said))]
        return _with_system(record, systems, said + answers)

    return Layout(f"turns of {', '.join(map(shown, asked))} and {shown(answer)}", read,
                  (*asked, answer, *systems))  # fmt: skip


def _with_system(record: object, names: Sequence[str], turns: Turns) -> Turns:
    if not turns or turns[0][0] == "system":
        return turns
    said = (spelled(get_field(record, name), name).strip() for name in names)
    return [*[("system", text) for text in said if text][:1], *turns]


def _only_column(
    records: Sequence[Mapping[str, object]], names: Sequence[str], origin: Origin
) -> Layout:
    """The one that holds text, or the only one that there is."""
    columns: dict[str, list[str]] = {}
    for record in records:
        for name, value in flatten(record):
            text = value if isinstance(value, str) else _lines(value)
            columns.setdefault(name, []).extend([text] if text and text.strip() else [])
    found = list(columns) if len(columns) == 1 else text_columns(columns)
    if len(found) == 1:
        return _field(found[0], names, origin)
    as_it_is = setting("format", "text") + " reads the file as it is"
    if not found:
        raise CorpusError(
            f"{origin.name} has no {origin.noun} of text; there are: "
            f"{listed(columns)}, with labels, numbers, dates or links",
            hint=setting("field", fill_in="NAME") + " names one, " + as_it_is,
        )
    braces = "".join(f"{{{name}}} " for name in found[:2]).strip()
    raise CorpusError(
        f"{origin.name} has several {origin.noun}s of text: {listed(found)}",
        hint=setting("field", found[0]) + " reads one, " + setting("field", braces)
        + " two as one text, " + as_it_is,
    )  # fmt: skip


def _asked(
    field: str, records: Sequence[Mapping[str, object]], names: Sequence[str], origin: Origin
) -> Layout:
    """The field that was asked for, or the text with names of fields in braces."""

    def find(name: str) -> str:
        if any(get_field(record, name) is not None for record in records) or name in names:
            return name
        if origin.noun == "column" and name.isdecimal() and 0 < int(name) <= len(names):
            return names[int(name) - 1]
        there = dict.fromkeys(chain(names, (n for r in records for n, _ in flatten(r))))
        raise CorpusError(
            f"{origin.name} has no {origin.noun} {shown(name)}; there are: {listed(there)}",
            hint=setting("field", fill_in="NAME") + " names one",
        )

    if field in names or not _IN_BRACES.search(field):
        return _field(find(field), names, origin)
    parts = _IN_BRACES.split(field)  # every second one a name
    between = [unescape(part) for part in parts[::2]]
    columns = [find(name) for name in parts[1::2]]

    def read(record: object) -> str:
        texts = [spelled(get_field(record, name), name) for name in columns]
        if not all(text.strip() for text in texts):
            return ""
        filled = zip(between, [*texts, ""], strict=True)
        return "".join(part for pair in filled for part in pair)

    needed = tuple(dict.fromkeys(_outermost(name, names) for name in columns))
    return Layout(f"{origin.noun}s {shown(field)}", read, needed)


# -- what stands in them ------------------------------------------------------------------------


def get_field(record: object, name: str) -> object:
    """What stands in a field, or in a field of a field as in `data.text`; None where there is
    none."""
    if isinstance(record, dict) and name in record:
        value: object = record[name]
        return value
    value = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _outermost(name: str, names: Sequence[str]) -> str:
    return name if name in names else name.partition(".")[0]


def flatten(
    record: Mapping[str, object], before: str = "", depth: int = MAX_NESTED
) -> Iterator[tuple[str, object]]:
    """All fields, those within others as `data.text`."""
    for name, value in record.items():
        if isinstance(value, dict) and depth > 1:
            yield from flatten(value, f"{before}{name}.", depth - 1)
        else:
            yield before + name, value


def spelled(value: object, name: str) -> str:
    """A value as text: of a list, each on a line. Raises BadRecord where it is none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    lines = _lines(value)
    if lines is None:
        raise BadRecord(f"its {shown(name)} is no text")
    return lines


def _lines(value: object) -> str | None:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    return None


def value_turns(value: object, name: str, role: Role) -> Turns:
    """What one of the two said, where it may be messages, too."""
    if is_messages(value):
        return read_messages(value)
    said = spelled(value, name).strip()
    return [(role, said)] if said else []


def is_messages(value: object) -> bool:
    """Whether it is a list of turns that say whose they are."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return any(name in value[0] for name in ROLE_NAMES) and any(
        name in value[0] for name in CONTENT_NAMES
    )


def read_messages(value: object) -> Turns:
    """The turns of a list of messages, those without words left out. Raises BadRecord."""
    turns: Turns = []
    for number, message in enumerate(value if isinstance(value, list) else [], start=1):
        if not isinstance(message, dict):
            raise BadRecord(f"message {number:,} is no object")
        name = next((message[name] for name in ROLE_NAMES if name in message), None)
        role = name.strip().lower() if isinstance(name, str) else ""
        if role not in ROLES and role not in TOOLS:
            raise BadRecord(
                f"the role of message {number:,}, {shown(str(name))}, is none of system, user "
                "and assistant"
            )
        content = next((message[name] for name in CONTENT_NAMES if name in message), None)
        said = _content(content, number).strip()
        if said or role in TOOLS:
            turns.append((ROLES.get(role), said))
    return turns


def _content(content: object, number: int) -> str:
    """What a message says, which may be in parts, some of them pictures and the like."""
    parts = content if isinstance(content, list) else [content]
    texts = []
    for part in parts:
        said = part.get("text") if isinstance(part, dict) else part
        if said is None:
            continue
        if not isinstance(said, str):
            raise BadRecord(f"what message {number:,} says is no text")
        texts.append(said)
    return "\n".join(texts)


# -- names in messages --------------------------------------------------------------------------


def shown(name: str) -> str:
    """A name in one line that is not too long, whatever stands in it."""
    name = printable(name).replace("\n", "\u240a").replace("\t", "\u2409")
    return name if len(name) <= 40 else name[:39] + "\u2026"


def listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MAX_LISTED:,} more" if len(every) > MAX_LISTED else ""
    return (", ".join(map(shown, every[:MAX_LISTED])) or "none") + more
