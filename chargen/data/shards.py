"""A long row of token ids, in files that are mapped into memory: the shards.

Knows nothing of texts. Letters: N tokens.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, overload

import numpy as np
import numpy.typing as npt

from chargen.runtime.files import Count, Record, open_regular

if TYPE_CHECKING:
    import torch

Ids = npt.NDArray[np.integer]
HASHED_AT_ONCE = 8  # threads; more than a disk can feed
SENT_AT_ONCE = 64 << 20  # tokens


class ShardFacts(Record, forbid_unknown_fields=True, kw_only=True):
    """What a shard holds, to know it by."""

    tokens: Count
    sha256: str  # of its bytes


class ShardWriter:
    """A new shard, written in the order of its tokens."""

    def __init__(self, file: BinaryIO, dtype: type[np.integer]) -> None:
        self._file = file
        self._dtype = dtype
        self._digest = hashlib.sha256()
        self._tokens = 0

    def write(self, tokens: Ids) -> None:
        """(n,) ids, which must fit into the shard's numbers. Raises OSError."""
        written = tokens.astype(self._dtype).data
        self._file.write(written)
        self._digest.update(written)
        self._tokens += len(tokens)

    @property
    def facts(self) -> ShardFacts:
        return ShardFacts(tokens=self._tokens, sha256=self._digest.hexdigest())


@contextmanager
def create_shard(path: Path, dtype: type[np.integer]) -> Iterator[ShardWriter]:
    """A shard to be written. Raises OSError.

    It may be lost when the power fails, which takes no time to make sure of: its hash will tell.
    """
    with open(path, "wb", buffering=1 << 20) as file:
        yield ShardWriter(file, dtype)


class Shards:
    """(N,) token ids, or as many bytes that say something of them, read as an array is: by slices
    and by arrays of places.

    What is read is an array in memory; of the rest, nothing is. A device may hold a copy of the
    whole, for all that read these shards.
    """

    def __init__(self, arrays: Sequence[Ids], dtype: type[np.integer]) -> None:
        self._arrays = arrays
        self._stops = np.cumsum([len(array) for array in arrays], dtype=np.int64)
        self.dtype = np.dtype(dtype)
        self._copy: tuple[torch.device, torch.Tensor] | None = None

    def __len__(self) -> int:
        return int(self._stops[-1]) if len(self._stops) else 0

    @overload
    def __getitem__(self, places: slice) -> Ids: ...
    @overload
    def __getitem__(self, places: npt.NDArray[np.int64]) -> Ids: ...
    def __getitem__(self, places: slice | npt.NDArray[np.int64]) -> Ids:
        """The tokens of a slice, which takes every one, (n,), a view where they lie in one shard;
        or those at places of any shape, in that shape."""
        if isinstance(places, slice):
            return self._slice(places)
        if len(self._arrays) == 1:
            return self._arrays[0][places]
        flat = np.where(places < 0, places + len(self), places).ravel()
        shards = np.searchsorted(self._stops, flat, side="right")
        shards[flat < 0] = len(self._arrays)
        tokens = np.empty(len(flat), self.dtype)
        # Rows of a batch are read on and on, so that neighbours mostly lie in one shard.
        others = np.flatnonzero(np.diff(shards)) + 1
        for a, b in pairwise([0, *others.tolist(), len(flat)] if len(flat) else []):
            array = self._arrays[shards[a]]  # an IndexError, as it should, where there is none
            tokens[a:b] = array[flat[a:b] - (self._stops[shards[a]] - len(array))]
        return tokens.reshape(places.shape)

    def _slice(self, places: slice) -> Ids:
        start, stop, step = places.indices(len(self))
        if step != 1:
            raise ValueError("only every token can be taken")
        parts = []
        first, last = np.searchsorted(self._stops, [start, stop - 1], side="right")
        for shard in range(first, last + 1 if stop > start else first):
            array = self._arrays[shard]
            begin = self._stops[shard] - len(array)
            parts.append(array[max(0, start - begin) : stop - begin])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, self.dtype)

    def is_on(self, device: torch.device) -> bool:
        """Whether the device holds a copy already."""
        return self._copy is not None and self._copy[0] == device

    def on(self, device: torch.device) -> torch.Tensor:
        """(N,) the copy on this device, made the first time that it is asked for, in place of one
        on another device. torch has few operations for unsigned numbers: it holds their bits, read
        as int16 or int32."""
        import torch

        if self._copy is None or self._copy[0] != device:
            dtype = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[self.dtype.itemsize]
            copy = torch.empty(len(self), dtype=dtype, device=device)
            for at in range(0, len(self), SENT_AT_ONCE):
                chunk = torch.from_numpy(np.array(self[at : at + SENT_AT_ONCE]))
                copy[at : at + len(chunk)] = chunk.view(dtype).to(device)
            self._copy = device, copy
        return self._copy[1]


def shard_path(folder: Path, name: str, index: int) -> Path:
    """Where the shard of a named row lies."""
    return folder / f"{name}-{index:05}.bin"


def open_shards(
    folder: Path,
    name: str,
    facts: Sequence[ShardFacts],
    dtype: type[np.integer],
    *,
    verify: bool,
) -> Shards:
    """The row of this name. Its bytes are read through to `verify` them; else only their number is
    looked at. Raises OSError; ValueError where a shard is not what was written."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import: training alone wants it

    paths = [shard_path(folder, name, index) for index in range(len(facts))]
    with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:  # hashing lets other threads run
        list(pool.map(lambda path, fact: _check(path, fact, dtype, verify), paths, facts))
    arrays = [
        np.asarray(np.memmap(path, dtype, mode="r")) if fact.tokens else np.empty(0, dtype)
        for path, fact in zip(paths, facts, strict=True)
    ]
    return Shards(arrays, dtype)


def _check(path: Path, facts: ShardFacts, dtype: type[np.integer], verify: bool) -> None:
    with open_regular(path) as file:
        whole = os.fstat(file.fileno()).st_size == facts.tokens * np.dtype(dtype).itemsize
        if whole and verify:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == facts.sha256
    if not whole:
        raise ValueError(f"{path} is damaged")
