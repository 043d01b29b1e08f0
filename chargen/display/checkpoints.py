"""What a checkpoint is, in names and values, and many of them, a line each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chargen.checkpoint.locate import BUNDLED_MODELS
from chargen.display.console import console
from chargen.display.numbers import ago, clock, count
from chargen.display.tables import show_facts
from chargen.reprs import counted, printable
from chargen.runtime.files import Unset

if TYPE_CHECKING:  # types alone: an error message must not wait for numpy
    from chargen.checkpoint.folder import Checkpoint
    from chargen.checkpoint.metadata import CheckpointMetadata
    from chargen.checkpoint.recent import DefaultCheckpoint
    from chargen.config import SamplingDefaults


def show_info(checkpoint: Checkpoint) -> None:
    show_facts(facts_of(checkpoint.metadata, checkpoint.weights.num_parameters))


def facts_of(metadata: CheckpointMetadata, num_parameters: int) -> list[tuple[str, str]]:
    """What a model is, in names and values."""
    model, scores = metadata.model, metadata.scores
    texts = ", ".join(f"{name} ({count(size)}B)" for name, size, _ in metadata.corpus.files)
    documents = metadata.corpus_options.documents
    if documents != "file":
        texts += f", each {documents} a document"
    if model.fresh_state:
        texts += ", a fresh state for each document"
    facts = [
        ("checkpoint", str(metadata.folder)),
        ("model", f"{model.cell}, {model.num_layers} x {model.hidden_size}, embedding "
                  f"{model.embedding_size}, dropout {model.dropout:g}, "
                  f"{num_parameters:,} parameters"),
        *_stored(metadata),
        ("tokenizer", f"{metadata.tokenizer}, {metadata.vocab_size:,} tokens"),
        ("corpus", texts),
        ("trained", f"{counted(scores.steps, 'step')}, {scores.epochs:.2f} epochs, "
                    f"{clock(scores.seconds)}"),
    ]  # fmt: skip
    if scores.valid_loss is not None:
        found = f"{scores.valid_loss:.4f} nats per token, {scores.bits_per_byte:.4f} bits per byte"
        if not isinstance(scores.answers, Unset):
            found += f", {scores.answers:.1%} of the answers exact"
        facts.append(("validation", found))
    if metadata.sampling.given:
        facts.append(("sampling", sampling_in_words(metadata.sampling)))
    return [*facts, ("saved", metadata.saved_at)]


def _stored(metadata: CheckpointMetadata) -> list[tuple[str, str]]:
    """How the weights are stored, if not in all their bits."""
    weights = metadata.weights
    return [] if weights == "float32" else [("weights", f"{weights}, computed in float32")]


def show_sampling(sampling: SamplingDefaults, only: str | None = None) -> None:
    """What a checkpoint wants to be sampled by, or one part of it."""
    values = asdict(sampling).items()
    show_facts((name, _spelled(value)) for name, value in values if only in (None, name))


def sampling_in_words(sampling: SamplingDefaults) -> str:
    """What of it is not left to the default."""
    return ", ".join(f"{name} {_spelled(value)}" for name, value in sampling.given.items())


def _spelled(value: object) -> str:
    if value in (None, ()):
        return "default"
    return " ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def in_a_line(metadata: CheckpointMetadata) -> str:
    """A checkpoint by what one knows it by."""
    model, trained = metadata.model, clock(metadata.scores.seconds)
    size = f"{model.cell} {model.num_layers} x {model.hidden_size}, {count(metadata.bytes)}B"
    return f"{metadata.folder}: {size}, trained {trained} on {metadata.corpus.name}"


def default_in_words(default: DefaultCheckpoint) -> str:
    """Which checkpoint is opened where none was named, and why."""
    instead = ""
    if default.passed_over is not None:
        state = "is still being trained" if default.is_training else "was stopped before its end"
        instead = f"{default.passed_over} {state}: "
    if default.reason == "bundled":
        own = "no checkpoint of your own in ./checkpoints; "
        own += "train one with: chargen train corpus.txt"
        if default.elsewhere:
            own = f"in another folder you last talked to {default.elsewhere}"
        why = "" if instead else f" ({own})"
        return f"{instead}opening the bundled model {default.folder.name}{why}"
    folder = default.folder
    why = {
        "trained": f"finished training {ago(time.time() - default.at)}",
        "talked to": f"talked to {ago(time.time() - default.at)}",
        "stopped": f"stopped before its end; chargen train --resume --out {quote(str(folder))} "
        "resumes it",
        "damaged": "it is damaged",
    }[default.reason]
    return f"{instead}opening {folder} ({why})"


def show_list(listed: Sequence[CheckpointMetadata], out: Console | None = None) -> None:
    """The checkpoints, as one line each, and those that are there without being listed."""
    out = out or console()
    if not listed:
        message = "no checkpoint in ./checkpoints; train one with: chargen train corpus.txt"
        out.print(Text(message), soft_wrap=True)
    elif out.width < 70:
        for entry in listed:
            _show_in_short(entry, out)
    else:
        out.print(_table(listed))
    names = {entry.folder.name for entry in listed}
    for folder, purpose in BUNDLED_MODELS.items():
        if folder.name not in names:
            out.print(Text(f"bundled: {folder.name} ({purpose})", "dim"), soft_wrap=True)


def _table(listed: Sequence[CheckpointMetadata]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("checkpoint", "saved", "model", "tokens"):
        table.add_column(name, no_wrap=True)
    for name in ("size", "bits/byte"):
        table.add_column(name, justify="right")
    table.add_column("corpus", overflow="fold")
    for entry in listed:
        model, bits = entry.model, entry.scores.bits_per_byte
        table.add_row(
            entry.folder.name,
            entry.saved_at[:16].replace("T", " "),
            f"{model.cell} {model.num_layers} x {model.hidden_size}",
            entry.tokenizer,
            f"{count(entry.bytes)}B",
            "" if bits is None else f"{bits:.3f}",
            entry.corpus.name,
        )
    return table


def _show_in_short(entry: CheckpointMetadata, out: Console) -> None:
    """A checkpoint where there is no room for a table."""
    bits = entry.scores.bits_per_byte
    facts = [
        entry.saved_at[:10], f"{count(entry.bytes)}B",
        *([] if bits is None else [f"{bits:.3f} bits/byte"]), entry.corpus.name,
    ]  # fmt: skip
    out.print(Text.assemble((printable(entry.folder.name), "bold"), f"  {'  '.join(facts)}"))
