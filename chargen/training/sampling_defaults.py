"""How a model of a text is sampled where nobody says otherwise, told from the text."""

from __future__ import annotations

import numpy as np

from chargen.config import CHAT_TEMPERATURE, CorpusConfig, SamplingDefaults
from chargen.data.corpus import Corpus
from chargen.data.roles import label_of

PIECES, PIECE_TOKENS = 64, 4096  # of the text that are looked at
MAX_STOPS = 16  # texts that end a turn in a chat of many: those who speak most
MIN_TURNS = 10  # of each side
CHAT_SHARE = 0.5  # of lines that begin a turn: a text that also holds dialogues is no chat


def sampling_defaults(
    corpus: Corpus, config: CorpusConfig, before: SamplingDefaults | None = None
) -> SamplingDefaults:
    """A text of dialogues is talked to. Else a model that is fine-tuned keeps what it had `before`,
    unless that was for dialogues, too."""
    # Where lines are documents, nothing was learned of what follows one.
    if config.documents != "line" and (corpus.cast.has_roles or _is_dialogue(corpus, config)):
        # In a chat of many, a turn of the model ends where any of the others begins to speak.
        others = [label_of(name) for name in corpus.cast.most_active]
        sides = dict.fromkeys([config.user, *others])
        stop = tuple(f"\n{side}" for side in sides if side != config.bot or side == config.user)
        return SamplingDefaults(temperature=CHAT_TEMPERATURE, stop=stop[:MAX_STOPS], mode="chat")
    return SamplingDefaults() if before is None or before.mode == "chat" else before


def _is_dialogue(corpus: Corpus, config: CorpusConfig) -> bool:
    """Whether lines begin as turns do, most of them."""
    lines = _lines(corpus)
    turns = [sum(line.startswith(side) for line in lines) for side in (config.user, config.bot)]
    return min(turns) >= MIN_TURNS and sum(turns) >= CHAT_SHARE * len(lines)


def _lines(corpus: Corpus) -> list[str]:
    """Whole lines from all over the training split, but for blank ones."""
    lines: list[str] = []
    end = corpus.tokenizer.end
    for start in range(0, len(corpus.train), max(PIECE_TOKENS, len(corpus.train) // PIECES)):
        piece = corpus.train[start : start + PIECE_TOKENS]
        documents = np.split(piece, np.flatnonzero(piece == end))
        texts = [corpus.tokenizer.decode(document.tolist()) for document in documents]
        lines += "\n".join(texts).splitlines()[1:-1]  # those at both ends are cut, perhaps
    return [line for line in lines if line.strip()]
