"""CSV and TSV: rows of fields with something between them, each row a record.

There is no one such format, so what stands between fields, how quotes are written and whether the
first row names the columns are found in the first rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from itertools import zip_longest
from typing import TextIO

from chargen.config import CorpusConfig
from chargen.errors import CorpusError, setting
from chargen.formats.columns import text_columns
from chargen.formats.content import HEAD_BYTES, Content, Head
from chargen.formats.documents import Document, Remark
from chargen.formats.records import MAX_RECORD, BadRecord, Origin, Row, read_records
from chargen.reprs import counted

DELIMITERS = (",", ";", "\t", "|")
ESCAPE = "\\"
NO_DELIMITER = "\x1f"  # where a row is one field, whatever stands in it
MIN_ALIKE = 0.5  # of the first rows that have as many fields as the very first
MAX_UNCLOSED = 100  # quotes without an end that are passed over; each has much read again
MAX_NAME = 60  # characters of a column's name
# Names that columns have, so a row of which one is the header.
_NAMES = re.compile(
    r"(?:.*[ _.-])?(?:id|index|name|title|text|body|content|message|comment|review|tweet|post"
    r"|author|user(?:name)?|date|time(?:stamp)?|created(?:_at)?|label|class|category|score|rating|stars"
    r"|url|link|lang(?:uage)?|source|target|type|tags?|count|year|sex|gender|country|city|email"
    r"|question|answer|prompt|completion|response|instruction|input|output|lyrics?|song|artist"
    r"|poem|joke|recipe|ingredients|headline|description|summary|quote|sentence|word|line|verse)s?",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"\s*|[\d\s.,:;/+%$\u20ac\u00a3-]+|\w+://.*|.*[.!?\u2026]\s*|.*\n.*", re.DOTALL
)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:[_.-][a-z0-9]+)*|[a-z]+(?:[A-Z][a-z0-9]*)+")
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")  # as Excel writes it


@dataclass(frozen=True)
class Dialect:
    """How rows are written: with `delimiter` between fields, and a quote within quotes doubled or,
    where `escaped`, after a backslash; where not `quoted`, a quote is a character as any other.
    `header` are the columns' names, and whether a row holds them; before the first row stand
    `skipped` characters."""

    delimiter: str
    escaped: bool = False
    quoted: bool = True
    header: tuple[str, ...] = ()
    has_header: bool = False
    skipped: int = 0

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            doublequote=not self.escaped,
            escapechar=ESCAPE if self.escaped else None,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            strict=strict,
        )


def recognises_csv(head: Head) -> bool:
    return head.name.endswith(".csv")


def recognises_tsv(head: Head) -> bool:
    return head.name.endswith((".tsv", ".tab"))


def read_csv(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """Each row as a document. Raises CorpusError, UnicodeDecodeError."""
    return _read(content, config, DELIMITERS)


def read_tsv(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """The same of fields with tabs between them."""
    return _read(content, config, ("\t",))


def _read(content: Content, config: CorpusConfig, delimiters: Sequence[str]) -> Iterator[Document]:
    with content.text() as stream:
        beginning = stream.read(HEAD_BYTES)
        whole = not stream.read(1)
    dialect = find_dialect(beginning, whole, config.field, delimiters)
    with content.text() as stream:
        stream.read(dialect.skipped)
        rows = _rows(stream, dialect, content.name)
        origin = Origin(content.name, "line", "column")
        yield from read_records(rows, config, origin)
        if dialect.header and not dialect.has_header:
            yield Remark("no header")


# -- rows ---------------------------------------------------------------------------------------


def _rows(stream: TextIO, dialect: Dialect, name: str) -> Iterator[Row]:
    """The rows below the header, by the line where they begin."""
    lines = _Lines(stream, lines_before=bool(dialect.skipped))
    reader = dialect.reader(lines)
    width = len(dialect.header)
    is_header = dialect.has_header
    passed_over = 0
    while True:
        lines.begin_row()
        try:
            fields = _next_row(reader)
            # Had the last quote been closed, nobody would have asked for more lines.
            problem = "it has a quote that is never closed" if lines.has_ended else ""
        except StopIteration:
            return
        except _TooLong:
            problem = f"{MAX_RECORD:,} characters from here on are one row: perhaps a quote is open"
        except csv.Error as error:
            problem = str(error)
        if problem:
            yield Row(lines.first, BadRecord(problem), 0)
            passed_over += 1
            if passed_over > MAX_UNCLOSED:
                raise CorpusError(
                    f"{name}, line {lines.first:,}: {problem}, as in {MAX_UNCLOSED} rows before",
                    hint="to read the file as it is, add " + setting("format", "text"),
                )
            lines.go_back()
            reader = dialect.reader(lines)
        elif is_header:
            is_header = False
        elif any(fields[width:]):
            columns = counted(width, "column")
            yield Row(lines.first, BadRecord(f"it has {len(fields):,} fields for {columns}"), 0)
        elif fields:
            record = dict(zip_longest(dialect.header, fields[:width], fillvalue=""))
            yield Row(lines.first, record, lines.size)


def _next_row(reader: Iterator[list[str]]) -> list[str]:
    """The next row, with fields of any length. Their limit is the whole process's, and too low."""
    limit = csv.field_size_limit(MAX_RECORD)
    try:
        return next(reader)
    finally:
        csv.field_size_limit(limit)


class _TooLong(Exception):
    """A row has more characters than it may have."""


