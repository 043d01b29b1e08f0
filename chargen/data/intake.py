"""From the files that people have to sources: unpacked, decoded, read by what they are, and said.

    files -> unpacked copies, where they are packed or piped -> what kind each is -> sources

What cannot be read is told all at once, or left out where that is asked for.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, cast

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.boundaries import JOINTS
from chargen.data.finding import (
    FoundFile,
    Paths,
    find_files,
    is_included,
    is_passed_over,
    readable,
    unpacked_name,
)
from chargen.data.rendering import Rendering
from chargen.data.sources import CHUNK_BYTES, Source, Texts, changed_error, version_of
from chargen.data.utf8 import Utf8Check
from chargen.errors import CorpusError, Wording, setting
from chargen.formats import html
from chargen.formats.archives import (
    Member,
    blaming_archive,
    is_tar,
    is_zip,
    tar_members,
    zip_members,
    zip_names,
)
from chargen.formats.compression import compression_of, rejoined, unpacked, unpacking
from chargen.formats.content import HEAD_BYTES, Content
from chargen.formats.documents import Document
from chargen.formats.encodings import (
    is_text,
    marked_encoding,
    mistaken_for_latin1,
    no_text,
    office_document,
)
from chargen.formats.kinds import Export, Kind, recognise, recognise_export
from chargen.progress import OnProgress, no_progress
from chargen.reprs import counted

Spool = Callable[[], Path]  # the folder for copies of what is packed or piped

UTF8 = ("utf-8", "utf-8-sig")  # as Python calls it, without and with a byte order mark
UTF8_MARK = codecs.BOM_UTF8
MAX_LAYERS = 2  # of packing around a text or an archive
LISTED = 10  # files that are named, of those that cannot be read
NAMED = 3  # of those that are left out
SAID = 5  # of several files, so many are described one by one


class SpoolError(CorpusError):
    """A copy cannot be kept: no fault of the text."""


def read_sources(
    paths: Paths,
    config: CorpusConfig,
    spool: Spool,
    on_progress: OnProgress = no_progress,
    *,
    can_set: bool = True,
) -> Texts:
    """Read every text once, and hash it. Plain texts in UTF-8 are read where they lie; of all else
    a copy is made in the spool, which is not asked for where none is. `can_set` is whether whoever
    asks may set options of the config. Raises CorpusError."""
    found = find_files(paths, config.include)
    intake = _Intake(config, spool, on_progress, can_set)
    exports = _exports(found.files, config)
    for folder, export in exports.items():
        intake.take_export(folder, export, [f for f in found.files if f.within == folder])
    for file in found.files:
        if file.within not in exports:
            intake.take(file)
    for within, names in found.left_out.items():
        intake.passed_over(within, names)
    return intake.texts(len(found.files))


def _exports(files: Sequence[FoundFile], config: CorpusConfig) -> dict[str, Export]:
    """Of folders that a program has exported, by which."""
    by_folder: dict[str, list[str]] = {}
    for file in files:
        if file.within is not None and os.path.isdir(file.within):
            by_folder.setdefault(file.within, []).append(file.name)
    found = {folder: recognise_export(names, config) for folder, names in by_folder.items()}
    return {folder: export for folder, export in found.items() if export is not None}


@dataclass
class _Held:
    """What a folder, a glob or an archive held."""

    texts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)  # other files that were read, by title
    said: list[str] = field(default_factory=list)  # of each of those
    left_out: list[str] = field(default_factory=list)  # names


class _Intake:
    """Files on their way to sources."""

    def __init__(
        self, config: CorpusConfig, spool: Spool, on_progress: OnProgress, can_set: bool
    ) -> None:
        self._config = config
        self._spool = spool
        self._on_progress = on_progress
        self._can_set = can_set
        self._sources: list[Source] = []
        self._paths: list[str] = []
        self._bad: list[tuple[str, CorpusError]] = []  # and what they are called
        self._held: dict[str | None, _Held] = {}  # by what held them; None: they were named
        self._mistaken = ""  # the first text that may be in Windows-1252, and why
        self._copies = 0

    # -- what is found ------------------------------------------------------------------------

    def take(self, file: FoundFile) -> None:
        """A file or a pipe, and what is in it."""
        label = "standard input" if str(file.path) == "-" else readable(file.path)
        before = len(self._sources)
        with self._collecting(label):
            self._open(file, label)
        if len(self._sources) > before:
            self._paths.append(os.fspath(file.path))

    def take_export(self, folder: str, export: Export, files: Sequence[FoundFile]) -> None:
        """A folder that is read as one."""
        with self._collecting(folder):
            contents = {file.name: self._content(file.path, file.name) for file in files}
            self._read_export(Path(folder).name, export, contents, None)
            self._paths.append(folder)

    def passed_over(self, within: str, names: Sequence[str]) -> None:
        """What was not even looked at."""
        if names:
            self._holder(within).left_out += names

    def texts(self, files: int) -> Texts:
        """All sources, and what is to be said of them. Raises CorpusError where files were bad, or
        none was any good."""
        files = max(files, len(self._sources) + len(self._bad))
        if self._bad and not (self._config.skip_bad and self._sources):
            self._refuse(files)
        notes = [note for within, held in self._held.items() for note in _notes(within, held)]
        if self._bad:
            listed = _listed([label for label, _ in self._bad], LISTED)
            first = self._bad[0][1].message
            notes.append(f"{counted(len(self._bad), 'bad file')} left out ({listed}): {first}")
        if self._mistaken:
            notes.append(self._mistaken)
        if not self._sources:
            what = " and ".join(filter(None, self._held))
            if what and self._config.include:
                what += f": no file like {' or '.join(self._config.include)}"
            names = [name for held in self._held.values() for name in held.left_out]
            raise CorpusError(
                f"there is no text in {what}" if what else "there is no text",
                hint=f"left out: {_listed(names)}" if names else "its files are hidden, or none",
            )
        return Texts(self._sources, tuple(notes), tuple(self._paths))

    def _refuse(self, files: int) -> NoReturn:
        first = self._bad[0][1]
        if files == 1:
            raise first
        skip: str | Wording = ""
        if self._can_set and not self._config.skip_bad:
            rest = " goes on without it" if len(self._bad) == 1 else " goes on without them"
            skip = "; " + setting("skip_bad", True) + rest
        if len(self._bad) == 1:
            raise CorpusError(first.wording + skip)
        listed = "".join(f"\n  {error.message}" for _, error in self._bad[:LISTED])
        more = len(self._bad) - LISTED
        rest = f"\n  and {more:,} more" if more > 0 else ""
        message = f"{len(self._bad):,} of {counted(files, 'file')} cannot be read:{listed}{rest}\n"
        raise CorpusError(message + "the first: " + (first.way_out or "is damaged") + skip)

    @contextmanager
    def _collecting(self, label: str) -> Iterator[None]:
        """What is wrong with one file is kept, so that all such are told at once."""
        try:
            yield
        except SpoolError:
            raise
        except CorpusError as error:
            self._bad.append((label, error))
        except OSError as error:
            unread = CorpusError(f"cannot read {label}: {error.strerror or error}")
            self._bad.append((label, unread))

    def _holder(self, within: str | None) -> _Held:
        return self._held.setdefault(within, _Held())

    # -- unpacking ----------------------------------------------------------------------------

    def _open(self, file: FoundFile, label: str) -> None:
        is_file = str(file.path) != "-" and os.path.isfile(file.path)
        version = version_of(file.path) if is_file else None
        with ExitStack() as stack:
            named = str(file.path) != "-"
            opened: IO[bytes]  # standard input only where it is meant: it may be none at all
            opened = stack.enter_context(open(file.path, "rb")) if named else sys.stdin.buffer
            stream = cast(BinaryIO, opened)
            stack.enter_context(unpacking(label))
            stream, head, layers = self._unpacked(stream, label)
            name = unpacked_name(Path(file.name).name) if named else label
            kind = self._kind(name, head)
            in_place = is_file and not layers
            is_archive = (kind is None or not kind.is_binary) and (is_zip(head) or is_tar(head))
            if file.within is not None and (is_archive or not _is_readable(kind, head)):
                self._holder(file.within).left_out.append(file.name)
                return
            if is_archive and is_zip(head):
                place = file.path if in_place else self._copy(stream, label)
                self._refuse_office(place, label)
                self._take_members(zip_members(place, label), label)
                if not in_place:
                    place.unlink()
                return
            if is_archive:
                self._take_members(tar_members(stream, label), label)
                return
            if not in_place:
                is_plain = kind is None and no_text(head) is None
                if is_plain and codecs.lookup(self._encoding(name, head)).name in UTF8:
                    Utf8Check(label, None, can_set=self._can_set)(head)  # before all is copied
                place = self._copy(stream, label)
                self._add(name, label, Path(file.name).name, place, None, file.within)
                return
        self._add(name, label, Path(file.name).name, file.path, version, file.within)

    def _unpacked(self, stream: BinaryIO, label: str) -> tuple[BinaryIO, bytes, int]:
        """A stream without what it is packed in, its first bytes, and how often it was packed."""
        layers = 0
        while True:
            head = stream.read(HEAD_BYTES)
            stream = rejoined(head, stream)
            packing = compression_of(head)
            if packing is None:
                return stream, head, layers
            layers += 1
            if layers > MAX_LAYERS:
                raise CorpusError(
                    f"{label} is packed more than {MAX_LAYERS} times", hint="unpack it yourself"
                )
            stream = unpacked(stream, packing, label)

    def _take_members(self, members: Iterator[Member], label: str) -> None:
        """The files in an archive. They are copied first, as a tar is read but once; the copies
        have numbers for names."""
        archive = Path(label).name
        held = self._holder(archive)
        copies: dict[str, Path] = {}
        names: list[str] = []
        for member in members:
            names.append(member.name)
            if is_passed_over(member.name) or not is_included(member.name, self._config.include):
                continue
            inside = f"{archive}/{member.name}"
            with self._collecting(inside), unpacking(inside):
                stream, head, _ = self._unpacked(member.stream, inside)
                kind = self._kind(member.name, head)
                if not _is_readable(kind, head):
                    held.left_out.append(member.name)
                    continue
                copies[_unused(member.name, copies)] = self._copy(stream, inside)
        export = recognise_export(names, self._config)
        if export is not None:
            contents = {name: self._content(path, name) for name, path in copies.items()}
            self._read_export(archive, export, contents, None)
        for name in sorted(copies) if export is None else ():
            inside = f"{archive}/{name}"
            with self._collecting(inside):
                self._add(unpacked_name(inside), inside, inside, copies[name], None, archive)

    def _copy(self, stream: BinaryIO, label: str) -> Path:
        place = self._place()
        with _kept(place, label) as copy:
            while chunk := stream.read(CHUNK_BYTES):
                copy(chunk)
        return place

    def _place(self) -> Path:
        """Where a new copy may be."""
        self._copies += 1
        try:
            return self._spool() / f"{self._copies}"
        except CorpusError as error:
            raise SpoolError(error.wording) from error

    def _refuse_office(self, place: Path, label: str) -> None:
        known = office_document(zip_names(place, label))
        if known is not None:
            what, way_out = known
            raise CorpusError(f"{label} is {what}, no plain text", hint=way_out)

    # -- reading ------------------------------------------------------------------------------

    def _kind(self, name: str, head: bytes) -> Kind | None:
        return recognise(Content.of(name, head, self._encoding(name, head)), self._config)

    def _encoding(self, name: str, head: bytes) -> str:
        """By its mark, as was asked for, as a page declares, or else UTF-8."""
        is_page = self._config.format == "html" or name.lower().endswith(html.SUFFIXES)
        declared = html.declared_encoding(head) if is_page else None
        return marked_encoding(head) or self._config.encoding or declared or "utf-8"

    def _content(self, place: Path, name: str) -> Content:
        with open(place, "rb") as file:
            encoding = self._encoding(name, file.read(HEAD_BYTES))
        return Content(name, cast("Callable[[], BinaryIO]", partial(open, place, "rb")), encoding)

    def _add(
        self,
        name: str,
        label: str,
        source_name: str,
        place: Path,
        version: tuple[int, ...] | None,
        within: str | None,
    ) -> None:
        """The source of a file that lies unpacked at its place, a copy where it has no version.
        `name` tells what it is, `label` and `source_name` are what it is called."""
        content = self._content(place, name)
        kind = recognise(content, self._config)
        held = self._holder(within)
        if not self._mistaken and (signs := mistaken_for_latin1(content.head(), content.encoding)):
            self._mistaken = (
                f"{source_name}: as {content.encoding} it has control characters; as cp1252 {signs}"
            )
        if kind is not None:
            source, facts = self._rendered(content, kind.read, kind.unit, label, kind.is_binary)
            if version is not None and version != version_of(place):
                raise changed_error(label)
            source = _called(source, source_name, kind)
            held.kinds[kind.title] += 1
            held.said.append(f"{source_name}: " + ", ".join(filter(None, [kind.title, *facts])))
        else:
            known = no_text(content.head())
            if known is not None and self._config.format is None:
                raise CorpusError(f"{label} is {known[0]}, no plain text", hint=known[1])
            if codecs.lookup(content.encoding).name in UTF8:
                source = self._plain(place, label, source_name, version)
            else:
                source = self._transcoded(content, label, source_name)
                if marked_encoding(content.head()):
                    held.said.append(f"{source_name}: {content.encoding.upper()}")
            held.texts += 1
        self._sources.append(source)
        if version is None and source.path != place:
            place.unlink()  # a copy of which another was made

    def _plain(
        self, place: Path, label: str, source_name: str, version: tuple[int, ...] | None
    ) -> Source:
        digest = hashlib.sha256()
        size = start = 0
        check = Utf8Check(label, None if version is None else place, can_set=self._can_set)
        expected = place.stat().st_size
        left = expected or sys.maxsize  # a file that grows is not run after; some tell no size
        with open(place, "rb") as stream:
            while chunk := stream.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                if size == 0 and chunk.startswith(UTF8_MARK):
                    start = len(UTF8_MARK)
                check(chunk)
                digest.update(chunk)
                size += len(chunk)
                self._on_progress("reading", size / max(expected, size))
        check(b"", final=True)
        return Source(place, source_name, size - start, digest.hexdigest(), start, version)

    def _transcoded(self, content: Content, label: str, source_name: str) -> Source:
        """The text in UTF-8, in a copy."""
        place = self._place()
        digest = hashlib.sha256()
        size = 0
        with _kept(place, label) as copy:
            for text in _decoded(content, label):
                data = text.encode()
                digest.update(data)
                copy(data)
                size += len(data)
        return Source(place, source_name, size, digest.hexdigest(), 0, None)

    def _read_export(
        self,
        name: str,
        export: Export,
        contents: Mapping[str, Content],
        within: str | None,
    ) -> None:
        content = next(iter(contents.values()), Content.of(name, b""))

        def read(_: Content, config: CorpusConfig) -> Iterator[Document]:
            return export.read(contents, config)

        source, facts = self._rendered(content, read, "record", name, False)
        kind = Kind(export.name, export.title, lambda head: False, read)
        self._sources.append(_called(source, name, kind))
        held = self._holder(within)
        held.kinds[export.title] += 1
        held.said.append(f"{name}: " + ", ".join(filter(None, [export.title, *facts])))

    def _rendered(
        self,
        content: Content,
        read: Callable[[Content, CorpusConfig], Iterator[Document]],
        unit: str,
        label: str,
        is_binary: bool,
    ) -> tuple[Source, list[str]]:
        """The documents that a reader finds, as a text in a copy, and what is to be said of it."""
        place = self._place()
        rendering = Rendering(self._config)
        between = JOINTS.get(self._config.documents, "").encode()
        digest = hashlib.sha256()
        size = 0
        ends = array("q")
        with ExitStack() as stack:
            copy = stack.enter_context(_kept(place, label))
            if is_binary:
                stack.enter_context(blaming_archive(label))
            try:
                for text, is_end in rendering.pieces(read(content, self._config)):
                    data = text.encode() + (between if is_end else b"")
                    digest.update(data)
                    copy(data)
                    size += len(data)
                    if is_end:
                        ends.append(size)
                    if not len(ends) & 0xFFF:
                        self._on_progress("reading", 0)
            except UnicodeDecodeError as error:
                _check(content, label, self._can_set)  # which says where
                raise CorpusError(f"{label} cannot be decoded: {error.reason}") from error
        digest.update(b"" if between else b"\0ends" + ends.tobytes())
        source = Source(
            place,
            content.name,
            size,
            digest.hexdigest(),
            0,
            None,
            None,
            None if between or len(ends) < 2 else np.frombuffer(ends, dtype=np.int64),
            rendering.speakers,
            rendering.owner,
            rendering.has_roles,
        )
        return source, [rendering.counted(len(ends), unit), *rendering.remarks]


@contextmanager
def _kept(place: Path, label: str) -> Iterator[Callable[[bytes], None]]:
    """Writes a copy. Raises SpoolError where there is no room for it."""

    def no_room(error: OSError) -> SpoolError:
        return SpoolError(
            f"cannot keep a copy of {label} in the cache: {error.strerror}",
            hint="make room there, or set XDG_CACHE_HOME to another folder",
        )

    def write(data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            raise no_room(error) from error

    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(place, "wb", buffering=CHUNK_BYTES))
        except OSError as error:
            raise no_room(error) from error
        yield write
        try:
            file.close()
        except OSError as error:
            raise no_room(error) from error


def _is_readable(kind: Kind | None, head: bytes) -> bool:
    """Whether a file that begins so is a text, or of a kind that has some."""
    return (kind is not None and kind.is_binary) or is_text(head)


def _unused(name: str, used: Mapping[str, object]) -> str:
    """An archive may hold several files of one name."""
    return next(n for n in chain([name], (f"{name} ({i})" for i in count(2))) if n not in used)


def _called(source: Source, name: str, kind: Kind) -> Source:
    return replace(source, name=name, kind=kind)


def _decoded(content: Content, label: str) -> Iterator[str]:
    """The text in its encoding, piece after piece. Raises CorpusError where it is not in that."""
    decoder = codecs.getincrementaldecoder(content.encoding)()
    read = 0
    with content.open() as stream:
        while True:
            chunk = stream.read(CHUNK_BYTES)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, not chunk)
                text.encode()
            except UnicodeEncodeError:
                raise _not_encoded(label, content.encoding, "it spells half characters") from None
            except UnicodeDecodeError as error:
                at = read - held + error.start
                bad = error.object[error.start : error.start + 1].hex().upper()
                why = f"byte {at} (0x{bad}) does not begin a character"
                raise _not_encoded(label, content.encoding, why) from None
            except UnicodeError as error:
                raise _not_encoded(label, content.encoding, str(error)) from None
            yield text
            if not chunk:
                return
            read += len(chunk)


def _not_encoded(label: str, encoding: str, why: str) -> CorpusError:
    return CorpusError(
        f"{label} is not {encoding}: {why}",
        hint="name its encoding with " + setting("encoding", fill_in="NAME"),
    )


def _check(content: Content, label: str, can_set: bool) -> None:
    """Raises CorpusError where the content is not in its encoding."""
    if codecs.lookup(content.encoding).name not in UTF8:
        for _ in _decoded(content, label):
            pass
        return
    check = Utf8Check(label, None, can_set=can_set)
    with content.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            check(chunk)
    check(b"", final=True)


# -- what is said -----------------------------------------------------------------------------


def _notes(within: str | None, held: _Held) -> list[str]:
    """In a line or a few, what was read; plain texts that were named need none."""
    several = len(held.said) > SAID
    notes = [] if several else list(held.said)
    facts = [counted(held.texts, "text")] if held.texts and within is not None else []
    if several:
        facts += [f"{counted(n, 'file')} read as {title}" for title, n in held.kinds.items()]
    if held.left_out:
        others = counted(len(held.left_out), "other file")
        facts.append(f"{others} left out ({_listed(held.left_out)})")
    if facts:
        notes.insert(0, (f"{within}: " if within is not None else "") + ", ".join(facts))
    return notes


def _listed(names: Sequence[str], most: int = NAMED) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ..."
