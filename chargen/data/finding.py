"""Which files people mean: by path, folder or glob. Knows nothing of what is in them.

A folder and a glob give what somebody wrote there: neither what is hidden, as the copies that
editors keep, which would have the held-out text learned, nor what tools have fetched or built.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path

from chargen.errors import CorpusError

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

MAX_PATH = 4096  # bytes of the longest that systems take
# Folders of what others wrote and tools have fetched.
_FETCHED = {"node_modules", "bower_components", "site-packages", "__pycache__", "__MACOSX"}
_MARKERS = {"pyvenv.cfg", "CACHEDIR.TAG"}  # in a virtual environment, in what can be made again
_BUILT = {"build", "dist", "out", "target"}  # beside one of these, built of it:
_PROJECTS = {
    "package.json", "pyproject.toml", "setup.py", "CMakeLists.txt", "Makefile", "Cargo.toml",
    "pom.xml", "build.gradle",
}  # fmt: skip
_MADE = ("*.min.js", "*.min.css", "*.js.map", "*.css.map", "*.egg-info")
# What a name ends with that says how a file is packed: alone, or many files together.
_PACKED = re.compile(r"\.(gz|bz2|xz|zst)\Z", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class FoundFile:
    """A file, or `-`. `within` is the folder or the glob that it was found by, if it was not named
    itself; `name` its path from there."""

    path: Path
    name: str
    within: str | None = None


@dataclass(frozen=True)
class FoundFiles:
    """The files that were meant, each once, in order, and what was passed over: names of folders,
    and of files that tools made, by the folder or glob in which they are."""

    files: list[FoundFile]
    left_out: dict[str, list[str]]


def find_texts(paths: Paths, include: Sequence[str] = ()) -> list[Path]:
    """The files that `paths` name, each once, in order; `-` stays as it is. Raises CorpusError."""
    return [found.path for found in find_files(paths, include).files]


def find_files(paths: Paths, include: Sequence[str] = ()) -> FoundFiles:
    """The same with how they were found. Of those that were not named themselves, only such as are
    to `include`, if any are. Raises CorpusError."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found: dict[str, FoundFile] = {}  # by what they are, whatever leads there
    left_out: dict[str, list[str]] = {}
    for given in [os.fspath(path) for path in paths]:
        matches = [Path(given)]
        within: str | None = None
        if given != "-" and not os.path.lexists(given):
            if "\n" in given or len(given) > MAX_PATH:
                raise CorpusError(
                    f"no such text: {_beginning(given)}",
                    hint="it looks like a text itself; name the file that holds it",
                )
            matches = _matches(given) if has_magic(given) else []
            if not matches:
                raise CorpusError(f"no such text: {given}", hint="check the path")
            within = readable(given)
        for match in matches:
            if not os.path.isdir(match):
                name = readable(match if within is None else match.name)
                some = [FoundFile(match, name, within)]
            else:
                some, passed = _below(match, within)
                if not include:  # else people know what they leave out
                    left_out.setdefault(within or readable(match), []).extend(passed)
                if not some and len(matches) == 1:
                    raise CorpusError(f"folder {match} has no text", hint=_nothing_there(passed))
            wanted = [file for file in some if not file.within or is_included(file.name, include)]
            if some and not wanted and len(matches) == 1:
                raise CorpusError(
                    f"no file in {match} is like {' or '.join(include)}",
                    hint="a pattern matches a name, or a path from the folder down",
                )
            for file in wanted:
                found.setdefault(os.path.realpath(file.path), file)
    if not found:
        raise CorpusError("no text was given", hint="name a file, a folder or - for standard input")
    return FoundFiles(list(found.values()), left_out)


def is_included(name: str, include: Iterable[str]) -> bool:
    """Whether a path from a folder down is like one of the patterns, or its last part is; where
    there are none, all are."""
    last = name.rpartition("/")[2]
    patterns = list(include)
    return not patterns or any(fnmatchcase(part, p) for p in patterns for part in (last, name))


def is_passed_over(name: str) -> bool:
    """Whether a file in an archive is hidden or was fetched, by its path there."""
    return any(part.startswith(".") or part in _FETCHED for part in name.split("/"))


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
        name = unpacked_name(name)
        name = _ARCHIVE.sub("", name) if _ARCHIVE.search(name) else Path(name).stem
    return re.sub(r"[*?\[\]]+", "", readable(name)).strip(". -") or "corpus"


def unpacked_name(name: str) -> str:
    """What a file is called once it is unpacked."""
    return _PACKED.sub("", name)


def readable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be shown and saved, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def _beginning(text: str) -> str:
    """In one line that can be read."""
    return repr(text[:40]).removesuffix("'") + "...'" if len(text) > 40 else repr(text)


def _nothing_there(passed: Sequence[str]) -> str:
    if passed:
        return f"{passed[0]} was left out; to read it, name it"
    return "it has no files but hidden ones"


def _below(folder: Path, within: str | None) -> tuple[list[FoundFile], list[str]]:
    """The files in a folder and the folders in it, and what was passed over there; the folder may
    be `within` what a glob gives. Links to folders are not followed, nor is looked where that is
    not permitted."""

    def report(error: OSError) -> None:
        if not isinstance(error, PermissionError) or error.filename == os.fspath(folder):
            raise CorpusError(f"cannot search {folder}: {error.strerror}") from error

    found: list[Path] = []
    passed: list[Path] = []
    for here, folders, files in os.walk(folder, onerror=report):
        is_project = not _PROJECTS.isdisjoint(files)
        wanted = []
        for name in folders:
            path = Path(here, name)
            if name in _FETCHED or (is_project and name in _BUILT) or _has_marker(path):
                passed.append(path)
            elif not name.startswith("."):
                wanted.append(name)
        folders[:] = wanted
        for name in files:
            if any(fnmatchcase(name.lower(), made) for made in _MADE):
                passed.append(Path(here, name))
            elif not name.startswith("."):
                found.append(Path(here, name))
    top = folder if within is None else folder.parent
    there = sorted(path for path in found if os.path.isfile(path))
    label = within or readable(folder)
    return (
        [FoundFile(path, readable(path.relative_to(top)), label) for path in there],
        sorted(readable(path.relative_to(top)) for path in passed),
    )


def _has_marker(folder: Path) -> bool:
    return any(os.path.isfile(folder / marker) for marker in _MARKERS)


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
    asked = set(path.parts)
    dotted = [part for part in path.parts if part.startswith(".")]  # asked for; or ..

    def is_left_out(part: str) -> bool:
        if part in _FETCHED:
            return part not in asked
        return part.startswith(".") and not any(fnmatchcase(part, some) for some in dotted)

    return sorted(path for path in found if not any(map(is_left_out, path.parts)))
