"""The tokenizer of a corpus, learned from its training split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np

from chargen.config import VOCAB_SIZES, CorpusConfig
from chargen.data.splits import Part, Split
from chargen.progress import OnProgress, OnShare, part_of
from chargen.runtime.workers import each
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.subword import SAMPLE_BYTES, SubwordTokenizer
from chargen.tokenizers.unicode import NUM_CODE_POINTS, count_characters
from chargen.tokenizers.word import WordTokenizer


def train_tokenizer(
    train: Split, parts: Sequence[Part], config: CorpusConfig, on_progress: OnProgress
) -> Tokenizer:
    """The tokenizer that `config` asks for, of the training split, whose `parts` may be read side
    by side. Raises TokenizerError."""
    if config.tokenizer == "byte":
        return ByteTokenizer()
    doing = "learning the vocabulary"
    if config.tokenizer == "char":
        on_progress(doing, 0)
        on_share = part_of(on_progress, doing)
        return CharTokenizer.from_counts(_character_counts(parts, train.size, on_share))
    every = max(1, -(-train.size // SAMPLE_BYTES))  # of a long text, a sample from all over
    if every > 1:
        doing += f" from {_readable_size(train.size / every)} of {_readable_size(train.size)}"
    on_progress(doing, 0)
    sample = (text[: -(-len(text) // every)] for text, *_ in train)
    vocab_size = config.vocab_size or VOCAB_SIZES[config.tokenizer]
    if config.tokenizer == "word":
        return WordTokenizer.train(sample, vocab_size=vocab_size)
    return SubwordTokenizer.train(sample, vocab_size=vocab_size, algorithm=config.subword_model)


def extend_tokenizer(
    tokenizer: Tokenizer, train: Split, parts: Sequence[Part], on_progress: OnProgress
) -> Tokenizer:
    """The tokenizer of a model that is to learn the training split, too. One of characters learns
    those that it lacks, as it would have learned them from the beginning; others have no room."""
    if not isinstance(tokenizer, CharTokenizer):
        return tokenizer
    on_share = part_of(on_progress, "learning new characters")
    return tokenizer.extended(_character_counts(parts, train.size, on_share))


def _character_counts(parts: Sequence[Part], total: int, on_share: OnShare) -> Tokens:
    """(NUM_CODE_POINTS,) how often each character stands in the parts together."""

    def count_part(index: int) -> Iterator[int | tuple[Tokens, Tokens]]:
        """Yields the characters of each chunk once they are counted, at last which ones they were
        and how many of each."""
        counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
        for text, *_ in parts[index]:
            count_characters(text, counts)
            yield len(text)
        found = np.flatnonzero(counts)
        yield found, counts[found]

    counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
    done = 0
    with closing(each(count_part, len(parts))) as results:
        for _, result in results:
            if isinstance(result, int):
                done += result
                on_share(done / total)
            else:
                found, of_part = result
                counts[found] += of_part
    return counts


def _readable_size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
