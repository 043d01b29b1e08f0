"""Texts become token files: a folder of shards, the tokenizer, and what they hold.

    splits -> parts, which all cores encode -> shards of token ids
                                            -> shards of masks, where only answers count

Letters: V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.answers import AnswerRule, AnswerScanner
from chargen.data.boundaries import Places
from chargen.data.cache import cannot_write
from chargen.data.shards import ShardFacts, Shards, create_shard, open_shards, shard_path
from chargen.data.sources import Source, check_unchanged
from chargen.data.splits import SPLITS, Part, Split, split_texts
from chargen.data.vocabulary import extend_tokenizer, train_tokenizer
from chargen.errors import CorpusError
from chargen.progress import OnProgress
from chargen.runtime.files import Count, Record, encode, write_file
from chargen.runtime.workers import each
from chargen.tokenizers.base import Tokenizer, Tokens

FACTS = "corpus.json"
# What one process takes at a time, and one shard holds: enough that starting on it costs nothing.
PART_BYTES = 64 << 20
MARKED_AT_ONCE = 1 << 18  # tokens
MAX_PARTS = 96  # parts of a longer text are longer: each file that is mapped is held open


class AnswerFacts(Record, forbid_unknown_fields=True, kw_only=True):
    """What a folder says of the masks of its tokens."""

    shards: dict[str, list[ShardFacts]]  # of each split
    counts: list[Count]  # of each token in the training split, where it counts
    units: Count  # documents, or lines, that should hold an answer
    without: Count  # those of them that hold none


class TokenFacts(Record, forbid_unknown_fields=True, kw_only=True):
    """What a folder of token files says of them."""

    kind: str
    wide: bool  # more tokens than 16 bits can tell
    shards: dict[str, list[ShardFacts]]  # of each split
    counts: list[Count]  # of each token in the training split
    answers: AnswerFacts | None = None  # where not all tokens count

    @property
    def dtype(self) -> type[np.integer]:
        return np.uint32 if self.wide else np.uint16


def write_tokens(
    folder: Path,
    sources: Sequence[Source],
    config: CorpusConfig,
    seed: int,
    tokenizer: Tokenizer | None,
    on_progress: OnProgress,
    rule: AnswerRule | None = None,
) -> None:
    """Write tokenizer and token files into a new folder, and masks of what counts by the `rule`.
    Raises CorpusError, TokenizerError."""
    splits, parts = _in_parts(sources, config, seed)
    if not any(split.size for split in splits.values()):
        names = ", ".join(source.name for source in sources)
        what = "has only blank lines" if any(source.size for source in sources) else "is empty"
        raise CorpusError(f"{names}: the text {what}", hint="give a text with some words in it")
    total = sum(source.size for source in sources)
    if tokenizer is None:
        tokenizer = train_tokenizer(splits["train"], parts["train"], config, on_progress)
    try:
        folder.mkdir()
        facts = _encode_parts(folder, parts, tokenizer, total, on_progress)
        if rule is not None:
            facts.answers = _mark_answers(folder, facts, tokenizer, rule, on_progress)
        write_file(folder / tokenizer.file_name, tokenizer.serialize())
        write_file(folder / FACTS, encode(facts))
    except OSError as error:
        raise cannot_write(folder.parent.parent, error) from error
    check_unchanged(sources)


def extended_tokenizer(
    tokenizer: Tokenizer,
    sources: Sequence[Source],
    config: CorpusConfig,
    seed: int,
    on_progress: OnProgress,
) -> Tokenizer:
    """The tokenizer with what it can learn from the training split of the texts."""
    splits, parts = _in_parts(sources, config, seed)
    return extend_tokenizer(tokenizer, splits["train"], parts["train"], on_progress)


def _in_parts(
    sources: Sequence[Source], config: CorpusConfig, seed: int
) -> tuple[dict[str, Split], dict[str, Sequence[Part]]]:
    """The splits of the texts, and the parts that each is read in."""
    splits = split_texts(sources, config, seed)
    size = max(PART_BYTES, sum(source.size for source in sources) // MAX_PARTS)
    return splits, {name: split.parts(size) for name, split in splits.items()}


def _encode_parts(
    folder: Path,
    parts: Mapping[str, Sequence[Part]],
    tokenizer: Tokenizer,
    total: int,
    on_progress: OnProgress,
) -> TokenFacts:
    """Write a shard of each part into the folder. Raises OSError, CorpusError."""
    facts = TokenFacts(
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
            between = len(parts[name][index].between)
            for chunk in parts[name][index]:
                tokens = tokenizer.encode_array(chunk.text)
                if chunk.breaks is not None:
                    _end_at(tokens, chunk.breaks, tokenizer)
                else:
                    tokens = _end_documents(tokens, newline, between, tokenizer.end)
                if chunk.ends:
                    tokens = np.append(tokens, tokenizer.end)
                shard.write(tokens)
                if name == "train":
                    counts += np.bincount(tokens, minlength=len(counts))
                yield len(chunk.text)
        yield shard.facts, counts

    written: dict[int, ShardFacts] = {}
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    done = 0
    with closing(each(encode_part, len(jobs), in_parallel=total > PART_BYTES)) as results:
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


def _end_at(tokens: Tokens, breaks: Places, tokenizer: Tokenizer) -> None:
    """Turn the newlines that begin at these bytes into the end-of-document token. No token holds a
    newline and more."""
    if len(breaks):
        starts = np.cumsum(tokenizer.byte_lengths[tokens]) - 1  # of tokens of one byte
        tokens[np.searchsorted(starts, breaks)] = tokenizer.end


def _mark_answers(
    folder: Path,
    facts: TokenFacts,
    tokenizer: Tokenizer,
    rule: AnswerRule,
    on_progress: OnProgress,
) -> AnswerFacts:
    """Write a shard of masks for each split into the folder: where an answer begins can depend on
    all before, so this is read from end to end. Raises OSError."""
    splits = {
        name: open_shards(folder, name, facts.shards[name], facts.dtype, verify=False)
        for name in SPLITS
    }
    found = AnswerFacts(shards={}, counts=[], units=0, without=0)
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    total, done = sum(map(len, splits.values())), 0
    for name, tokens in splits.items():
        scanner = AnswerScanner(rule, tokenizer)
        at = 0
        with create_shard(shard_path(folder, answers_name(name), 0), np.uint8) as shard:
            for start in range(0, len(tokens) + 1, MARKED_AT_ONCE):
                chunk = tokens[start : start + MARKED_AT_ONCE]
                is_last = start + MARKED_AT_ONCE > len(tokens)
                masks = [scanner.feed(chunk), *([scanner.finish()] if is_last else [])]
                mask = np.concatenate(masks)
                shard.write(mask)
                if name == "train":
                    marked = tokens[at : at + len(mask)][mask > 0]
                    counts += np.bincount(marked, minlength=len(counts))
                at += len(mask)
                done += len(chunk)
                on_progress("looking for answers", done / total)
        found.shards[name] = [shard.facts]
        found.units += scanner.units
        found.without += scanner.without
    found.counts = counts.tolist()
    return found


def answers_name(split: str) -> str:
    """What the row of masks of a split is called."""
    return f"{split}-answers"


def open_answers(folder: Path, facts: TokenFacts, *, verify: bool) -> dict[str, Shards]:
    """The masks of each split; none where all tokens count. Raises as `open_shards` does, and where
    they are not as long as the tokens."""
    if facts.answers is None:
        return {}
    masks = {
        name: open_shards(
            folder, answers_name(name), facts.answers.shards[name], np.uint8, verify=verify
        )
        for name in SPLITS
    }
    for name, mask in masks.items():
        if len(mask) != sum(shard.tokens for shard in facts.shards[name]):
            raise ValueError(f"the masks in {folder} are not those of its tokens")
    return masks


def _end_documents(tokens: Tokens, newline: int, between: int, end: int) -> Tokens:
    """The tokens with an end-of-document token for as many newlines in a row as are `between`
    documents, where a chunk holds many."""
    if not between:
        return tokens
    found = np.flatnonzero(tokens == newline)
    if between > 1:  # no document holds two
        found = found[:-1][np.diff(found) == 1]
    tokens[found] = end
    return np.delete(tokens, found + 1) if between > 1 else tokens
