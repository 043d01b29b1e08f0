"""From texts to batches of token ids, in bounded memory.

    texts -> token files in the cache, memory-mapped -> Streams of batches

Letters: B parallel streams, T tokens a step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chargen.config import SPEAKERS, CorpusConfig
from chargen.errors import ChargenError, CorpusError
from chargen.texts import (
    CHUNK_BYTES,
    SPLITS,
    Paths,
    Progress,
    Source,
    Split,
    name_of,
    read_sources,
    split_texts,
    whole_text,
)
from chargen.tokenizer import (
    SUBWORD_SAMPLE_BYTES,
    ByteTokenizer,
    CharTokenizer,
    SubwordTokenizer,
    Tokenizer,
    deserialize,
    file_name_of,
)

TokenFile = npt.NDArray[np.integer]

CACHE_FORMAT = 1
SUBWORD_OPTIONS = ("vocab_size", "subword_model")


@dataclass(frozen=True)
class Corpus:
    """A text, split and encoded: three files of token ids and the tokenizer that made them."""

    name: str
    sources: tuple[tuple[str, int, str], ...]  # name, bytes, sha256
    tokenizer: Tokenizer
    train: TokenFile
    valid: TokenFile
    test: TokenFile


def open_corpus(
    paths: Paths,
    config: CorpusConfig,
    *,
    seed: int = 0,
    tokenizer: Tokenizer | None = None,
    progress: Progress = lambda doing, share: None,
) -> Corpus:
    """Read, split and encode the texts, or find the token files that an earlier run left.

    `paths` are files, folders (`*.txt` below them), globs, `-` for standard input, any of them
    gzipped. A `tokenizer` is used as it is, else one is trained on the training split. `seed`
    shuffles the lines where they are documents. Raises CorpusError.
    """
    cache = cache_folder()
    with tempfile.TemporaryDirectory(dir=cache, prefix="text-") as spool:
        sources = read_sources(paths, Path(spool), progress)
        name = name_of(paths)
        # A tokenizer that was trained on this very text finds the files of that run.
        for made_by in dict.fromkeys((tokenizer, None)):
            folder = cache / f"tokens-{_cache_key(sources, config, seed, made_by)}"
            corpus = _open_tokens(folder, sources, name)
            if corpus and (not tokenizer or corpus.tokenizer == tokenizer):
                return corpus
        folder = cache / f"tokens-{_cache_key(sources, config, seed, tokenizer)}"
        _build(folder, sources, config, seed, tokenizer, progress)
        corpus = _open_tokens(folder, sources, name)
        if corpus is None:
            raise CorpusError(f"the token files in {folder} changed while they were made")
        return corpus


def read_documents(paths: Paths, tokenizer: Tokenizer) -> Iterator[Iterator[TokenFile]]:
    """The token ids of each text, in pieces that are small whatever the text. Raises CorpusError.

    Nothing is kept in the cache.
    """
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="text-") as spool:
        sources = read_sources(paths, Path(spool))
        for index in range(len(sources)):
            yield (tokenizer.encode_array(text) for text in whole_text(sources, index))


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
    progress: Progress,
) -> None:
    """Write tokenizer and token files beside their place, then move them there at once."""
    if not any(source.size for source in sources):
        names = ", ".join(source.name for source in sources)
        raise CorpusError(f"{names}: the text is empty", hint="give a text with some words in it")
    splits = split_texts(sources, config, seed)
    total = sum(source.size for source in sources)
    if tokenizer is None:
        progress("learning the vocabulary", 0)
        tokenizer = _train_tokenizer(splits["train"], config, total)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="tokens-"))
    try:
        counts, done = {}, 0
        [newline] = tokenizer.encode("\n")
        dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
        for name in SPLITS:
            counts[name] = 0
            with open(unfinished / f"{name}.bin", "wb", buffering=CHUNK_BYTES) as file:
                for text, ends in splits[name]:
                    tokens = tokenizer.encode_array(text)
                    if config.documents == "line":
                        tokens[tokens == newline] = tokenizer.end
                    if ends:
                        tokens = np.append(tokens, tokenizer.end)
                    file.write(tokens.astype(dtype).tobytes())
                    counts[name] += len(tokens)
                    done += len(text)
                    progress("encoding", min(1.0, done / total))
        (unfinished / tokenizer.file_name).write_bytes(tokenizer.serialize())
        facts = {"kind": tokenizer.kind, "dtype": np.dtype(dtype).name, "counts": counts}
        (unfinished / "corpus.json").write_text(json.dumps(facts), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another run made the same files first: they serve as well
            unfinished.rename(folder)
    except OSError as error:
        raise CorpusError(
            f"cannot write token files to {folder.parent}: {error.strerror}",
            hint="make room there, or set XDG_CACHE_HOME to another folder",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _train_tokenizer(train: Split, config: CorpusConfig, total: int) -> Tokenizer:
    match config.tokenizer:
        case "byte":
            return ByteTokenizer()
        case "char":
            return CharTokenizer.train(text for text, _ in train)
    every = total // SUBWORD_SAMPLE_BYTES + 1  # a sample from the whole of a long text
    sample = (text[: -(-len(text) // every)] for text, _ in train)
    return SubwordTokenizer.train(
        sample, vocab_size=config.vocab_size, algorithm=config.subword_model
    )


def _open_tokens(folder: Path, sources: Sequence[Source], name: str) -> Corpus | None:
    """The corpus whose files lie in `folder`, or None where they are missing or damaged."""
    try:
        facts = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        splits = {}
        for split in SPLITS:
            count, dtype = facts["counts"][split], np.dtype(facts["dtype"])
            path = folder / f"{split}.bin"
            if path.stat().st_size != count * dtype.itemsize:
                return None
            splits[split] = np.memmap(path, dtype, mode="r") if count else np.empty(0, dtype)
        content = (folder / file_name_of(facts["kind"])).read_bytes()
        tokenizer = deserialize(facts["kind"], content)
    except (ChargenError, OSError, ValueError, KeyError, TypeError):
        return None
    identity = tuple((source.name, source.size, source.sha256) for source in sources)
    return Corpus(name, identity, tokenizer, **splits)


# -- batches ----------------------------------------------------------------------------------


class Streams:
    """Batches of parallel streams: each row goes on where it ended in the batch before.

    The streams start evenly spread over the text, and each reads on through it, round and round,
    so its state is always the true one and one number, how far each has read, says where all are.
    `bptt` is the longest step that will be asked for.
    """

    def __init__(self, tokens: TokenFile, *, batch_size: int, bptt: int, end: int) -> None:
        needed = batch_size * (bptt + 1)
        if len(tokens) < needed:
            raise CorpusError(
                f"the training text holds {len(tokens):,} tokens, too few for batch size "
                f"{batch_size} and bptt {bptt}, which need {needed:,}",
                hint=_fitting(len(tokens)),
            )
        self._tokens = tokens
        self._end = end
        self._starts = np.arange(batch_size) * (len(tokens) // batch_size)

    def batch(self, place: int, length: int) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (B, T) int64, T the `length`, after each stream has read `place`
        tokens: the targets are the inputs one token on."""
        offsets = place - 1 + np.arange(length + 1)
        window = self._tokens[(self._starts[:, None] + offsets) % len(self._tokens)]
        rows = torch.from_numpy(window.astype(np.int64))  # (B, T + 1)
        if place == 0:
            rows[:, 0] = self._end  # every stream begins as a text begins
        return rows[:, :-1], rows[:, 1:]


def _fitting(count: int) -> str:
    """Which batch and bptt a text of `count` tokens has room for."""
    for batch_size, bptt in ((16, 64), (8, 64), (8, 32), (4, 32), (4, 16), (2, 8), (1, 4), (1, 1)):
        if batch_size * (bptt + 1) <= count:
            return f"--batch-size {batch_size} --bptt {bptt} would fit"
    return "give a longer text"
