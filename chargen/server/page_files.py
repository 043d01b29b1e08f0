"""The page as it is served, and the files of the models that it asks for: what a checkpoint's
folder holds, with config.json as this version writes it. Knows nothing of HTTP but what tells one
version of a file from another.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from chargen.checkpoint.card import read_card
from chargen.checkpoint.files import CARD, CONFIG, MODEL, blaming
from chargen.checkpoint.metadata import CheckpointMetadata, config_of, read_metadata
from chargen.page.assemble import page
from chargen.runtime.files import encode_indented, open_regular
from chargen.tokenizers.registry import file_name_of

PART_BYTES = 1 << 18  # of a file, that are in memory at a time


@dataclass(frozen=True)
class ServedFile:
    """A file to be read, how many bytes it has, and its tag: another content has another."""

    file: IO[bytes]
    size: int
    tag: str


@cache
def served_page() -> tuple[bytes, str]:
    """The page without a model, and its tag."""
    content = page().encode()
    return content, _tag(content)


def file_sizes(folder: Path) -> Mapping[str, int]:
    """The files that a page needs of a checkpoint, with their bytes. Raises CheckpointError."""
    about = read_metadata(folder)
    sizes = {}
    for name in (CONFIG, MODEL, file_name_of(about.tokenizer), CARD):
        with open_file(folder, name) as found:
            if found is not None:
                sizes[name] = found.size
    return sizes


@contextmanager
def open_file(folder: Path, name: str) -> Iterator[ServedFile | None]:
    """One of these; None where there is no such. Raises CheckpointError, then and where it cannot
    be read within."""
    about = read_metadata(folder)
    if name in (MODEL, file_name_of(about.tokenizer)):
        with blaming(folder, name), open_regular(folder / name) as file:
            size = os.fstat(file.fileno()).st_size
            yield ServedFile(file, size, about.sha256.get(name, ""))
        return
    content = _config(about) if name == CONFIG else read_card(folder) if name == CARD else None
    yield ServedFile(io.BytesIO(content), len(content), _tag(content)) if content else None


def _config(about: CheckpointMetadata) -> bytes:
    return encode_indented(config_of(about))


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
