"""Where the documents of a text begin and end: lines, or paragraphs with blank lines between them.

Pure: text in, places out. Knows no files and no tokens. Letters: N documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from chargen.words import LINE_END

# What stands between documents where many are joined to one text: what none of them holds.
JOINTS = {"line": "\n", "paragraph": "\n\n"}
# What stands there in a text as it is, any of these.
SEPARATORS = {
    "line": re.compile(r"(?:\r?\n)+|\r\Z"),
    "paragraph": re.compile(rf"{LINE_END}(?:[ \t]*{LINE_END})+(?:[ \t]*\Z)?|{LINE_END}[ \t]*\Z"),
}
# What may stand before the first.
BLANK_LINES = re.compile(rf"(?:[ \t]*{LINE_END})+")

Places = npt.NDArray[np.int64]

_LF, _CR = b"\n\r"
_INK = bytes(byte not in b" \t\r\n" for byte in range(256))  # 0 where a byte is blank


def find_documents(
    chunks: Iterable[bytes], documents: str, *, lf: bool = False
) -> tuple[Places, Places]:
    """(N,) where the documents of a text, given in chunks, start and stop, in bytes.

    A `line` ends with LF or CRLF, and where CR will be turned into `lf` with that; empty ones are
    none. A `paragraph` ends with a line that is followed by blank ones, of spaces and tabs at most,
    or by nothing; its lines end with LF, CRLF or CR. A document lacks the end of its last line.
    """
    if documents == "line":
        starts, stops, _ = _find_lines(chunks, cr=lf, blank=False)
        filled = stops > starts
        return starts[filled], stops[filled]
    starts, stops, filled = _find_lines(chunks, cr=True, blank=True)
    first = filled & ~np.insert(filled[:-1], 0, False)
    last = filled & ~np.append(filled[1:], False)
    return starts[first], stops[last]


def _find_lines(
    chunks: Iterable[bytes], *, cr: bool, blank: bool
) -> tuple[Places, Places, npt.NDArray[np.bool_]]:
    """Where all lines start and stop, without their ends; and, to tell `blank` ones, whether more
    stands in them than spaces and tabs. A CR ends one before an LF and at the end of the text, or
    anywhere (`cr`)."""
    starts, stops, filled = [np.zeros(1, np.int64)], [], [np.zeros(0, np.bool_)]
    size, is_filled = 0, False  # the line that goes on
    before = b"\0\0"  # the last two bytes
    for chunk in chunks:
        data = np.frombuffer(before + chunk, dtype=np.uint8)
        here, previous, last_but_one = data[2:], data[1:-1], data[:-2]
        begins = previous == _LF
        if cr:
            begins |= (previous == _CR) & (here != _LF)
        found = np.flatnonzero(begins)
        # The end of the line before is one byte long, or two.
        crlf = (previous[found] == _LF) & (last_but_one[found] == _CR)
        starts.append(found + size)
        stops.append(found + size - 1 - crlf)
        if blank and len(chunk):
            ink = np.frombuffer(bytearray(chunk.translate(_INK)), dtype=np.bool_)
            ink[0] |= is_filled and not begins[0]
            lines = np.logical_or.reduceat(ink, np.union1d(found, 0))
            if begins[:1].any():
                filled.append(np.array([is_filled]))
            filled.append(lines[:-1])
            is_filled = bool(lines[-1])
        size += len(chunk)
        before = (before + chunk)[-2:]
    end = size - (before[-1] == _CR) if before[-1] != _LF else size - 1 - (before[-2] == _CR)
    stops.append(np.array([end]))
    filled.append(np.array([is_filled]))
    return np.concatenate(starts), np.concatenate(stops), np.concatenate(filled)
