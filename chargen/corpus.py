"""Text files to batches of token ids, in bounded memory.

    sources -> splits, as byte ranges -> token files in the cache -> Streams of batches

The split is made in bytes, before tokens, so every tokenizer trains, and is scored, on the same
text. Letters: B parallel streams, T tokens a step.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import mmap
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from glob import glob, has_magic
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chargen.config import CorpusConfig
from chargen.errors import ChargenError, CorpusError
from chargen.tokenizer import (
    SUBWORD_SAMPLE_BYTES,
    ByteTokenizer,
    CharTokenizer,
    SubwordTokenizer,
    Tokenizer,
    deserialize,
)

Bytes = npt.NDArray[np.uint8]
TokenFile = npt.NDArray[np.integer]
Progress = Callable[[str, float], None]  # what is being done, and the share that is done

CACHE_FORMAT = 1
CHUNK_BYTES = 1 << 20
SPLITS = ("train", "valid", "test")
BYTE_ORDER_MARK = codecs.BOM_UTF8


@dataclass(frozen=True)
class Source:
    """A text that was read once from end to end: it is UTF-8, and its hash is known."""

    path: Path  # where its bytes lie, uncompressed
    name: str  # what people call it
    size: int  # bytes, without a byte order mark
    sha256: str
    start: int  # bytes of byte order mark to pass over


@dataclass(frozen=True)
class Span:
    """A byte range of a source, and whether its document ends there."""

    source: int
    start: int
    stop: int
    ends: bool


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
    paths: Sequence[str | os.PathLike[str]],
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
        for made_by in {tokenizer, None}:
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


def read_documents(
    paths: Sequence[str | os.PathLike[str]], tokenizer: Tokenizer
) -> Iterator[Iterator[TokenFile]]:
    """The token ids of each text, in pieces that are small whatever the text. Raises CorpusError.

    Nothing is kept in the cache.
    """
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="text-") as spool:
        sources = read_sources(paths, Path(spool))
        for index, source in enumerate(sources):
            span = Span(index, source.start, source.start + source.size, ends=True)
            yield (tokenizer.encode_array(text) for text in _texts(sources, [span], lf=False))


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/chargen` or `~/.cache/chargen`, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
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


# -- sources ----------------------------------------------------------------------------------


def find_texts(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that `paths` name, each once, in order; `-` stays as it is. Raises CorpusError."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found: dict[Path, None] = {}
    for given in [os.fspath(path) for path in paths]:
        matches = [given]
        if given != "-" and not os.path.lexists(given):
            matches = sorted(glob(given, recursive=True)) if has_magic(given) else []
            if not matches:
                raise CorpusError(f"no such text: {given}", hint="check the path")
        for match in map(Path, matches):
            if not match.is_dir():
                found[match] = None
                continue
            below = sorted(path for path in match.rglob("*.txt") if path.is_file())
            if not below and len(matches) == 1:
                raise CorpusError(
                    f"folder {match} has no text", hint="its files must be named *.txt"
                )
            found.update(dict.fromkeys(below))
    if not found:
        raise CorpusError("no text was given", hint="name a file, a folder or - for standard input")
    return list(found)


def read_sources(
    paths: Sequence[str | os.PathLike[str]],
    spool: Path,
    progress: Progress = lambda doing, share: None,
) -> list[Source]:
    """Read every text once: check that it is UTF-8, hash it, unpack what is gzipped or piped."""
    return [
        _read_source(path, spool / str(index), progress)
        for index, path in enumerate(find_texts(paths))
    ]


def _read_source(path: Path, spooled: Path, progress: Progress) -> Source:
    piped = str(path) == "-"
    name = "standard input" if piped else str(path)
    in_place = not piped and path.is_file() and path.suffix != ".gz"
    expected = path.stat().st_size if in_place else 0
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    start = 0
    try:
        with _open_text(path) as stream, open(os.devnull if in_place else spooled, "wb") as copy:
            while chunk := stream.read(CHUNK_BYTES):
                if size == 0 and chunk.startswith(BYTE_ORDER_MARK):
                    start = len(BYTE_ORDER_MARK)
                _check_utf8(decoder, chunk, size, name)
                digest.update(chunk)
                if not in_place:
                    copy.write(chunk)
                size += len(chunk)
                progress("reading", size / max(expected, size))
            _check_utf8(decoder, b"", size, name, final=True)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{name} is not a whole gzip file", hint="unpack it yourself") from error
    except OSError as error:
        raise CorpusError(f"cannot read {name}: {error.strerror or error}") from error
    return Source(
        path if in_place else spooled, Path(name).name, size - start, digest.hexdigest(), start
    )


def _open_text(path: Path) -> AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    if str(path) == "-":
        return nullcontext(sys.stdin.buffer)
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return open(path, "rb")


def _check_utf8(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, name: str, final: bool = False
) -> None:
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = offset - held + error.start
        utf16 = offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        kind = "UTF-16" if utf16 else "its encoding"
        raise CorpusError(
            f"{name} is not UTF-8: byte {at} (0x{error.object[error.start]:02X}) begins no "
            "character",
            hint=f"convert it first, as in: iconv -f {kind.split()[0] if utf16 else 'LATIN1'} "
            f"-t UTF-8 {name} > text.txt",
        ) from None


def name_of(paths: Sequence[str | os.PathLike[str]]) -> str:
    """A short name for a corpus: the stem of its first text."""
    first = paths if isinstance(paths, str | os.PathLike) else paths[0]
    if os.fspath(first) == "-":
        return "stdin"
    name = Path(first).resolve().name.removesuffix(".gz").removesuffix(".txt")
    return re.sub(r"[*?\[\]]+", "", name).strip(". -") or "corpus"


# -- splits -----------------------------------------------------------------------------------


def _split_spans(
    sources: Sequence[Source], config: CorpusConfig, seed: int
) -> dict[str, Iterable[Span]]:
    """The byte ranges of each split. Lines are shuffled, files keep their order."""
    if config.documents == "line":
        return _split_lines(sources, config, seed)
    total = sum(source.size for source in sources)
    train_stop, valid_stop = _cuts(total, config)
    spans: dict[str, list[Span]] = {name: [] for name in SPLITS}
    offset = 0
    for index, source in enumerate(sources):
        text = _view(source)
        cuts = [_align(text, source, cut - offset) for cut in (0, train_stop, valid_stop, total)]
        for name, (start, stop) in zip(SPLITS, pairwise(cuts), strict=True):
            if stop > start:
                ends = stop == source.start + source.size
                spans[name].append(Span(index, start, stop, ends))
        offset += source.size
    return dict(spans)


def _cuts(total: int, config: CorpusConfig) -> tuple[int, int]:
    """Where, in `total` bytes, training and validation stop."""
    train_share = 1 - config.valid_fraction - config.test_fraction
    return int(total * train_share), int(total * (1 - config.test_fraction))


def _align(text: Bytes, source: Source, position: int) -> int:
    """A place in the source's bytes at or after `position` where a character begins."""
    stop = source.start + source.size
    at = source.start + min(max(position, 0), source.size)
    while at < stop and text[at] & 0xC0 == 0x80:
        at += 1
    return at


