"""The standard streams of a process that is ours: all three open, UTF-8, and written as a whole."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any


def open_streams() -> None:
    """All three are open; stdout and stderr write UTF-8 whatever the locale says, and wait where
    they do not block."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            # What cannot be written is escaped, not fatal.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
            if stream is getattr(sys, f"__{name}__"):  # and not what somebody else put there
                setattr(sys, name, _written_whole(stream))


def _written_whole(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, of which nothing is lost."""
    stream.flush()
    whole = WholeWrites(stream.fileno(), "w", closefd=False)
    # Unbuffered, Python writes to the file itself, and takes no notice of how much was written.
    buffer: Any = whole if stream.write_through else io.BufferedWriter(whole)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class WholeWrites(io.FileIO):
    """A file that takes all that is written to it. Others may take a part, and none where a pipe is
    full that does not block: it is whoever started us, node or ssh say, who decides that."""

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        length = len(left)
        while left:
            written = super().write(left)
            if written is None:  # it is full, and does not block
                select.select([], [self], [])
            else:
                left = left[written:]
        return length
