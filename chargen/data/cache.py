"""The cache folder: where it is, scratch folders in it, where token files lie by their content.

Knows nothing of what the token files hold.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

from chargen.config import SPEAKERS, CorpusConfig
from chargen.data.answers import AnswerRule
from chargen.data.finding import Paths
from chargen.data.intake import read_sources
from chargen.data.sources import Source, Texts
from chargen.errors import CorpusError
from chargen.progress import OnProgress, no_progress
from chargen.runtime.files import Lock, sync_folder
from chargen.runtime.user_folders import user_folder
from chargen.tokenizers.base import Tokenizer

CACHE_FORMAT = 5
VOCABULARY_OPTIONS = {  # of a tokenizer, those that change what it learns
    "subword": ("vocab_size", "subword_model"),
    "word": ("vocab_size",),
}
# They change which text is read, by whose hash it is known.
READING_OPTIONS = ("encoding", "format", "field", "include", "skip_bad")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/chargen` or `~/.cache/chargen`, made if need be."""
    folder = user_folder("XDG_CACHE_HOME", ".cache")
    if folder is None:
        raise CorpusError(
            "there is no home folder to keep token files in",
            hint="set XDG_CACHE_HOME to a folder that can be written",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CorpusError(
            f"cannot write token files to {folder}: {error.strerror}",
            hint="set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    return folder


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in the cache, for as long as it is needed. What killed processes have left of such
    is removed on the way."""
    within = cache_folder()
    for left in within.glob("scratch-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 60:  # else it is perhaps about to be locked
                lock = Lock(left)  # refused while its process lives
                if lock.holds:
                    shutil.rmtree(left, ignore_errors=True)
                lock.release()
    with tempfile.TemporaryDirectory(
        dir=within, prefix="scratch-", ignore_cleanup_errors=True
    ) as folder:
        lock = Lock(Path(folder))
        try:
            yield Path(folder)
        finally:
            lock.release()


@contextmanager
def open_sources(
    paths: Paths, config: CorpusConfig, on_progress: OnProgress = no_progress
) -> Iterator[Texts]:
    """The texts, each read once, to be read again until this is left. Plain files are read where
    they are; the cache is used, and need be there, for copies of all else alone. Raises
    CorpusError."""
    with ExitStack() as stack:
        spool = cache(lambda: stack.enter_context(scratch_folder()))
        yield read_sources(paths, config, spool, on_progress, can_set=False)


def tokens_folder(
    within: Path,
    sources: Sequence[Source],
    config: CorpusConfig,
    seed: int,
    tokenizer: Tokenizer | None,
    rule: AnswerRule | None = None,
) -> Path:
    """Where token files belong, by what they hold: the content, how it is split, the tokenizer, and
    what of it counts, where that is not all."""
    idle = {*READING_OPTIONS, *VOCABULARY_OPTIONS["subword"], *SPEAKERS, "loss", "loss_after"}
    idle -= set(VOCABULARY_OPTIONS.get(config.tokenizer, ()))
    identity = {
        "format": CACHE_FORMAT,
        "sources": [source.sha256 for source in sources],
        "config": {n: v for n, v in asdict(config).items() if n not in idle},
        "seed": None
        if config.documents == "file" and all(s.ends is None for s in sources)
        else seed,
        "tokenizer": tokenizer and hashlib.sha256(tokenizer.serialize()).hexdigest(),
    }
    if rule is not None:
        identity["answers"] = rule.pattern.decode("latin-1")
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    return within / f"tokens-{key}"


def move_into_cache(unfinished: Path, folder: Path) -> None:
    """Move a whole folder to its place in the cache, in place of a damaged one."""
    try:
        with suppress(FileNotFoundError):
            folder.rename(unfinished.with_name("damaged"))
        unfinished.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return  # another run was faster
        raise cannot_write(folder.parent, error) from error


def cannot_write(cache: Path, error: OSError) -> CorpusError:
    """What to raise where the cache has no room, or no place to write to."""
    return CorpusError(
        f"cannot write token files to {cache}: {error.strerror}",
        hint="make room there, or set XDG_CACHE_HOME to another folder",
    )


def cannot_open(folder: Path, error: OSError) -> CorpusError:
    """What to raise where token files are there and cannot be read, or mapped into memory."""
    why, hint = {
        errno.ENOMEM: ("out of memory", "raise the limit (`ulimit -v`), or free some"),
        errno.ENODEV: (
            "its file system cannot map files into memory",
            "set XDG_CACHE_HOME to a folder on a local disk",
        ),
        errno.EMFILE: ("too many files are open", "raise the limit (`ulimit -n`)"),
    }.get(error.errno or 0, (error.strerror or str(error), "set XDG_CACHE_HOME to another folder"))
    return CorpusError(f"cannot open the token files in {folder}: {why}", hint=hint)
