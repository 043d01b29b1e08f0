"""A corpus: texts as token ids, split, in bounded memory.

    texts -> parts -> shards of token ids in the cache, memory-mapped

Letters: V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chargen.config import CorpusConfig
from chargen.data.answers import AnswerRule, answer_rule
from chargen.data.beginnings import find_beginnings
from chargen.data.cache import cannot_open, move_into_cache, scratch_folder, tokens_folder
from chargen.data.document_batches import Documents, find_documents
from chargen.data.encoding import (
    FACTS,
    TokenFacts,
    extended_tokenizer,
    open_answers,
    write_tokens,
)
from chargen.data.finding import Paths, name_of
from chargen.data.intake import read_sources
from chargen.data.roles import ANY_ROLES, Cast, RoleChoice, find_roles
from chargen.data.shards import Shards, open_shards
from chargen.data.sources import Source, Texts
from chargen.data.splits import SPLITS
from chargen.errors import ChargenError, CorpusError, setting
from chargen.progress import OnProgress, no_progress
from chargen.reprs import counted
from chargen.runtime.files import decode, read_file
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.registry import deserialize, file_name_of


@dataclass(frozen=True)
class Answers:
    """What of a corpus counts in the loss."""

    masks: Mapping[str, Shards]  # of the tokens of each split
    counts: Tokens  # (V,) how often each token stands in the training split where it counts
    units: int  # documents, or lines, that should hold an answer
    without: int  # those of them that hold none


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
    answers: Answers | None = None  # what counts in the loss; None: all
    cast: Cast = field(default_factory=Cast)  # who speaks in it
    paths: tuple[str, ...] = ()  # where its files lie; - is standard input

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {len(getattr(self, name)):,}" for name in SPLITS)
        return f"<Corpus {self.name}: tokens in {splits}; {self.tokenizer.kind}>"

    @property
    def target_counts(self) -> Tokens:
        """(V,) how often each token stands in the training split where it counts in the loss."""
        return self.counts if self.answers is None else self.answers.counts

    @property
    def counted(self) -> int:
        """Tokens of the training split that count in the loss."""
        return int(self.target_counts.sum())

    def mask(self, split: str) -> Shards | None:
        """Which tokens of a split count in the loss, as `answers` says; None: all."""
        return None if self.answers is None else self.answers.masks[split]

    @cached_property
    def train_documents(self) -> Documents:
        """Where the documents of the training split begin, and how long they are."""
        return find_documents(self.train, self.tokenizer.end)

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
    roles: RoleChoice = ANY_ROLES,
    on_progress: OnProgress = no_progress,
) -> Corpus:
    """Read, split and encode the texts, or find the token files that an earlier run left.

    `paths` are files, folders (all texts below them, hidden ones left out), globs, archives, `-`
    for standard input, any of them packed. A `tokenizer` is used as it is, or where it is to
    `extend` with what it can learn from the training split, on which one is trained where there is
    none. `seed` shuffles documents that are shorter than files. Without `verify`, token files that
    are there and of the right size are trusted: where another process has just read them through.
    `roles` says who of a chat's people is who.

    A text of more than one part is encoded by all cores. Raises CorpusError.
    """
    with scratch_folder() as spool:
        cache = spool.parent
        texts = read_sources(paths, config, lambda: spool, on_progress)
        sources = texts.sources
        config, cast = find_roles(sources, config, roles)
        name = name_of(paths)
        if tokenizer is not None and extend:
            tokenizer = extended_tokenizer(tokenizer, sources, config, seed, on_progress)
        rule = _answer_rule(texts, config)
        # A tokenizer that was trained on this very text finds the files of that run.
        for made_by in dict.fromkeys((tokenizer, None)):
            folder = tokens_folder(cache, sources, config, seed, made_by, rule)
            corpus = _open_tokens(folder, sources, name, config, verify=verify)
            if corpus and (not tokenizer or corpus.tokenizer == tokenizer):
                return replace(_with_notes(corpus, texts), cast=cast)
        folder = tokens_folder(cache, sources, config, seed, tokenizer, rule)
        unfinished = spool / "tokens"
        write_tokens(unfinished, sources, config, seed, tokenizer, on_progress, rule)
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
        return replace(_with_notes(corpus, texts), cast=cast)


def _answer_rule(texts: Texts, config: CorpusConfig) -> AnswerRule | None:
    """What counts in these texts; None where all does. Raises CorpusError where one text to learn
    after would be looked for in the lines of some and in the documents of others."""
    sources = texts.sources
    has_documents = any(source.ends is not None for source in sources)
    plain = [source.name for source in sources if source.kind is None]
    if config.loss_after and config.documents == "file" and has_documents and plain:
        raise CorpusError(
            f"{plain[0]} is plain text, of which {config.loss_after!r} is looked for in each line, "
            "and other files hold records, of which it is looked for in each record",
            hint="train on files of one kind, or with " + setting("documents", "line"),
        )
    speakers = {name for source in sources for name in source.speakers}
    return answer_rule(config, has_documents=has_documents, speakers=sorted(speakers))


def _with_notes(corpus: Corpus, texts: Texts) -> Corpus:
    """The corpus with what is to be told of its texts. Raises CorpusError where something should
    count in the loss and nothing does."""
    notes, config, answers = texts.notes, corpus.config, corpus.answers
    if answers is None:
        return replace(corpus, notes=notes, paths=texts.paths)
    has_documents = any(source.ends is not None for source in texts.sources)
    if config.loss_after is None:
        unit, lacks = "document", f"have no turn that begins with {config.bot!r}"
    else:
        unit = "document" if has_documents else "line"
        unit = unit if config.documents == "file" else config.documents
        lacks = f"do not hold {config.loss_after!r}"
    if not corpus.counted:
        if config.loss_after is None:
            raise CorpusError(
                f"no line of {corpus.name} begins with {config.bot!r}, so nothing would count in "
                "the loss",
                hint="say how the model's turns begin, with "
                + setting("bot", fill_in="TEXT")
                + ", or learn all of the text, with "
                + setting("loss", "all"),
            )
        raise CorpusError(
            f"no {unit} of {corpus.name} holds {config.loss_after!r}, so nothing would count in "
            "the loss",
            hint="give the text that stands before each answer, as it is written there, or learn "
            "all of the text, with " + setting("loss", "all") + " in its place",
        )
    if answers.without:
        lacking = f"{answers.without:,} of {counted(answers.units, unit)}"
        notes += (f"{lacking} {lacks}, so nothing of them counts in the loss",)
    return replace(corpus, notes=notes, paths=texts.paths)


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
        masks = open_answers(folder, facts, verify=verify)
    except (ChargenError, FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    except OSError as error:
        raise cannot_open(folder, error) from error
    counts = np.array(facts.counts, dtype=np.int64)
    if len(counts) != tokenizer.vocab_size or counts.sum() != len(splits["train"]):
        return None
    answers = None
    if facts.answers is not None:
        of_answers = np.array(facts.answers.counts, dtype=np.int64)
        if len(of_answers) != len(counts) or (of_answers > counts).any():
            return None
        answers = Answers(masks, of_answers, facts.answers.units, facts.answers.without)
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
        answers=answers,
    )
