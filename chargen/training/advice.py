"""Advice to who trains: what the text and the run so far say that another option would do better.

Pure: values in, wordings out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import join
from statistics import mean

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.corpus import Corpus
from chargen.errors import Wording, action, named, setting
from chargen.tokenizers.base import Tokens
from chargen.training.events import EvalReport

READ_TOKENS = 1 << 14  # of a training text, to see what it is like
# A list has so many lines at least, so short on average, in characters, and hardly a blank one.
MIN_ITEMS = 50
MAX_ITEM = 40
MAX_BLANK = 0.02
ANSWER_MARKS = (" => ", " -> ", " > ", " | ", "\t")
PARTED = 0.98  # of the lines, those in two by such a mark
MAX_OTHERS = 0.2  # of the lines, those that speak of something else than a list
DIALOGUE = 0.5  # of the lines, those of the two who speak most
MIN_TURNS = 10  # of each
MOSTLY = 0.5  # of the line ends
_SPEAKER = re.compile(r"\S[^:]{0,20}:\s")
_MARKS = (".", "!", "?", ",", ";", ":", "{", "}", ")")  # prose, verse and code end lines so
ROSE = 1.02  # times the best validation loss,
ROSE_BY = 0.01  # and nats: less is noise
# Of the loss by how often each token comes, what is left after learning which two stand together.
HARDLY_LEARNT = 0.75
STILL_FALLS = 0.98  # times the loss in the middle of the run


def about_text(corpus: Corpus) -> list[Wording]:
    """Before a training."""
    return [
        *_about_list(corpus),
        *_about_answers(corpus),
        *_about_single_document(corpus),
        *_about_copies(corpus),
        *_about_line_ends(corpus),
    ]


def about_speakers(corpus: Corpus, config: CorpusConfig, *, chosen: bool = False) -> list[Wording]:
    """Of a chat, who is who in it, and unless somebody has `chosen` that, how to; of a dialogue,
    whose turns begin otherwise than the config says."""
    if config.documents == "line":
        return []
    if corpus.cast.speakers:
        return _about_roles(corpus, config, chosen)
    if config.user == config.bot:
        return []
    lines = [line for line in _beginning(corpus).splitlines() if line.strip()]
    found = [match[0].rstrip() for match in map(_SPEAKER.match, lines) if match]
    speakers = Counter(found).most_common(2)
    turns = [count for _, count in speakers]
    if len(turns) < 2 or turns[1] < MIN_TURNS or sum(turns) < DIALOGUE * len(lines):
        return []
    user, bot = sorted((speaker for speaker, _ in speakers), key=found.index)
    if {user, bot} == {config.user, config.bot}:
        return []
    return [
        f"the lines begin with {user} and {bot}; to chat with the model, train with "
        + action(f"user={user!r}, bot={bot!r}", join(["--user", user, "--bot", bot]))
    ]


def _about_roles(corpus: Corpus, config: CorpusConfig, chosen: bool) -> list[Wording]:
    names = corpus.cast.most_active
    if len(names) == 1:
        return [Wording((f"only {names[0]} speaks in this chat, so there is nobody to answer as",))]
    user, bot = config.user.removesuffix(":"), config.bot.removesuffix(":")
    if user not in names or bot not in names:  # records with roles stand beside the chat
        return []
    who = Wording((f"you are {user}, the model answers as {bot}",))
    if chosen:
        return [who]
    if len(names) == 2:
        return [who + "; " + setting("me", bot) + " turns that around"]
    return [who + "; " + named("me", "bot") + " choose others"]


def about_stopped(folder: Path) -> list[Wording]:
    """Before a new run of the text that a stopped one is of."""
    return [
        f"{folder} holds a stopped run of this text; "
        + action(
            f"chargen.train(resume=True, out={str(folder)!r})",
            join(["chargen", "train", "--resume", "--out", str(folder)]),
        )
        + " resumes it"
    ]


def _about_list(corpus: Corpus) -> list[Wording]:
    if corpus.documents != "file" or not _is_list(_beginning(corpus)):
        return []
    return [
        "the lines of this text are short; if each is an item of its own, as in a list of names, "
        "train with " + setting("documents", "line")
    ]


def _about_answers(corpus: Corpus) -> list[Wording]:
    """Of lines that all are a text and what becomes of it, of which all is learned."""
    if corpus.answers is not None or corpus.config.documents == "paragraph":
        return []
    lines = _beginning(corpus, end="\n").splitlines()[:-1]
    full = [line for line in lines if line.strip()]
    for mark in ANSWER_MARKS:
        parted = sum(line.count(mark) == 1 and not line.endswith(mark) for line in full)
        if len(full) >= MIN_ITEMS and parted >= PARTED * len(full):
            return [
                f"each line has {mark!r}; if what follows it answers what stands before it, learn "
                "the answers alone, with " + setting("loss_after", mark)
            ]
    return []


def _about_single_document(corpus: Corpus) -> list[Wording]:
    """Of lines and paragraphs there should be many."""
    held_out = len(corpus.valid) + len(corpus.test)
    if corpus.documents == "file" or held_out or corpus.counts[corpus.tokenizer.end] > 1:
        return []
    with_cr = [b"\r" in piece for piece in corpus.tokenizer.pieces]
    if corpus.documents == "line" and corpus.counts[with_cr].any():
        way_out = "if its lines end with CR, train with " + setting("newlines", "lf")
    else:
        way_out = "train with " + setting("documents", "file")
    return [
        f"the whole text is one {corpus.documents}, so none of it is held out for validation; "
        + way_out
    ]


def _about_line_ends(corpus: Corpus) -> list[Wording]:
    """Of a text whose lines mostly end with CRLF, which a model learns as it is."""
    if corpus.config.newlines != "keep":
        return []
    cr, lf = (
        sum(int(corpus.counts[t]) * piece.count(end) for t, piece in enumerate(pieces))
        for pieces in [corpus.tokenizer.pieces]
        for end in (b"\r", b"\n")
    )
    if not lf or cr < MOSTLY * lf:
        return []
    return [
        "its lines end with CRLF, as on Windows, and the model learns to write them so; to have "
        "them end with LF, train with " + setting("newlines", "lf")
    ]


def _about_copies(corpus: Corpus) -> list[Wording]:
    if not len(corpus.valid) + len(corpus.test):
        return []
    first: dict[str, str] = {}
    for name, size, sha256 in corpus.sources:
        if size and sha256 in first:
            what = f"{name} holds the same text as {first[sha256]}: what is held out of one is "
            so = "trained on in the other, so the validation loss may be too low; leave one out"
            return [Wording((what + so,))]
        first[sha256] = name
    return []


def about_run(history: Sequence[EvalReport], counts: Tokens) -> list[Wording]:
    """After a training, of which these were the evaluations; (V,) `counts` of the training text's
    tokens."""
    validated = [(r.step, r.valid_loss) for r in history if r.valid_loss is not None]
    losses = [loss for _, loss in validated]
    if len(losses) < 2:
        return []
    best, lowest = min(validated, key=lambda pair: pair[1])
    if best == 0:
        return [
            f"no validation was better than {lowest:.3f}, that of the model that it began with, "
            "whose weights are kept; more text or a lower "
            + setting("learning_rate", fill_in="F")
            + " may give better ones"
        ]
    if losses[-1] > max(ROSE * lowest, lowest + ROSE_BY):
        return [
            f"the validation loss rose from {lowest:.3f} at step {best:,} to {losses[-1]:.3f}, "
            "which is overfitting; the weights of that step are kept, and more text, more "
            + setting("dropout", fill_in="P")
            + " or a shorter run may give better ones"
        ]
    minutes = max(10, math.ceil(3 * history[-1].seconds / 60))
    falls = losses[-1] < STILL_FALLS * losses[len(losses) // 2 - 1] or history[-1].epoch < 1
    if falls and losses[-1] > HARDLY_LEARNT * _entropy(counts):
        return [
            f"this model has hardly been trained yet: its loss, {losses[-1]:.3f}, is near the "
            f"{_entropy(counts):.3f} of knowing only how often each token occurs; train "
            "longer, for example with " + setting("minutes", minutes)
        ]
    return []


def _beginning(corpus: Corpus, end: str = "") -> str:
    """Of the training text, with `end` after each document."""
    tokens, mark = corpus.train[:READ_TOKENS], corpus.tokenizer.end
    parts = np.split(tokens, np.flatnonzero(tokens == mark))
    return end.join(corpus.tokenizer.decode(part[part != mark].tolist()) for part in parts)


def _is_list(text: str) -> bool:
    """Whether each of its lines seems to be an item of its own."""
    lines = text.splitlines()[:-1]
    full = [line for line in lines if line.strip()]
    if len(full) < MIN_ITEMS or len(full) < (1 - MAX_BLANK) * len(lines):
        return False
    others = sum(
        line[:1].isspace() or line.rstrip().endswith(_MARKS) or bool(_SPEAKER.match(line))
        for line in full
    )
    return mean(map(len, full)) <= MAX_ITEM and others <= MAX_OTHERS * len(full)


def _entropy(counts: Tokens) -> float:
    """Of the tokens by how often they come, in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
