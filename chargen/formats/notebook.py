"""Jupyter notebooks become what was written into their cells, with a blank line between cells; what
the cells printed is left out. A notebook is a document."""

from __future__ import annotations

from collections.abc import Iterator

from chargen.config import CorpusConfig
from chargen.errors import CorpusError, setting
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document, Remark
from chargen.formats.json_stream import json_values
from chargen.reprs import counted
from chargen.runtime.files import decode_any

CELLS = "cells"
WORKSHEETS = "worksheets"  # of which there was one, in notebooks before 2015
SOURCES = ("source", "input")  # the latter of code in those
MAX_TEXT = 1 << 25  # characters

Path = tuple[str | int, ...]


def recognises(head: Head) -> bool:
    return head.name.endswith(".ipynb")


def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """The sources of the cells. Raises CorpusError, UnicodeDecodeError."""
    cells: list[str] = []
    is_notebook, size = False, 0
    for path, value in json_values(content, _descends):
        within = _in_cell(path)
        is_notebook = is_notebook or path[:1] in ((CELLS,), (WORKSHEETS,), ("nbformat",))
        if within not in ((SOURCES[0],), (SOURCES[1],)):
            continue
        text = _source(value, content.name).strip("\n")
        size += len(text)
        if size > MAX_TEXT:
            raise CorpusError(
                f"{content.name} has more than {MAX_TEXT:,} characters", hint="split it"
            )
        if text.strip():
            cells.append(text)
    if not is_notebook:
        raise CorpusError(
            f"{content.name} is no Jupyter notebook: it has no cells",
            hint="to read it as it is, add " + setting("format", "text"),
        )
    if cells:
        yield "\n\n".join(cells)
        yield Remark(counted(len(cells), "cell"))


def _descends(path: Path) -> bool:
    """Into all that leads to a source, and into no output."""
    return (
        path in ((), (CELLS,), (WORKSHEETS,))
        or _in_cell(path) == ()
        or (path[:1] == (WORKSHEETS,) and (len(path) == 2 or path[2:] == (CELLS,)))
    )


def _in_cell(path: Path) -> Path | None:
    """The path within a cell; None elsewhere."""
    if path[:1] == (CELLS,) and len(path) >= 2:
        return path[2:]
    if path[:1] == (WORKSHEETS,) and path[2:3] == (CELLS,) and len(path) >= 4:
        return path[4:]
    return None


def _source(value: bytes, name: str) -> str:
    """One text, or its lines."""
    try:
        found = decode_any(value)
    except (ValueError, RecursionError):
        found = None
    lines = found if isinstance(found, list) else [found]
    if not all(isinstance(line, str) for line in lines):
        raise CorpusError(
            f"{name} has a cell whose source is no text",
            hint="to read it as it is, add " + setting("format", "text"),
        )
    return "".join(lines)
