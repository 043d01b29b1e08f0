"""A corpus: texts as token ids, split, in bounded memory.

    texts -> parts -> shards of token ids in the cache, memory-mapped

Letters: V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.beginnings import find_beginnings
from chargen.data.cache import cannot_open, move_into_cache, scratch_folder, tokens_folder
from chargen.data.encoding import FACTS, TokenFacts, extended_tokenizer, write_tokens
from chargen.data.shards import Shards, open_shards
from chargen.data.sources import Paths, Source, name_of, read_sources
from chargen.data.splits import SPLITS
from chargen.errors import ChargenError, CorpusError
from chargen.progress import OnProgress, no_progress
from chargen.runtime.files import decode, read_file
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.registry import deserialize, file_name_of


@dataclass(frozen=True)
class Corpus:
    """A text, split and encoded: three rows of token ids and the tokenizer that made them."""

    name: str
    sources: tuple[tuple[str, int, str], ...]  # name, bytes, sha256
    documents: str  # what a document is
    tokenizer: Tokenizer
    train: Shards
    valid: Shards
    test: Shards
    counts: Tokens  # (V,) how often each token stands in the training split
    config: CorpusConfig = field(default_factory=CorpusConfig)  # with what the text has decided
    notes: tuple[str, ...] = ()  # what its files were taken for, in a few lines

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {len(getattr(self, name)):,}" for name in SPLITS)
        return f"<Corpus {self.name}: tokens in {splits}; {self.tokenizer.kind}>"

    @cached_property
    def beginnings(self) -> npt.NDArray[np.int64]:
        """Places in the training split where texts begin, ascending."""
        return find_beginnings(self.train, self.tokenizer)


def open_corpus(
    paths: Paths,
    config: CorpusConfig,
    *,
    seed: int = 0,
    tokenizer: Tokenizer | None = None,
    extend: bool = False,
    verify: bool = True,
    on_progress: OnProgress = no_progress,
) -> Corpus:
    """Read, split and encode the texts, or find the token files that an earlier run left.

    `paths` are files, folders (`*.txt` below them, in any case, hidden ones left out), globs, `-`
    for standard input, any of them gzipped. A `tokenizer` is used as it is, or where it is to
    `extend` with what it can learn from the training split, on which one is trained where there is
    none. `seed` shuffles documents that are shorter than files. Without `verify`, token files that
    are there and of the right size are trusted: where another process has just read them through.

    A text of more than one part is encoded by all cores. Raises CorpusError.
    """
    with scratch_folder() as spool:
        cache = spool.parent
        texts = read_sources(paths, config, lambda: spool, on_progress)
        sources = texts.sources
        name = name_of(paths)
        if tokenizer is not None and extend:
            tokenizer = extended_tokenizer(tokenizer, sources, config, seed, on_progress)
        # A tokenizer that was trained on this very text finds the files of that run.
        for made_by in dict.fromkeys((tokenizer, None)):
            folder = tokens_folder(cache, sources, config, seed, made_by)
            corpus = _open_tokens(folder, sources, name, config, verify=verify)
            if corpus and (not tokenizer or corpus.tokenizer == tokenizer):
                return replace(corpus, notes=texts.notes)
        folder = tokens_folder(cache, sources, config, seed, tokenizer)
        unfinished = spool / "tokens"
        write_tokens(unfinished, sources, config, seed, tokenizer, on_progress)
        # Another run may have made the same files first: they serve as well.
        corpus = _open_tokens(folder, sources, name, config, verify=verify)
        if corpus is None:
            move_into_cache(unfinished, folder)
            corpus = _open_tokens(folder, sources, name, config, verify=False)  # just written
        if corpus is None:
            raise CorpusError(
                f"the token files in {folder} were changed or removed right after they were "
                "written",
                hint="let nothing else write there, or set XDG_CACHE_HOME to another folder",
            )
        return replace(corpus, notes=texts.notes)


def _open_tokens(
    folder: Path, sources: Sequence[Source], name: str, config: CorpusConfig, *, verify: bool
) -> Corpus | None:
    """The corpus whose files lie in `folder`, or None where they are not there, or not what was
    written. Raises CorpusError where they cannot be read or mapped, which no others could."""
    try:
        facts = decode(read_file(folder / FACTS), TokenFacts)
        tokenizer = deserialize(facts.kind, read_file(folder / file_name_of(facts.kind)))
        splits = {
            split: open_shards(folder, split, facts.shards[split], facts.dtype, verify=verify)
            for split in SPLITS
        }
    except (ChargenError, FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    except OSError as error:
        raise cannot_open(folder, error) from error
    counts = np.array(facts.counts, dtype=np.int64)
    if len(counts) != tokenizer.vocab_size or counts.sum() != len(splits["train"]):
        return None
    identity = tuple((source.name, source.size, source.sha256) for source in sources)
    return Corpus(
        name=name,
        sources=identity,
        documents=config.documents,
        tokenizer=tokenizer,
        train=splits["train"],
        valid=splits["valid"],
        test=splits["test"],
        counts=counts,
        config=config,
    )
