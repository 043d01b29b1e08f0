"""A content's bytes where they must be read here and there, as of what has its index at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from chargen.formats.content import Content


@contextmanager
def open_seekable(content: Content) -> Iterator[BinaryIO]:
    """The bytes; a member of an archive, which can only be read on, as a copy that has no name."""
    with content.open() as stream:
        if stream.seekable():
            yield stream
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(stream, copy)
            copy.seek(0)
            yield copy
