"""The model card: README.md in a checkpoint folder, as code hosts and model hubs show it.

It is written from what config.json says, for people, and never read as more than whose it is: a
README.md without our first line is somebody's own and stays.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from pathlib import Path
from shlex import quote

from chargen.checkpoint.files import CARD, MAX_CARD_BYTES
from chargen.checkpoint.metadata import CheckpointMetadata, Scores, read_config
from chargen.errors import CheckpointError
from chargen.nn.weights import count_parameters
from chargen.reprs import counted, printable
from chargen.runtime.files import Unset, open_regular, read_file, write_file

MARK = (
    "# Written by chargen from config.json at every save. To keep your own text, remove this line."
)
MAX_FILES = 8  # of the training text, by name
UNITS = {"char": "character", "byte": "byte", "subword": "subword", "word": "word"}


def write_card(folder: Path, metadata: CheckpointMetadata, name: str | None = None) -> None:
    """Describe the model in the folder's card, under the name of the folder or another one. A card
    that somebody else wrote stays. Raises OSError."""
    if _is_ours_to_write(folder / CARD):
        text = card_of(metadata, folder.resolve().name if name is None else name)
        write_file(folder / CARD, text.encode("utf-8", "replace"))


def refresh_card(folder: Path, name: str | None = None) -> None:
    """The same from the folder's config.json. A card is worth no error: where it cannot be written,
    the old one stays."""
    with suppress(CheckpointError, OSError):
        write_card(folder, read_config(folder), name)


def _is_ours_to_write(card: Path) -> bool:
    try:
        with open_regular(card) as file:
            return MARK.encode() in file.read(1000)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # it is closed to us, or no file at all
        return False


def read_card(folder: Path) -> bytes | None:
    """The card that lies in the folder, whoever wrote it. None where there is none that can be
    read, or a link leads elsewhere: who publishes a model publishes no other file with it."""
    try:
        if (folder / CARD).resolve(strict=True).parent != folder.resolve(strict=True):
            return None
        return read_file(folder / CARD, MAX_CARD_BYTES)
    except (OSError, ValueError):
        return None


def card_of(metadata: CheckpointMetadata, name: str) -> str:
    """The card of a model that goes by this name, in Markdown below the YAML header that model hubs
    read: what it is, how it was trained, its scores, its use and its limits."""
    name = printable(name).replace("\n", " ")
    unit, cell = UNITS.get(metadata.tokenizer, "token"), metadata.model.cell
    parts = [
        _header(metadata, unit),
        f"# {_escaped(name)}",
        f"{'An' if cell in ('lstm', 'rnn') else 'A'} {cell.upper()} language model, trained with "
        f"chargen. Given the beginning of a text, it predicts what comes next, one {unit} at a "
        "time.",
        _table(metadata),
        "## Scores",
        _scores(metadata),
        "## How to use it",
        _use(metadata, name),
        "## Limits",
        "- It imitates its training text. What it says about the world is often wrong: do not rely "
        "on it for facts.\n"
        "- It can repeat passages of its training text word for word, private ones included.\n"
        "- It has the opinions, errors and omissions of its training text, and no filter.",
    ]
    return "\n\n".join(parts) + "\n"


def _header(metadata: CheckpointMetadata, unit: str) -> str:
    tags = ("chargen", metadata.model.cell, "recurrent-neural-network", f"{unit}-level")
    lines = ["---", MARK, "library_name: chargen", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {tag}" for tag in tags]
    if metadata.scores.valid_loss is not None:
        lines += ["metrics:", "- perplexity", "- bits_per_byte"]
    return "\n".join([*lines, "---"])


def _table(metadata: CheckpointMetadata) -> str:
    model, training, scores = metadata.model, metadata.training, metadata.scores
    files = metadata.corpus.files
    texts = [f"{_escaped(printable(name))} ({size:,} bytes)" for name, size, _ in files]
    if len(texts) > MAX_FILES:
        texts[MAX_FILES:] = [f"{len(texts) - MAX_FILES:,} more"]
    documents = metadata.corpus_options.documents
    num_parameters = count_parameters(model, metadata.vocab_size)
    rows = {
        "network": f"{model.cell.upper()}, {counted(model.num_layers, 'layer')} of "
        f"{counted(model.hidden_size, 'unit')}, {num_parameters:,} parameters{_stored(metadata)}",
        "tokenizer": f"{metadata.tokenizer}, {metadata.vocab_size:,} tokens",
        "training text": ", ".join(texts),
        "documents": "one per file" if documents == "file" else f"one per {documents}",
        "training": f"{counted(scores.steps, 'step')} ({scores.epochs:.1f} epochs) of AdamW in "
        f"{scores.seconds / 60:.1f} minutes",
        "batch": f"{training.batch_size} streams of {training.bptt} tokens",
        "seed": f"{training.seed}",
    }
    lines = [f"| {name} | {value.replace(chr(10), ' ')} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _scores(metadata: CheckpointMetadata) -> str:
    scores = metadata.scores
    losses = (scores.valid_loss, scores.bits_per_byte, scores.bits_per_character)
    if None in losses:
        return "It was not validated."
    nats, per_byte, per_character = (loss or 0.0 for loss in losses)
    share = metadata.corpus_options.valid_fraction
    perplexity = math.exp(min(nats, 700.0))
    return (
        f"On the {100 * share:.3g}% of the text that was held out of training"
        f"{_before_rounding(metadata)}:\n\n"
        "| | |\n|---|---|\n"
        f"| loss | {nats:.4f} nats per token |\n"
        f"| perplexity | {perplexity:.4g} per token |\n"
        f"| bits per byte | {per_byte:.4f} |\n"
        f"| bits per character | {per_character:.4f} |" + _answers(scores) + _forgetting(scores)
    )


def _stored(metadata: CheckpointMetadata) -> str:
    """How the weights are stored, if not in all their bits."""
    return "" if metadata.weights == "float32" else f" in {metadata.weights}"


def _before_rounding(metadata: CheckpointMetadata) -> str:
    """Which weights the scores are of, where they were rounded since."""
    return _stored(metadata) and f", by the weights before they were rounded to {metadata.weights}"


def _answers(scores: Scores) -> str:
    """Of a model that learned answers alone, a row: how many it gives to the last token."""
    share = scores.answers
    return "" if isinstance(share, Unset) else f"\n| exact answers | {share:.1%} |"


def _forgetting(scores: Scores) -> str:
    """Of a model that was fine-tuned, a row: how well it still knows what it knew."""
    now, more = scores.old_bits_per_character, scores.forgotten_bits_per_character
    if isinstance(now, Unset) or isinstance(more, Unset):
        return ""
    return f"\n| bits per character of its old text | {now:.4f}, before {now - more:.4f} |"


def _use(metadata: CheckpointMetadata, name: str) -> str:
    is_chat = metadata.sampling.mode == "chat"
    mode = " The first command opens it in chat mode." if is_chat else ""
    at_shell, in_python = quote(name), json.dumps(name, ensure_ascii=False)
    return f"""\
Put this folder into `./checkpoints` under its name.{mode}

```console
$ chargen repl {at_shell}
$ chargen sample {at_shell} --prompt "The" --max-tokens 200
```

```python
import chargen

model = chargen.load({in_python})
print(model.generate("The", max_tokens=200).text)
```"""


def _escaped(text: str) -> str:
    """As words, whatever they mean in Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", text)
