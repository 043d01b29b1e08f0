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
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.boundaries import JOINTS, Places
from chargen.data.rendering import Rendering
from chargen.data.utf8 import Utf8Check
from chargen.errors import CorpusError
from chargen.formats.content import Content
from chargen.formats.kinds import Kind, recognise
from chargen.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Spool = Callable[[], Path]  # the folder for copies of what is packed or piped

CHUNK_BYTES = 1 << 20
BYTE_ORDER_MARK = codecs.BOM_UTF8
GZIP = b"\x1f\x8b"
MAX_PATH = 4096  # bytes of the longest that systems take
ENDINGS = (".txt", ".txt.gz")  # of the texts in a folder, in any case


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

    @property
    def identity(self) -> tuple[tuple[str, int, str], ...]:
        """Name, bytes and sha256 of each."""
        return tuple((source.name, source.size, source.sha256) for source in self.sources)


def find_texts(paths: Paths) -> list[Path]:
    """The files that `paths` name, each once, in order; `-` stays as it is. Raises CorpusError."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found: dict[str, Path] = {}  # by what they are, whatever leads there
    for given in [os.fspath(path) for path in paths]:
        matches = [Path(given)]
        if given != "-" and not os.path.lexists(given):
            if "\n" in given or len(given) > MAX_PATH:
                raise CorpusError(
                    f"no such text: {_beginning(given)}",
                    hint="it looks like a text itself; name the file that holds it",
                )
            matches = _matches(given) if has_magic(given) else []
            if not matches:
                raise CorpusError(f"no such text: {given}", hint="check the path")
        for match in matches:
            below = [match]
            if os.path.isdir(match):
                below = _below(match)
                if not below and len(matches) == 1:
                    raise CorpusError(
                        f"folder {match} has no text", hint="its files must be named *.txt"
                    )
            for path in below:
                found.setdefault(os.path.realpath(path), path)
    if not found:
        raise CorpusError("no text was given", hint="name a file, a folder or - for standard input")
    return list(found.values())


def _beginning(text: str) -> str:
    """In one line that can be read."""
    return repr(text[:40]).removesuffix("'") + "...'" if len(text) > 40 else repr(text)


def _below(folder: Path) -> list[Path]:
    """The texts in a folder and the folders in it. What is hidden is left out, as by a glob: such
    are copies that editors keep, and would have the held-out text learned. Links to folders are
    not followed, nor is looked where that is not permitted."""

    def report(error: OSError) -> None:
        if not isinstance(error, PermissionError) or error.filename == os.fspath(folder):
            raise CorpusError(f"cannot search {folder}: {error.strerror}") from error

    found = []
    for within, folders, files in os.walk(folder, onerror=report):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(within, name) for name in files if not name.startswith(".")]
        found += [path for path in paths if path.name.lower().endswith(ENDINGS)]
    return sorted(path for path in found if os.path.isfile(path))


def _matches(pattern: str) -> list[Path]:
    """What a glob names. Unlike the standard library's, `**` goes into no links: two that lead
    back would have it walk for ever."""
    path = Path(pattern)
    try:
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except OSError as error:
        raise CorpusError(f"cannot search for {pattern}: {error}") from error
    except ValueError:  # ** beside other letters, which is no more than *
        found = [Path(match) for match in glob(pattern)]
    dotted = [part for part in path.parts if part.startswith(".")]  # asked for; or ..

    def is_hidden(part: str) -> bool:
        return part.startswith(".") and not any(fnmatchcase(part, asked) for asked in dotted)

    return sorted(path for path in found if not any(map(is_hidden, path.parts)))


def read_sources(
    paths: Paths,
    config: CorpusConfig,
    spool: Spool,
    on_progress: OnProgress = no_progress,
) -> Texts:
    """Read every text once: check that it is UTF-8, hash it. What is gzipped or piped, and what is
    no plain text, is copied to the spool, which is not asked for where nothing is. Raises
    CorpusError."""
    sources, notes = [], []
    for index, path in enumerate(find_texts(paths)):
        source, note = _read_source(path, config, spool, f"{index}", on_progress)
        sources.append(source)
        notes += [note] if note else []
    return Texts(sources, tuple(notes))


def _read_source(
    path: Path, config: CorpusConfig, spool: Spool, copy_name: str, on_progress: OnProgress
) -> tuple[Source, str | None]:
    piped = str(path) == "-"
    name = "standard input" if piped else readable(path)
    digest = hashlib.sha256()
    size = 0
    start = 0
    try:
        is_file = not piped and os.path.isfile(path)
        version = _version(path) if is_file else None
        with _open_text(path) as (stream, gzipped):
            in_place = is_file and not gzipped
            place = path if in_place else spool() / copy_name
            if in_place and (kind := recognise(_content(place, path), config)) is not None:
                return _read_kind(_content(place, path), kind, config, spool() / copy_name)
            expected = path.stat().st_size if in_place else 0
            left = expected or sys.maxsize  # a file that grows is not run after; some tell no size
            check = Utf8Check(name, path if is_file else None, gzipped=gzipped)
            with open(os.devnull if in_place else place, "wb") as copy:
                while chunk := stream.read(min(CHUNK_BYTES, left)):
                    left -= len(chunk)
                    if size == 0 and chunk.startswith(BYTE_ORDER_MARK):
                        start = len(BYTE_ORDER_MARK)
                    check(chunk)
                    digest.update(chunk)
                    if not in_place:
                        _keep(copy, chunk, name)
                    size += len(chunk)
                    on_progress("reading", size / max(expected, size))
            check(b"", final=True)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(
            f"{name} is not a complete gzip file", hint="unpack it yourself"
        ) from error
    except OSError as error:
        raise CorpusError(f"cannot read {name}: {error.strerror or error}") from error
    version = version if in_place else None
    return Source(place, Path(name).name, size - start, digest.hexdigest(), start, version), None


def _content(place: Path, path: Path) -> Content:
    with open(place, "rb") as file:
        marked = file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
    return Content(path.name, lambda: open(place, "rb"), "utf-8-sig" if marked else "utf-8")


def _read_kind(
    content: Content, kind: Kind, config: CorpusConfig, place: Path
) -> tuple[Source, str]:
    """The documents that a reader finds, as a text in a file of ours, and what they are."""
    rendering = Rendering(config)
    between = JOINTS.get(config.documents, "").encode()
    digest = hashlib.sha256()
    size = 0
    ends = array("q")
    with open(place, "wb") as copy:
        parts: list[bytes] = []
        length = 0
        for text, is_end in rendering.pieces(kind.read(content, config)):
            data = text.encode()
            parts += [data, between] if is_end and between else [data]
            length += sum(map(len, parts[-2:] if is_end and between else parts[-1:]))
            if is_end:
                ends.append(size + length)
            if length > CHUNK_BYTES:
                joined = b"".join(parts)
                digest.update(joined)
                _keep(copy, joined, content.name)
                size += length
                parts.clear()
                length = 0
        joined = b"".join(parts)
        digest.update(joined)
        _keep(copy, joined, content.name)
        size += length
    digest.update(b"" if between else b"\0ends" + ends.tobytes())
    facts = [kind.title, rendering.counted(len(ends), kind.unit), *rendering.remarks]
    note = f"{content.name}: " + ", ".join(filter(None, facts))
    source = Source(
        place,
        content.name,
        size,
        digest.hexdigest(),
        0,
        None,
        kind,
        None if between or len(ends) < 2 else np.frombuffer(ends, dtype=np.int64),
        rendering.speakers,
        rendering.owner,
        rendering.has_roles,
    )
    return source, note


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
        f"{name} changed while it was being read", hint="try again once nothing is writing to it"
    )


@contextmanager
def _open_text(path: Path) -> Iterator[tuple[IO[bytes] | gzip.GzipFile, bool]]:
    """The bytes of a text, unpacked, and whether they were gzipped: by the first of them, as a
    pipe has no name that tells."""
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as stream:
        first = stream.read(len(GZIP))
        whole = io.BufferedReader(_Rejoined(first, stream))
        if first == GZIP or path.suffix.lower() == ".gz":
            with gzip.GzipFile(fileobj=whole) as unpacked:
                yield unpacked, True
        else:
            yield whole, False


class _Rejoined(io.RawIOBase):
    """A stream with its first bytes before it again: a pipe cannot be wound back."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        read = self._first[: len(room)] or self._rest.read(len(room))
        self._first = self._first[len(read) :]
        room[: len(read)] = read
        return len(read)


def name_of(paths: Paths) -> str:
    """A short name for a corpus: the stem of its first text."""
    first = paths if isinstance(paths, str | os.PathLike) else paths[0]
    if os.fspath(first) == "-":
        return "stdin"
    path = Path(os.path.abspath(first))
    if str(path.parent) in ("/dev/fd", "/proc/self/fd"):  # as by <(...)
        return "pipe"
    name = path.name
    if not os.path.isdir(path):
        name = Path(re.sub(r"\.gz\Z", "", name, flags=re.IGNORECASE)).stem
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
            raise CorpusError(f"{self.name} became shorter while it was being read")
        return read