def _split_lines(
    sources: Sequence[Source], config: CorpusConfig, seed: int
) -> dict[str, Iterable[Span]]:
    bounds = [_line_bounds(_view(source), source) for source in sources]
    starts = np.concatenate([start for start, _ in bounds])
    lengths = np.concatenate([length for _, length in bounds])
    first_line = np.cumsum([0] + [len(start) for start, _ in bounds])
    order = np.arange(len(starts), dtype=np.uint32)
    np.random.default_rng(seed).shuffle(order)
    read = np.cumsum(lengths[order], dtype=np.int64)  # bytes up to the end of each line
    cuts = np.searchsorted(read, _cuts(int(read[-1]), config), side="right") if len(read) else 0
    parts = np.split(order, np.broadcast_to(cuts, 2))
    return {
        name: _LineSpans(part, starts, lengths, first_line)
        for name, part in zip(SPLITS, parts, strict=True)
    }


@dataclass(frozen=True)
class _LineSpans:
    """The spans of some lines, made as they are walked: there may be many millions."""

    lines: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.uint32]
    first_line: npt.NDArray[np.int64]  # of each source

    def __iter__(self) -> Iterator[Span]:
        for line in self.lines:
            source = int(np.searchsorted(self.first_line, line, side="right")) - 1
            start = int(self.starts[line])
            yield Span(source, start, start + int(self.lengths[line]), ends=True)


