"""Text files: find them, read each once from end to end, know it again by its hash.

The files are other people's: they may grow, shrink or vanish while they are read. So they are not
mapped into memory, where a file that is cut short ends the process, and `check_unchanged` tells
whether what was read last is what was read first. Knows nothing of splits and tokens.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import os
import re
import stat
import sys
import weakref
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from typing import IO

from chargen.errors import CorpusError
from chargen.progress import OnProgress, no_progress

Paths = Sequence[str | os.PathLike[str]]

CHUNK_BYTES = 1 << 20
BYTE_ORDER_MARK = codecs.BOM_UTF8
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """A text that was read once from end to end: it is UTF-8, and its hash is known."""

    path: Path  # where its bytes lie, uncompressed
    name: str  # what people call it
    size: int  # bytes, without a byte order mark
    sha256: str
    start: int  # bytes of byte order mark to pass over
    version: tuple[int, ...] | None  # what changes when others write to it; None: a copy of ours

    @property
    def stop(self) -> int:
        return self.start + self.size


def find_texts(paths: Paths) -> list[Path]:
    """The files that `paths` name, each once, in order; `-` stays as it is. Raises CorpusError."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found: dict[str, Path] = {}  # by what they are, whatever leads there
    for given in [os.fspath(path) for path in paths]:
        matches = [Path(given)]
        if given != "-" and not os.path.lexists(given):
            matches = _matches(given) if has_magic(given) else []
            if not matches:
                raise CorpusError(f"no such text: {given}", hint="check the path")
        for match in matches:
            below = [match]
            if os.path.isdir(match):
                try:
                    found_below = [*match.rglob("*.txt"), *match.rglob("*.txt.gz")]
                except OSError as error:  # what lies there is being moved or removed
                    raise CorpusError(f"cannot look through {match}: {error}") from error
                below = sorted(path for path in found_below if os.path.isfile(path))
                if not below and len(matches) == 1:
                    raise CorpusError(
                        f"folder {match} has no text", hint="its files must be named *.txt"
                    )
            for path in below:
                found.setdefault(os.path.realpath(path), path)
    if not found:
        raise CorpusError("no text was given", hint="name a file, a folder or - for standard input")
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    """What a glob names. Unlike the standard library's, `**` goes into no links: two that lead
    back would have it walk for ever."""
    path = Path(pattern)
    try:
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except OSError as error:
        raise CorpusError(f"cannot look for {pattern}: {error}") from error
    except ValueError:  # ** beside other letters, which is no more than *
        found = [Path(match) for match in glob(pattern)]
    dotted = [part for part in path.parts if part.startswith(".")]  # asked for; or ..

    def is_hidden(part: str) -> bool:
        return part.startswith(".") and not any(fnmatchcase(part, asked) for asked in dotted)

    return sorted(path for path in found if not any(map(is_hidden, path.parts)))


def read_sources(
    paths: Paths,
    spool: Path,
    on_progress: OnProgress = no_progress,
) -> list[Source]:
    """Read every text once: check that it is UTF-8, hash it, unpack what is gzipped or piped."""
    return [
        _read_source(path, spool / str(index), on_progress)
        for index, path in enumerate(find_texts(paths))
    ]


def _read_source(path: Path, spooled: Path, on_progress: OnProgress) -> Source:
    piped = str(path) == "-"
    name = "standard input" if piped else readable(path)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    start = 0
    try:
        in_place = not piped and os.path.isfile(path) and not _is_gzip(path)
        version = _version(path) if in_place else None
        expected = path.stat().st_size if in_place else 0
        left = expected or sys.maxsize  # a file that grows is not run after; some tell no size
        with _open_text(path) as stream, open(os.devnull if in_place else spooled, "wb") as copy:
            while chunk := stream.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                if size == 0 and chunk.startswith(BYTE_ORDER_MARK):
                    start = len(BYTE_ORDER_MARK)
                _check_utf8(decoder, chunk, size, name)
                digest.update(chunk)
                if not in_place:
                    _keep(copy, chunk, name)
                size += len(chunk)
                on_progress("reading", size / max(expected, size))
            _check_utf8(decoder, b"", size, name, final=True)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{name} is not a whole gzip file", hint="unpack it yourself") from error
    except OSError as error:
        raise CorpusError(f"cannot read {name}: {error.strerror or error}") from error
    place = path if in_place else spooled
    return Source(place, Path(name).name, size - start, digest.hexdigest(), start, version)


def _keep(copy: IO[bytes], chunk: bytes, name: str) -> None:
    try:
        copy.write(chunk)
        copy.flush()
    except OSError as error:
        raise CorpusError(
            f"cannot keep a copy of {name} in the cache: {error.strerror}",
            hint="make room there, or set XDG_CACHE_HOME to another folder",
        ) from error


def _version(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(sources: Sequence[Source]) -> None:
    """Raises CorpusError where a text is not any more what it was when it was read first. What was
    only added to its end is not looked at."""
    for source in sources:
        try:
            if source.version is None or source.version == _version(source.path):
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
        f"{name} changed while it was read", hint="begin again when nothing writes to it"
    )


def _open_text(path: Path) -> AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    if str(path) == "-":
        stdin = sys.stdin.buffer
        if isinstance(stdin, io.BufferedReader) and stdin.peek(2).startswith(GZIP):
            return gzip.GzipFile(fileobj=stdin)
        return nullcontext(stdin)
    if os.path.isfile(path) and _is_gzip(path):
        return gzip.open(path, "rb")
    return open(path, "rb")


def _is_gzip(path: Path) -> bool:
    if path.suffix == ".gz":
        return True
    with open(path, "rb") as file:
        return file.read(2) == GZIP


def _check_utf8(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, name: str, final: bool = False
) -> None:
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = offset - held + error.start
        utf16 = offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = (
            f"convert it first, as in: iconv -f {'UTF-16' if utf16 else 'LATIN1'} -t UTF-8 {name} "
            "> text.txt"
        )
        if b"\0" in chunk and not utf16:
            hint = "it looks like no text at all"
        raise CorpusError(
            f"{name} is not UTF-8: byte {at} (0x{error.object[error.start]:02X}) does not begin "
            "a character",
            hint=hint,
        ) from None


def name_of(paths: Paths) -> str:
    """A short name for a corpus: the stem of its first text."""
    first = paths if isinstance(paths, str | os.PathLike) else paths[0]
    if os.fspath(first) == "-":
        return "stdin"
    path = Path(os.path.abspath(first))
    name = path.name if os.path.isdir(path) else Path(path.name.removesuffix(".gz")).stem
    return re.sub(r"[*?\[\]]+", "", readable(name)).strip(". -") or "corpus"


def readable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be shown and saved, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", errors="replace")


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
            raise CorpusError(f"{self.name} became shorter while it was read")
        return read
