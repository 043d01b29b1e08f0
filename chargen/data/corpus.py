"""From texts to batches of token ids, in bounded memory.

    texts -> parts -> shards of token ids in the cache, memory-mapped -> BatchLoader of batches

Letters: B parallel streams, T tokens a step, V vocabulary.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from chargen.config import SPEAKERS, CorpusConfig
from chargen.data.shards import Ids, ShardFacts, Shards, create_shard, open_shards, shard_path
from chargen.data.texts import (
    SPLITS,
    Paths,
    Source,
    Split,
    check_unchanged,
    name_of,
    read_sources,
    split_texts,
    whole_text,
)
from chargen.errors import ChargenError, CorpusError
from chargen.progress import OnProgress, no_progress
from chargen.runtime.device import send
from chargen.runtime.files import (
    Count,
    Lock,
    Record,
    decode,
    encode,
    read_file,
    sync_folder,
    write_file,
)
from chargen.runtime.memory import free_memory
from chargen.runtime.workers import each
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.registry import deserialize, file_name_of
from chargen.tokenizers.subword import SAMPLE_BYTES, SubwordTokenizer
from chargen.tokenizers.unicode import NUM_CODE_POINTS, count_characters

CACHE_FORMAT = 3
CPU = torch.device("cpu")
RESIDENT_SHARE = 0.25  # of a GPU's free memory that a text may take there
FACTS = "corpus.json"
SUBWORD_OPTIONS = ("vocab_size", "subword_model")
# What one process takes at a time, and one shard holds: enough that starting on it costs nothing.
PART_BYTES = 64 << 20
MAX_PARTS = 96  # parts of a longer text are longer: each file that is mapped is held open


class _Facts(Record, forbid_unknown_fields=True, kw_only=True):
    """What a folder of token files says of them."""

    kind: str
    wide: bool  # more tokens than 16 bits can tell
    shards: dict[str, list[ShardFacts]]  # of each split
    counts: list[Count]  # of each token in the training split

    @property
    def dtype(self) -> type[np.integer]:
        return np.uint32 if self.wide else np.uint16


@dataclass(frozen=True)
class Corpus:
    """A text, split and encoded: three rows of token ids and the tokenizer that made them."""

    name: str
    sources: tuple[tuple[str, int, str], ...]  # name, bytes, sha256
    tokenizer: Tokenizer
    train: Shards
    valid: Shards
    test: Shards
    counts: Tokens  # (V,) how often each token stands in the training split


def open_corpus(
    paths: Paths,
    config: CorpusConfig,
    *,
    seed: int = 0,
    tokenizer: Tokenizer | None = None,
    verify: bool = True,
    on_progress: OnProgress = no_progress,
) -> Corpus:
    """Read, split and encode the texts, or find the token files that an earlier run left.

    `paths` are files, folders (`*.txt` below them), globs, `-` for standard input, any of them
    gzipped. A `tokenizer` is used as it is, else one is trained on the training split. `seed`
    shuffles the lines where they are documents. Without `verify`, token files that are there and of
    the right size are trusted: where another process has just read them through.

    A text of more than one part is encoded by all cores. Raises CorpusError.
    """
    with scratch_folder() as spool:
        cache = spool.parent
        sources = read_sources(paths, spool, on_progress)
        name = name_of(paths)
        # A tokenizer that was trained on this very text finds the files of that run.
        for made_by in dict.fromkeys((tokenizer, None)):
            folder = cache / f"tokens-{_cache_key(sources, config, seed, made_by)}"
            corpus = _open_tokens(folder, sources, name, verify=verify)
            if corpus and (not tokenizer or corpus.tokenizer == tokenizer):
                return corpus
        folder = cache / f"tokens-{_cache_key(sources, config, seed, tokenizer)}"
        unfinished = spool / "tokens"
        _build(unfinished, sources, config, seed, tokenizer, on_progress)
        # Another run may have made the same files first: they serve as well.
        corpus = _open_tokens(folder, sources, name, verify=verify)
        if corpus is None:
            _put(unfinished, folder)
            corpus = _open_tokens(folder, sources, name, verify=False)  # just written
        if corpus is None:
            raise CorpusError(f"the token files in {folder} changed while they were made")
        return corpus


def read_documents(paths: Paths, tokenizer: Tokenizer) -> Iterator[Iterator[Ids]]:
    """The token ids of each text, in pieces that are small whatever the text. Raises CorpusError.

    Nothing is kept in the cache.
    """
    with scratch_folder() as spool:
        sources = read_sources(paths, spool)
        for index in range(len(sources)):
            yield (tokenizer.encode_array(text) for text in whole_text(sources, index))
        check_unchanged(sources)


def read_beginning(path: str | os.PathLike[str], most: int) -> str:
    """The first `most` characters of a text. Raises CorpusError."""
    with scratch_folder() as spool:
        sources = read_sources([path], spool)
        parts: list[str] = []
        for text in whole_text(sources, 0) if sources else ():
            parts.append(text[:most])
            most -= len(parts[-1])
            if not most:
                break
        return "".join(parts)


def read_tokens(paths: Paths, tokenizer: Tokenizer, most: int) -> Tokens:
    """The same in one row, the end-of-document token after each text; the first `most` of them.
    Raises CorpusError."""
    rows: list[Tokens] = []
    for pieces in read_documents(paths, tokenizer):
        for row in chain(pieces, [np.array([tokenizer.end])]):
            rows.append(row[:most].astype(np.int64))
            most -= len(rows[-1])
            if not most:
                return np.concatenate(rows)
    return np.concatenate(rows)


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


# -- token files ------------------------------------------------------------------------------


def _cache_key(
    sources: Sequence[Source], config: CorpusConfig, seed: int, tokenizer: Tokenizer | None
) -> str:
    """Names what the token files hold: the content, how it is split, and the tokenizer."""
    idle = SPEAKERS if config.tokenizer == "subword" else SPEAKERS + SUBWORD_OPTIONS
    identity = {
        "format": CACHE_FORMAT,
        "sources": [source.sha256 for source in sources],
        "config": {n: v for n, v in asdict(config).items() if n not in idle},
        "seed": seed if config.documents == "line" else None,
        "tokenizer": tokenizer and hashlib.sha256(tokenizer.serialize()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _build(
    folder: Path,
    sources: Sequence[Source],
    config: CorpusConfig,
    seed: int,
    tokenizer: Tokenizer | None,
    on_progress: OnProgress,
) -> None:
    """Write tokenizer and token files into a new folder."""
    if not any(source.size for source in sources):
        names = ", ".join(source.name for source in sources)
        raise CorpusError(f"{names}: the text is empty", hint="give a text with some words in it")
    splits = split_texts(sources, config, seed)
    total = sum(source.size for source in sources)
    size = max(PART_BYTES, total // MAX_PARTS)
    parts = {name: split.parts(size) for name, split in splits.items()}
    if tokenizer is None:
        tokenizer = _train_tokenizer(splits["train"], parts["train"], config, on_progress)
    try:
        folder.mkdir()
        facts = _encode(folder, parts, tokenizer, config, total, on_progress)
        write_file(folder / tokenizer.file_name, tokenizer.serialize())
        write_file(folder / FACTS, encode(facts))
    except OSError as error:
        raise _cannot_write(folder.parent.parent, error) from error
    check_unchanged(sources)


def _encode(
    folder: Path,
    parts: Mapping[str, Sequence[Split]],
    tokenizer: Tokenizer,
    config: CorpusConfig,
    total: int,
    on_progress: OnProgress,
) -> _Facts:
    """Write a shard of each part into the folder. Raises OSError, CorpusError."""
    facts = _Facts(
        kind=tokenizer.kind,
        wide=tokenizer.vocab_size > 1 << 16,
        shards={name: [] for name in SPLITS},
        counts=[],
    )
    jobs = [(name, index) for name in SPLITS for index in range(len(parts[name]))]
    [newline] = tokenizer.encode("\n")

    def encode_part(job: int) -> Iterator[int | tuple[ShardFacts, Tokens]]:
        """Yields the characters of each chunk once they are encoded, at last what was written."""
        name, index = jobs[job]
        counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
        with create_shard(shard_path(folder, name, index), facts.dtype) as shard:
            for text, ends in parts[name][index]:
                tokens = tokenizer.encode_array(text)
                if config.documents == "line":
                    tokens[tokens == newline] = tokenizer.end
                if ends:
                    tokens = np.append(tokens, tokenizer.end)
                shard.write(tokens)
                if name == "train":
                    counts += np.bincount(tokens, minlength=len(counts))
                yield len(text)
        yield shard.facts, counts

    written: dict[int, ShardFacts] = {}
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    done = 0
    with closing(each(encode_part, len(jobs), apart=total > PART_BYTES)) as results:
        for job, result in results:
            if isinstance(result, int):
                done += result
                on_progress("encoding", min(1.0, done / total))
            else:
                written[job], of_part = result
                counts += of_part
    for job, (name, _) in enumerate(jobs):
        facts.shards[name].append(written[job])
    facts.counts = counts.tolist()
    return facts


def _put(unfinished: Path, folder: Path) -> None:
    """Move a whole folder to its place in the cache, in place of a damaged one."""
    try:
        with suppress(FileNotFoundError):
            folder.rename(unfinished.with_name("damaged"))
        unfinished.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return  # another run was faster
        raise _cannot_write(folder.parent, error) from error


def _cannot_write(cache: Path, error: OSError) -> CorpusError:
    return CorpusError(
        f"cannot write token files to {cache}: {error.strerror}",
        hint="make room there, or set XDG_CACHE_HOME to another folder",
    )


def _train_tokenizer(
    train: Split, parts: Sequence[Split], config: CorpusConfig, on_progress: OnProgress
) -> Tokenizer:
    if config.tokenizer == "byte":
        return ByteTokenizer()
    doing = "learning the vocabulary"
    if config.tokenizer == "char":
        on_progress(doing, 0)
        return CharTokenizer.from_counts(
            _character_counts(parts, train.size, partial(on_progress, doing))
        )
    every = max(1, -(-train.size // SAMPLE_BYTES))  # of a long text, a sample from all over
    if every > 1:
        doing += f" from {_bytes(train.size / every)} of {_bytes(train.size)}"
    on_progress(doing, 0)
    sample = (text[: -(-len(text) // every)] for text, _ in train)
    return SubwordTokenizer.train(
        sample, vocab_size=config.vocab_size, algorithm=config.subword_model
    )


def _character_counts(parts: Sequence[Split], total: int, told: Callable[[float], None]) -> Tokens:
    """(NUM_CODE_POINTS,) how often each character stands in the parts together."""

    def count_part(index: int) -> Iterator[int | tuple[Tokens, Tokens]]:
        """Yields the characters of each chunk once they are counted, at last which ones they were
        and how many of each."""
        counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
        for text, _ in parts[index]:
            count_characters(text, counts)
            yield len(text)
        found = np.flatnonzero(counts)
        yield found, counts[found]

    counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
    done = 0
    with closing(each(count_part, len(parts), apart=total > PART_BYTES)) as results:
        for _, result in results:
            if isinstance(result, int):
                done += result
                told(min(1.0, done / total))
            else:
                found, of_part = result
                counts[found] += of_part
    return counts


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def _open_tokens(
    folder: Path, sources: Sequence[Source], name: str, *, verify: bool
) -> Corpus | None:
    """The corpus whose files lie in `folder`, or None where they are not what was written."""
    try:
        facts = decode(read_file(folder / FACTS), _Facts)
        tokenizer = deserialize(facts.kind, read_file(folder / file_name_of(facts.kind)))
        splits = {
            split: open_shards(folder, split, facts.shards[split], facts.dtype, verify=verify)
            for split in SPLITS
        }
    except (ChargenError, OSError, ValueError, KeyError):
        return None
    counts = np.array(facts.counts, dtype=np.int64)
    if len(counts) != tokenizer.vocab_size or counts.sum() != len(splits["train"]):
        return None
    identity = tuple((source.name, source.size, source.sha256) for source in sources)
    return Corpus(name, identity, tokenizer, **splits, counts=counts)


# -- batches ----------------------------------------------------------------------------------


class BatchLoader:
    """Batches of parallel streams: each row goes on where it ended in the batch before.

    The streams start evenly spread over the text, and each reads on through it, round and round,
    so its state is always the true one and one number, how far each has read, says where all are.
    `bptt` is the longest step that will be asked for; `rows`, of all `batch_size` streams, those
    that are read here. On a GPU the text lies there as a whole where it takes no more than a share
    of the memory.
    """

    def __init__(
        self,
        tokens: Shards | Ids,
        *,
        batch_size: int,
        bptt: int,
        end: int,
        rows: range | None = None,
        device: torch.device = CPU,
    ) -> None:
        needed = batch_size * (bptt + 1)
        if len(tokens) < needed:
            raise CorpusError(
                f"the training text holds {len(tokens):,} tokens, too few for batch size "
                f"{batch_size} and bptt {bptt}, which need {needed:,}",
                hint=_fitting(len(tokens)),
            )
        if not isinstance(tokens, Shards):
            tokens = Shards([tokens], tokens.dtype.type)
        self._tokens = tokens
        self._end = end
        self._device = device
        rows = range(batch_size) if rows is None else rows
        self._starts = np.array(rows) * (len(tokens) // batch_size)
        self._resident: Tensor | None = None
        if device.type != "cpu":
            free = free_memory(device)
            room = 0.0 if free is None else RESIDENT_SHARE * free
            if tokens in _there or len(tokens) * tokens.dtype.itemsize <= room:
                self.make_resident()

    @property
    def are_resident(self) -> bool:
        """Whether the text lies on the device."""
        return self._resident is not None

    def make_resident(self) -> None:
        """Have the text on the device."""
        self._resident = _on_device(self._tokens, self._device)
        self._resident_starts = torch.from_numpy(self._starts).to(self._device)

    def batch(self, place: int | Tensor, length: int) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (B, T) int64, T the `length`, after each stream has read `place`
        tokens: the targets are the inputs one token on. On the device, which is not waited for;
        there `place` may be a () int64, too, where the text is resident."""
        if self._resident is None:
            assert isinstance(place, int)
            offsets = place - 1 + np.arange(length + 1)
            window = self._tokens[(self._starts[:, None] + offsets) % len(self._tokens)]
            rows = send(torch.from_numpy(window.astype(np.int64)), self._device)  # (B, T + 1)
        else:
            steps = torch.arange(-1, length, device=self._device) + place
            where = (self._resident_starts[:, None] + steps) % len(self._resident)
            mask = 0xFFFF if self._resident.dtype == torch.int16 else 0xFFFFFFFF
            rows = self._resident[where].long() & mask
        # Every stream begins as a text begins.
        if isinstance(place, Tensor):
            rows[:, 0].masked_fill_(place == 0, self._end)
        elif place == 0:
            rows[:, 0] = self._end
        return rows[:, :-1], rows[:, 1:]


# What lies on a device already: the planner's trials read the same text as the run after them.
_there: WeakKeyDictionary[Shards, Tensor] = WeakKeyDictionary()


def _on_device(tokens: Shards, device: torch.device) -> Tensor:
    """(N,) the tokens, copied once."""
    resident = _there.get(tokens)
    if resident is None or resident.device != device:
        # torch has few operations for unsigned numbers: the bits are read as signed ones.
        kind = torch.int16 if tokens.dtype.itemsize == 2 else torch.int32
        resident = torch.empty(len(tokens), dtype=kind, device=device)
        for at in range(0, len(resident), PART_BYTES):
            chunk = np.array(tokens[at : at + PART_BYTES])
            resident[at : at + len(chunk)] = torch.from_numpy(chunk).view(kind).to(device)
        _there[tokens] = resident
    return resident


def _fitting(count: int) -> str:
    """Which batch and bptt a text of `count` tokens has room for."""
    for batch_size, bptt in ((16, 64), (8, 64), (8, 32), (4, 32), (4, 16), (2, 8), (1, 4), (1, 1)):
        if batch_size * (bptt + 1) <= count:
            return f"--batch-size {batch_size} --bptt {bptt} would fit"
    return "give a longer text"