def _line_bounds(
    text: Bytes, source: Source
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Where the lines of a source start, and their bytes without the newline; no empty ones."""
    stop = source.start + source.size
    newlines = [
        np.flatnonzero(text[at : min(at + CHUNK_BYTES, stop)] == ord("\n")) + at
        for at in range(source.start, stop, CHUNK_BYTES)
    ]
    stops = np.concatenate([*newlines, np.array([stop])])
    del newlines
    starts = np.empty_like(stops)
    starts[0], starts[1:] = source.start, stops[:-1] + 1
    # The CR of a CRLF belongs to the end of the line.
    stops -= (stops > starts) & (text[np.maximum(stops - 1, 0)] == ord("\r")) if len(text) else 0
    lengths = (stops - starts).astype(np.uint32)
    full = lengths > 0
    return starts[full], lengths[full]


def _view(source: Source) -> Bytes:
    """A source's bytes, mapped into memory until the array is let go."""
    with open(source.path, "rb") as file:
        if os.fstat(file.fileno()).st_size < source.start + source.size:
            raise CorpusError(f"{source.name} became shorter while it was read")
        if not source.size:
            return np.empty(0, dtype=np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def _texts(sources: Sequence[Source], spans: Iterable[Span], *, lf: bool) -> Iterator[str]:
    return (text for _, text in _marked_texts(sources, spans, lf=lf))


def _marked_texts(
    sources: Sequence[Source], spans: Iterable[Span], *, lf: bool
) -> Iterator[tuple[bool, str]]:
    """The text of the spans in small chunks, each with whether a document ends there."""
    # A map holds a file open, so few are kept; shuffled lines come from many files in turn.
    view = lru_cache(maxsize=64)(lambda index: _view(sources[index]))
    for span in spans:
        at = span.start
        while at < span.stop:
            chunk = _chunk(view(span.source), at, span.stop)
            at += len(chunk)
            text = chunk.decode("utf-8")
            if lf:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            yield span.ends and at == span.stop, text


def _chunk(view: Bytes, at: int, stop: int) -> bytes:
    """The bytes from `at` on, cut after a line, else a word, else a character."""
    chunk = view[at : min(at + CHUNK_BYTES, stop)].tobytes()
    if at + len(chunk) == stop:
        return chunk
    length = chunk.rfind(b"\n") + 1 or chunk.rfind(b" ") + 1
    if not length:
        # Not at its very end, so that the next character is known: it is no LF after a CR.
        length = len(chunk) - 1
        while chunk[length] & 0xC0 == 0x80:
            length -= 1
    return chunk[:length]


# -- token files ------------------------------------------------------------------------------


def _cache_key(
    sources: Sequence[Source], config: CorpusConfig, seed: int, tokenizer: Tokenizer | None
) -> str:
    """Names what the token files hold: the content, how it is split, and the tokenizer."""
    identity = {
        "format": CACHE_FORMAT,
        "sources": [source.sha256 for source in sources],
        "config": asdict(config),
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
    spans = _split_spans(sources, config, seed)
    lf = config.newlines == "lf"
    if not any(source.size for source in sources):
        names = ", ".join(source.name for source in sources)
        raise CorpusError(f"{names}: the text is empty", hint="give a text with some words in it")
    if tokenizer is None:
        progress("learning the vocabulary", 0)
        tokenizer = _train_tokenizer(_texts(sources, spans["train"], lf=lf), config, sources)
    total = sum(source.size for source in sources)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="tokens-"))
    try:
        counts, done = {}, 0
        dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
        for name in SPLITS:
            counts[name] = 0
            with open(unfinished / f"{name}.bin", "wb", buffering=CHUNK_BYTES) as file:
                for ends, text in _marked_texts(sources, spans[name], lf=lf):
                    tokens = tokenizer.encode_array(text).astype(dtype)
                    if ends:
                        tokens = np.append(tokens, dtype(tokenizer.end))
                    file.write(tokens.tobytes())
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


def _train_tokenizer(
    texts: Iterable[str], config: CorpusConfig, sources: Sequence[Source]
) -> Tokenizer:
    match config.tokenizer:
        case "byte":
            return ByteTokenizer()
        case "char":
            return CharTokenizer.train(texts)
    total = sum(source.size for source in sources)
    every = max(1, total // SUBWORD_SAMPLE_BYTES + 1)  # a sample from the whole of a long text
    sample = (text[: max(1, len(text) // every)] for text in texts)
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
        file_name = "tokenizer.model" if facts["kind"] == "subword" else "tokenizer.json"
        tokenizer = deserialize(facts["kind"], (folder / file_name).read_bytes())
    except (ChargenError, OSError, ValueError, KeyError, TypeError):
        return None
    identity = tuple((source.name, source.size, source.sha256) for source in sources)
    return Corpus(name, identity, tokenizer, **splits)


# -- batches ----------------------------------------------------------------------------------


class Streams:
    """Batches of parallel streams: row b of step k goes on where row b of step k - 1 ended.

    The streams start evenly spread over the text, and each reads on through it, round and round,
    so its state is always the true one and one number, the step, says where all of them are.
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
        self._bptt = bptt
        self._starts = np.arange(batch_size) * (len(tokens) // batch_size)
        self.steps_per_epoch = len(tokens) / (batch_size * bptt)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (B, T) int64: the targets are the inputs one token on."""
        offsets = step * self._bptt - 1 + np.arange(self._bptt + 1)
        window = self._tokens[(self._starts[:, None] + offsets) % len(self._tokens)]
        rows = torch.from_numpy(window.astype(np.int64))  # (B, T + 1)
        if step == 0:
            rows[:, 0] = self._end  # every stream begins as a text begins
        return rows[:, :-1], rows[:, 1:]


def _fitting(count: int) -> str:
    """Which batch and bptt a text of `count` tokens has room for."""
    for batch_size, bptt in ((16, 64), (8, 64), (8, 32), (4, 32), (4, 16), (2, 8), (1, 4), (1, 1)):
        if batch_size * (bptt + 1) <= count:
            return f"--batch-size {batch_size} --bptt {bptt} would fit"
    return "give a longer text"