class _Lines:
    """The lines of a stream, for a reader that joins some of them to rows. Those of the row in hand
    are kept, so that they can be read otherwise."""

    def __init__(self, stream: TextIO, lines_before: int) -> None:
        self._stream = stream
        self._again: list[str] = []  # to be read before the stream, the last one first
        self._row: list[str] = []
        self._number = lines_before
        self.first = 1  # number of the row's first line
        self.size = 0  # characters of the row
        self.has_ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._stream.readline(MAX_RECORD)
        if not line:
            self.has_ended = True
            raise StopIteration
        if not self._row:
            self.first = self._number + 1
        self._number += 1
        self._row.append(line)
        self.size += len(line)
        if self.size >= MAX_RECORD:
            raise _TooLong
        return line

    def begin_row(self) -> None:
        self._row = []
        self.size = 0

    def go_back(self) -> None:
        """To the second line of the row in hand."""
        self._again += reversed(self._row[1:])
        self._number -= len(self._row) - 1
        self.has_ended = False
        self._row = []


# -- the dialect --------------------------------------------------------------------------------


def find_dialect(
    beginning: str, whole: bool, field: str | None, delimiters: Sequence[str] = DELIMITERS
) -> Dialect:
    """How a file is written that begins so, or that is this as a `whole`; `field` is the column
    that was asked for, if any."""
    skipped = 0
    if separator := _SEPARATOR_LINE.match(beginning):
        skipped = separator.end()
        delimiters = (separator[1],)
        beginning = beginning[skipped:]
    fits = []
    for order, delimiter in enumerate(delimiters):
        dialect = _quotes(beginning, whole, Dialect(delimiter))
        rows = _parse(beginning, whole, dialect)
        fits.append((_share_alike(rows), len(rows[0]) if rows else 0, -order, dialect, rows))
    share, width, _, best, best_rows = max(fits, key=lambda fit: (fit[1] > 1, *fit[:3]))
    is_header = _is_header(best_rows[0], best_rows[1:], field) if best_rows else False
    is_prose = all(field[:1] == " " for row in best_rows for field in row[1:])
    if (not is_header and (is_prose or share < MIN_ALIKE)) or (width <= 1 and share < 1):
        best = replace(best, delimiter=NO_DELIMITER)
        best_rows = _parse(beginning, whole, best)
    header, has_header = _header(best_rows, field)
    return replace(best, header=header, has_header=has_header, skipped=skipped)


def _quotes(beginning: str, whole: bool, dialect: Dialect) -> Dialect:
    """The dialect with quotes as they are written there: doubled, where they can be."""
    escaped, bare = replace(dialect, escaped=True), replace(dialect, quoted=False)
    if '"' not in beginning or _is_strict(beginning, whole, dialect):
        return dialect
    if f'{ESCAPE}"' in beginning and _is_strict(beginning, whole, escaped):
        return escaped
    rows = _parse(beginning, whole, bare)
    begun = [field for row in rows for field in row if field.startswith('"')]
    closed = sum(len(field) > 1 and field.endswith('"') for field in begun)
    is_bare = len(rows[0]) > 1 == _share_alike(rows) and 2 * closed < len(begun) if rows else False
    return bare if is_bare else dialect


def _is_strict(beginning: str, whole: bool, dialect: Dialect) -> bool:
    """Whether after each closing quote a field ends, and each quote is closed."""
    try:
        for _ in dialect.reader(StringIO(beginning, newline=""), strict=True):
            pass
    except csv.Error as error:
        return not whole and "unexpected end" in str(error)
    return True


def _parse(beginning: str, whole: bool, dialect: Dialect) -> list[list[str]]:
    """The rows in the beginning, but for empty ones and a last one that may go on."""
    try:
        rows = [row for row in dialect.reader(StringIO(beginning, newline="")) if row]
    except csv.Error:
        return []
    return rows if whole or len(rows) < 2 else rows[:-1]


def _share_alike(rows: Sequence[Sequence[str]]) -> float:
    """How many of the rows have as many fields as the first one, 0 to 1."""
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows) if rows else 0.0


def _header(rows: Sequence[Sequence[str]], field: str | None) -> tuple[tuple[str, ...], bool]:
    """The names of the columns, and whether the first row holds them; else they are 1, 2, 3 ..."""
    if not rows:
        return (), False
    first, rest = [name.strip() for name in rows[0]], rows[1:]
    if not _is_header(first, rest, field):
        width = max(map(len, rows))
        return tuple(map(str, range(1, width + 1))), False
    names: list[str] = []
    for number, name in enumerate(first, start=1):
        name = name or str(number)
        names.append(name if name not in names else f"{name}_{number}")
    return tuple(names), True


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], field: str | None) -> bool:
    if field is not None and any(f in first for f in (field, *re.findall(r"\{([^{}]+)\}", field))):
        return True
    named = [name for name in first if name]
    if not named or len(set(named)) < len(named):
        return False
    if any(_NO_NAME.fullmatch(name) or len(name) > MAX_NAME for name in named):
        return False
    if any(_NAMES.fullmatch(name) for name in named):
        return True
    if not rest:
        return False
    columns = [[row[at] for row in rest if at < len(row) and row[at]] for at in range(len(first))]
    if any(name in column for name, column in zip(first, columns, strict=True)):
        return False  # what stands in a column again is one of its values
    if any(_all_numbers(column) for column in columns):
        return True  # none of the names is a number
    if len(first) > 1:
        return True
    [name], [values] = named, columns
    if _IDENTIFIER.fullmatch(name):
        return not all(_IDENTIFIER.fullmatch(value) for value in values)
    return " " not in name and bool(text_columns({"": values})) and _mostly_longer(values)


def _all_numbers(column: Sequence[str]) -> bool:
    return bool(column) and all(re.fullmatch(r"[\d\s.,:/+%-]+", value) for value in column)


def _mostly_longer(values: Sequence[str]) -> bool:
    """Whether most are of several words."""
    return 2 * sum(" " in value.strip() for value in values) > len(values)
