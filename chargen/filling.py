"""Fill a file with samples, one JSON object a line; an interrupted file can be continued.

Each line names its place, the seed of all and the run: what the samples follow from. So a file goes
on only as it began, and a line that was torn by a crash is drawn anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chargen.config import SampleConfig
from chargen.errors import ConfigError, OutputError
from chargen.generation import TextGenerator, Told
from chargen.writing import Completion

BEGINNING = b'{"index": '  # of every line


def fill(
    generator: TextGenerator,
    prompt: str,
    config: SampleConfig,
    path: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    told: Told = lambda share: None,
) -> Iterator[Completion]:
    """Write the samples into the file and yield each once it is there, those of an earlier run that
    is resumed not among them. `told` hears the share that is drawn.

    Raises OutputError where the file is in the way, is another run's or cannot be written;
    ConfigError, TokenizerError.
    """
    path = Path(path)
    if config.beams is not None:
        raise ConfigError("`beams` and `out` cannot be combined", hint="--json prints all beams")
    if path.exists() and not (resume or overwrite):
        raise OutputError(
            f"{path} exists already", hint="--resume goes on with it, --overwrite replaces it"
        )
    try:
        kept = _whole_lines(path) if resume and path.exists() else []
        if config.seed is None:
            seed = kept[0]["seed"] if kept else secrets.randbits(63)
            config = replace(config, seed=seed)
        run = _name_of_run(generator, prompt, config)
        for index, line in enumerate(kept):
            if (line["run"], line["index"]) != (run, index):
                raise OutputError(
                    f"{path} was written by another model, with another prompt or other options",
                    hint="give those, or --overwrite it",
                )
        samples = generator.complete(prompt, config, first=len(kept), told=told)
        with open(path, "r+b" if kept else "wb") as file:
            file.seek(sum(line["bytes"] for line in kept))
            file.truncate()
            for index, sample in enumerate(samples, start=len(kept)):
                place = {"index": index, "seed": config.seed, "run": run}
                written = json.dumps(place | sample.as_dict(), ensure_ascii=False)
                file.write(written.encode() + b"\n")
                file.flush()
                yield sample
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """What stands in the file's lines, but for one at the end that was torn, and their bytes."""
    lines = []
    with open(path, "rb") as file:
        for raw in file:
            if not raw.endswith(b"\n") and raw[: len(BEGINNING)] == BEGINNING[: len(raw)]:
                break
            try:
                line = json.loads(raw)
                facts = {name: line[name] for name in ("run", "index", "seed")}
            except (ValueError, RecursionError, TypeError, LookupError):
                raise OutputError(
                    f"{path} holds lines that are no samples", hint="--overwrite replaces it"
                ) from None
            lines.append(facts | {"bytes": len(raw)})
    return lines


def _name_of_run(generator: TextGenerator, prompt: str, config: SampleConfig) -> str:
    """Twelve digits that stand for all that decides a sample, but not for how many there are."""
    rows = min(config.batch_size, config.num_samples or 1)
    options = asdict(config) | {"num_samples": None, "batch_size": rows}
    digest = hashlib.sha256(json.dumps([prompt, options], sort_keys=True).encode())
    digest.update(generator.tokenizer.serialize())
    for name, tensor in sorted(generator.model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
