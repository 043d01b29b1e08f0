"""The cache folder: where it is, scratch folders in it, where token files lie by their content.

Knows nothing of what the token files hold.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from chargen.config import SPEAKERS, CorpusConfig
from chargen.data.sources import Source
from chargen.errors import CorpusError
from chargen.runtime.files import Lock, sync_folder
from chargen.tokenizers.base import Tokenizer

CACHE_FORMAT = 3
SUBWORD_OPTIONS = ("vocab_size", "subword_model")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/chargen` or `~/.cache/chargen`, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "chargen"
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
    cache = cache_folder()
    for left in cache.glob("scratch-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 60:  # else it is perhaps about to be locked
                lock = Lock(left)  # refused while its process lives
                if lock.holds:
                    shutil.rmtree(left, ignore_errors=True)
                lock.release()
    with tempfile.TemporaryDirectory(
        dir=cache, prefix="scratch-", ignore_cleanup_errors=True
    ) as folder:
        lock = Lock(Path(folder))
        try:
            yield Path(folder)
        finally:
            lock.release()


def tokens_folder(
    cache: Path,
    sources: Sequence[Source],
    config: CorpusConfig,
    seed: int,
    tokenizer: Tokenizer | None,
) -> Path:
    """Where token files belong, by what they hold: the content, how it is split, the tokenizer."""
    idle = SPEAKERS if config.tokenizer == "subword" else SPEAKERS + SUBWORD_OPTIONS
    identity = {
        "format": CACHE_FORMAT,
        "sources": [source.sha256 for source in sources],
        "config": {n: v for n, v in asdict(config).items() if n not in idle},
        "seed": seed if config.documents == "line" else None,
        "tokenizer": tokenizer and hashlib.sha256(tokenizer.serialize()).hexdigest(),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    return cache / f"tokens-{key}"


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
