"""The text that a checkpoint was trained on: found again, and what of it was held out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from chargen.checkpoint.files import TRAINING
from chargen.checkpoint.locate import BUNDLED
from chargen.checkpoint.metadata import CheckpointMetadata, open_training
from chargen.data.cache import open_sources
from chargen.data.corpus import open_corpus
from chargen.data.shards import Ids, Shards
from chargen.data.splits import SPLITS, JointSplit, Split, split_texts
from chargen.errors import CheckpointError, CorpusError, setting
from chargen.progress import OnProgress, no_progress
from chargen.tokenizers.base import Tokenizer

# What a split is to the model that was trained on the text.
SPLIT_WORDS = {
    "test": "the test part, which it never saw",
    "valid": "the validation part, which it did not train on",
    "train": "the part that it trained on, since the others are too short",
}


def find_origin(metadata: CheckpointMetadata) -> list[Path]:
    """The files that a model was trained on: where the run read them, or by their names in the
    folder where we are or in `corpora`. Whether they are still the same, `check_same_text` tells.
    Raises CorpusError."""
    names = _file_names(metadata)
    candidates = [[folder / name for name in names] for folder in (Path(), Path("corpora"))]
    candidates.append([BUNDLED.parent.parent / "corpora" / name for name in names])
    if os.path.isfile(metadata.folder / TRAINING):
        with suppress(CheckpointError), open_training(metadata.folder) as (state, _):
            recorded = [Path(path) for path in state.paths]
            if {path.name for path in recorded} == set(names) and all(map(_is_text, recorded)):
                return recorded
    for files in candidates:
        if all(os.path.isfile(path) for path in files):  # no pipe, no device
            return files
    raise CorpusError(
        f"the training text was not found: {', '.join(names)}",
        hint="give it with " + setting("text", fill_in="FILE"),
    )


def _is_text(path: Path) -> bool:
    """Whether it may be one: a file, or an exported folder, but no pipe, no device."""
    return path.is_file() or path.is_dir()


def _file_names(metadata: CheckpointMetadata) -> list[str]:
    """What the files are called that its texts were in, without folders: an archive once."""
    names: list[str] = []
    for name, _, _ in metadata.corpus.files:
        file, inside, _ = name.partition("/")
        if not inside or file not in names[-1:]:
            names.append(file)
    return names


def check_same_text(metadata: CheckpointMetadata, files: Sequence[tuple[str, int, str]]) -> None:
    """Raises CorpusError unless these are the (name, bytes, sha256) that a model was trained on,
    whatever they are called."""
    if [sha256 for *_, sha256 in files] != [sha256 for *_, sha256 in metadata.corpus.files]:
        given = ", ".join(name for name, *_ in files)
        raise CorpusError(
            f"{given} is not the text that {metadata.folder} was trained on",
            hint="give that with " + setting("text", fill_in="FILE"),
        )


def held_out_tokens(
    metadata: CheckpointMetadata,
    tokenizer: Tokenizer,
    at_least: int,
    most: int,
    on_progress: OnProgress = no_progress,
) -> tuple[Ids, str]:
    """The first `most` tokens of the part of a model's own text that it never saw, and the name of
    that split, if it holds so many; else of that which it was validated on, else trained on.

    Raises CorpusError where none does, or the text is not here.
    """
    corpus = open_corpus(
        find_origin(metadata),
        metadata.corpus_options,
        seed=metadata.training.seed,
        tokenizer=tokenizer,
        on_progress=on_progress,
    )
    check_same_text(metadata, corpus.sources)
    splits: dict[str, Shards] = {name: getattr(corpus, name) for name in reversed(SPLITS)}
    for name, tokens in splits.items():
        if len(tokens) >= at_least:
            return tokens[:most], name
    raise _too_short(metadata, max(map(len, splits.values())), at_least, "tokens")


def held_out_text(
    metadata: CheckpointMetadata,
    at_least: int,
    most: int,
    on_progress: OnProgress = no_progress,
) -> tuple[str, str]:
    """The same in characters, `most` of them, which takes no tokens: the beginning of the split,
    and its name. Raises CorpusError."""
    with open_sources(find_origin(metadata), metadata.corpus_options, on_progress) as texts:
        check_same_text(metadata, texts.identity)
        splits = split_texts(texts.sources, metadata.corpus_options, metadata.training.seed)
        found = {name: beginning([splits[name]], most) for name in reversed(SPLITS)}
    for name, text in found.items():
        if len(text) >= at_least:
            return text, name
    raise _too_short(metadata, max(map(len, found.values())), at_least, "characters")


def beginning(splits: Iterable[Split], length: int | None = None) -> str:
    """The first so many characters of splits, one after the other, or all; between shorter
    documents than files stands what separates them."""
    parts: list[str] = []
    simple = chain.from_iterable(s.splits if isinstance(s, JointSplit) else [s] for s in splits)
    for split in simple:
        for text, ends, _ in split:
            parts.append((text + split.between if ends else text)[:length])
            if length is not None:
                length -= len(parts[-1])
                if not length:
                    return "".join(parts)
    return "".join(parts)


def _too_short(metadata: CheckpointMetadata, holds: int, needed: int, units: str) -> CorpusError:
    return CorpusError(
        f"no part of the text of {metadata.folder} holds more than {holds:,} {units}, and "
        f"{needed:,} are needed",
        hint="give a longer one with " + setting("text", fill_in="FILE"),
    )
