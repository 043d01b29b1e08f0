"""An old text that is mixed into what a model learns, so that it forgets less of it: some of the
streams of each step read that text instead (rehearsal: Robins 1995)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chargen.checkpoint.metadata import FineTuned
from chargen.config import CorpusConfig
from chargen.data.corpus import Corpus
from chargen.data.shards import Ids, Shards
from chargen.options import build_config

SHARE = 0.25  # of the streams; benchmarks/finetune.py measures what it is worth


@dataclass(frozen=True)
class Replay:
    """The old text, and how many streams, the last ones, read it."""

    corpus: Corpus
    streams: int


def replay_streams(batch_size: int) -> int:
    """How many of so many streams read an old text: one at least, and one is left."""
    return max(1, min(round(SHARE * batch_size), batch_size - 1))


class OldText(NamedTuple):
    """A text that a model which is fine-tuned should not forget, and which of its tokens count;
    None: all."""

    tokens: Shards | Ids
    answers: Shards | None = None


def old_text_of(fine_tuned: FineTuned, replay: Replay | None) -> OldText:
    """The text that shows what is forgotten: what was held out of the replayed one, or what the
    model wrote itself."""
    if replay is None or fine_tuned.old_text:
        return OldText(np.array(fine_tuned.old_text, dtype=np.uint32))
    return OldText(replay.corpus.valid, replay.corpus.mask("valid"))


def corpus_options(options: Mapping[str, Any]) -> CorpusConfig:
    """The config of these options, as JSON has them. Raises ConfigError."""
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in options.items()}
    return build_config(CorpusConfig, values)
