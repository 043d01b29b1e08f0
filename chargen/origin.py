"""The text that a checkpoint was trained on: found again, and what of it was held out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chargen.about import COMES_WITH_CHARGEN, TRAINING, About, open_training
from chargen.corpus import TokenFile, open_corpus
from chargen.errors import CheckpointError, CorpusError
from chargen.texts import SPLITS
from chargen.tokenizer import Tokenizer


@dataclass(frozen=True)
class Split:
    """Tokens of a text and which part of it they are: test, valid or train."""

    tokens: TokenFile
    name: str


def find_origin(about: About) -> list[Path]:
    """The files that a model was trained on: where the run read them, or by their names in the
    folder where we are or in `corpora`. Whether they are still the same, `refuse_others` tells.
    Raises CorpusError."""
    names = [name for name, _, _ in about.corpus.files]
    candidates = [[folder / name for name in names] for folder in (Path(), Path("corpora"))]
    candidates.append([COMES_WITH_CHARGEN.parent.parent / "corpora" / name for name in names])
    if os.path.isfile(about.folder / TRAINING):
        with suppress(CheckpointError), open_training(about.folder) as (state, _):
            if [os.path.basename(path) for path in state.paths] == names:
                candidates.insert(0, [Path(path) for path in state.paths])
    for files in candidates:
        if all(os.path.isfile(path) for path in files):  # no pipe, no device
            return files
    raise CorpusError(
        f"the training text is not here: {', '.join(names)}", hint="give it with --text FILE"
    )


def refuse_others(about: About, files: Sequence[tuple[str, int, str]]) -> None:
    """Raises CorpusError unless these are the (name, bytes, sha256) that a model was trained on,
    whatever they are called."""
    if [sha256 for *_, sha256 in files] != [sha256 for *_, sha256 in about.corpus.files]:
        given = ", ".join(name for name, *_ in files)
        raise CorpusError(
            f"{given} is not the text that {about.folder} was trained on",
            hint="give that with --text",
        )


def held_out(about: About, tokenizer: Tokenizer, at_least: int) -> Split:
    """The part of a model's own text that it never saw, if that holds so many tokens; else the one
    it was validated on, else the one it was trained on. Raises CorpusError where none does."""
    corpus = open_corpus(
        find_origin(about), about.corpus_options, seed=about.training.seed, tokenizer=tokenizer
    )
    refuse_others(about, corpus.sources)
    splits = [Split(getattr(corpus, name), name) for name in reversed(SPLITS)]
    for split in splits:
        if len(split.tokens) >= at_least:
            return split
    longest = max(len(split.tokens) for split in splits)
    raise CorpusError(
        f"the text of {about.folder} holds {longest:,} tokens, and {at_least:,} are needed",
        hint="give a longer one with --text",
    )
