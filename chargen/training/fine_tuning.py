"""A run that begins with the weights of another model: what it takes over from it, what it says of
it, and the old text that shows how much it forgets.

Letters: V vocabulary, N tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from chargen.checkpoint.folder import Checkpoint
from chargen.config import CorpusConfig, ModelConfig
from chargen.data.shards import Ids
from chargen.errors import CheckpointError, named
from chargen.nn.model import LanguageModel
from chargen.nn.weights import Bools
from chargen.reprs import counted
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.training.planner import PlannedOption

# Of the text that a model writes itself, to show what it forgets: texts, and tokens of each.
OLD_TEXTS, OLD_LENGTH = 32, 128
SHOWN = 20  # characters that a note shows
OF_A_VOCABULARY = ("vocab_size", "subword_model")  # how it was learned
# Options of the corpus that belong to a model. The others say how files are read and split, which
# is the text's own matter; what counts in the loss is found out for each text, but for a mark.
OF_THE_MODEL = (*OF_A_VOCABULARY, "documents", "newlines", "user", "bot", "loss_after")


def shape_of(config: ModelConfig) -> dict[str, Any]:
    """The options that a model which is gone on with keeps; the others are planned anew."""
    return {name: value for name, value in asdict(config).items() if "dropout" not in name}


def text_options(source: Checkpoint, options: Mapping[str, Any]) -> dict[str, Any]:
    """How a model knows texts to be read: its tokenizer, what its documents and turns are, where
    its answers begin. What the given `options` say instead is left out."""
    kept = {name: getattr(source.metadata.corpus_options, name) for name in OF_THE_MODEL}
    if "loss" in options:
        del kept["loss_after"]  # one or the other
    kept["tokenizer"] = source.tokenizer.kind
    return {name: value for name, value in kept.items() if name not in options}


def plan_of_text(
    source: Checkpoint, options: Mapping[str, Any], effective: CorpusConfig
) -> list[PlannedOption]:
    """What of it nobody asked for, is not as usual, and fits the text."""
    usual = asdict(CorpusConfig())
    return [
        PlannedOption(name, value, f"as in {source.metadata.folder}")
        for name, value in text_options(source, options).items()
        if name not in OF_A_VOCABULARY and value == getattr(effective, name) != usual[name]
    ]


def check_shape(source: Checkpoint, options: Mapping[str, Any]) -> None:
    """A model that is gone on with keeps its shape and its tokenizer. Raises CheckpointError."""
    kept = shape_of(source.metadata.model) | {"tokenizer": source.tokenizer.kind}
    del kept["fresh_state"]  # how a text is read: any weights can learn it otherwise
    for name, value in options.items():
        if name in kept and value != kept[name]:
            raise CheckpointError(
                named(name)
                + f" is {kept[name]} in {source.metadata.folder} and cannot become {value}",
                hint="leave it out, or train without " + named("init_from"),
            )
    for name in OF_A_VOCABULARY:
        if name in options:
            raise CheckpointError(
                named(name, "init_from") + " cannot be combined",
                hint=f"the tokenizer of {source.metadata.folder} is used",
            )


@torch.inference_mode()
def write_old_text(model: LanguageModel, end: int, seed: int) -> Ids:
    """(N,) tokens of texts that the model writes by itself, as likely as it finds them: on these it
    is as good as can be, and what they cost more after a training is what it has forgotten."""
    was_training = model.training
    model.eval()
    random = torch.Generator().manual_seed(seed)
    state = model.initial_state(OLD_TEXTS)
    tokens = torch.full((OLD_TEXTS, 1), end)
    columns = []
    for _ in range(OLD_LENGTH):
        x, state = model.read_documents(tokens, state, end)
        logits = model.output_logits(x)  # (OLD_TEXTS, 1, V)
        chances = logits[:, -1].double().masked_fill(~model.seen, -torch.inf).softmax(-1)
        tokens = torch.multinomial(chances, 1, generator=random)
        columns.append(tokens)
    model.train(was_training)
    texts = torch.cat([*columns, torch.full((OLD_TEXTS, 1), end)], dim=1)
    return texts.flatten().numpy().astype(np.uint32)


def notes_on_tokens(tokenizer: Tokenizer, counts: Tokens, seen: Bools) -> tuple[str, ...]:
    """What the model had not `seen` of a text that holds each of its (V,) tokens `counts` times:
    the characters that are new, and what it has no tokens for."""
    found = np.flatnonzero((counts > 0) & ~seen)
    found = found[np.argsort(-counts[found], kind="stable")]
    texts = [tokenizer.texts[token] for token in found.tolist()]
    new = [text for text in texts if text is not None and len(text) == 1]
    notes = []
    if new:
        more = " ..." if len(new) > SHOWN else ""
        shown = " ".join(map(_visible, new[:SHOWN])) + more
        notes.append(f"{counted(len(new), 'new character')}: {shown}")
    if tokenizer.kind not in ("char", "byte"):
        begins = [len(piece) == 1 and piece[0] >= 0xC0 for piece in tokenizer.pieces]
        spelled = int(counts[begins].sum())
        if spelled:
            share = spelled / max(1, int((counts * tokenizer.character_lengths).sum()))
            notes.append(
                f"{counted(spelled, 'character')} of the text ({share:.1%}) "
                f"{'is' if spelled == 1 else 'are'} spelled in bytes: the model's vocabulary "
                f"has no token for {'it' if spelled == 1 else 'them'}"
            )
    return tuple(notes)


def _visible(character: str) -> str:
    """A character that shows, or its number."""
    shows = unicodedata.category(character)[0] not in "CMZ"
    return character if shows else f"U+{ord(character):04X}"
