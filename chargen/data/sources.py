"""Texts that were read once from end to end, and can be read again: known by their hashes.

The files are other people's: they may grow, shrink or vanish while they are read. So they are not
mapped into memory, where a file that is cut short ends the process, and `check_unchanged` tells
whether what was read last is what was read first. Knows nothing of splits and tokens.
"""

from __future__ import annotations

import hashlib
import os
import stat
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chargen.data.boundaries import Places
from chargen.errors import CorpusError
from chargen.formats.kinds import Kind

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """A text that was read once from end to end: it is UTF-8, and its hash is known."""

    path: Path  # where its bytes lie, uncompressed
    name: str  # what people call it
    size: int  # bytes, without a byte order mark
    sha256: str
    start: int  # bytes of byte order mark to pass over
    version: tuple[int, ...] | None  # what changes when others write to it; None: a copy of ours
    kind: Kind | None = None  # how it was read; None: as plain text
    ends: Places | None = None  # where its documents end, N of them; None: it is one, or as asked
    speakers: Mapping[str, int] = field(default_factory=dict)  # of a chat, turns by name
    owner: str | None = None  # of a chat, whose copy of it the file is
    roles: bool = False  # whether it has dialogues between a user and a bot

    @property
    def stop(self) -> int:
        return self.start + self.size


@dataclass(frozen=True)
class Texts:
    """Texts that were read, and in a few lines what they were taken for."""

    sources: list[Source]
    notes: tuple[str, ...]
    paths: tuple[str, ...]  # of the files that they are of; - is standard input

    @property
    def identity(self) -> tuple[tuple[str, int, str], ...]:
        """Name, bytes and sha256 of each."""
        return tuple((source.name, source.size, source.sha256) for source in self.sources)


def version_of(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to a file. Raises OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(sources: Sequence[Source]) -> None:
    """Raises CorpusError where a text is not any more what it was when it was read first. What was
    only added to its end is not looked at."""
    for source in sources:
        try:
            if source.version is None or source.version == version_of(source.path):
                continue
            digest = hashlib.sha256()
            opened = SourceReader(source)
            for at in range(0, source.stop, CHUNK_BYTES):
                digest.update(opened.read(at, min(at + CHUNK_BYTES, source.stop)))
        except OSError as error:
            raise CorpusError(f"cannot read {source.name}: {error.strerror}") from error
        if digest.hexdigest() != source.sha256:
            raise changed_error(source.name)


def changed_error(name: str) -> CorpusError:
    return CorpusError(
        f"{name} changed while it was being read", hint="try again once nothing is writing to it"
    )


class SourceReader:
    """A source's bytes, held open until it is let go. Raises CorpusError where they are gone."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        try:
            self._descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise CorpusError(f"cannot read {source.name}: {error.strerror}") from error
        weakref.finalize(self, os.close, self._descriptor)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise changed_error(self.name)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, all of them."""
        [data] = self.read_each([start], [stop - start])
        return data

    def read_each(self, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """So many bytes from each of the `starts` on."""
        pread, descriptor = os.pread, self._descriptor  # there may be millions of lines
        places = zip(starts, lengths, strict=True)
        try:
            read = [pread(descriptor, length, start) for start, length in places]
        except OSError as error:
            raise CorpusError(f"cannot read {self.name}: {error.strerror}") from error
        if sum(map(len, read)) < sum(lengths):
            raise CorpusError(f"{self.name} became shorter while it was being read")
        return read
