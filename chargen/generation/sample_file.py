"""Fill a file with samples, one JSON object a line; an interrupted file can be continued.

Each line names its place, the seed of all and the run: what the samples follow from. So a file goes
on only as it began, and a line that was torn by a crash is sampled again. Several machines can fill
a file each: joined, these are the one that a single machine would fill.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chargen.config import SampleConfig
from chargen.errors import ConfigError, OutputError, named
from chargen.generation.completion import Completion
from chargen.generation.generator import TextGenerator
from chargen.generation.sample_shards import Shard, needs, samples_of
from chargen.generation.sampling import new_seed
from chargen.progress import OnShare, no_progress, share_of

BEGINNING = b'{"index": '  # of every line
SCHEME = 2  # how a seed becomes a text: where that changes, a file that was begun cannot go on


def fill(
    generator: TextGenerator,
    prompt: str,
    config: SampleConfig,
    path: str | os.PathLike[str],
    *,
    shard: Shard | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnShare = no_progress,
) -> Iterator[Completion]:
    """Write the samples into the file, of a `shard` those that are in this part of them, and yield
    each once it is there, those of an earlier run that is resumed not among them. `on_progress`
    gets the share that is done.

    Raises OutputError where the file is in the way, is another run's or cannot be written;
    ConfigError, TokenizerError.
    """
    path = Path(path)
    if config.beams is not None:
        raise ConfigError(
            named("beams", "out") + " cannot be combined", hint="--json prints all beams"
        )
    part = samples_of(config, shard)
    try:
        if str(path) in (".", "-") or path.is_dir():
            raise OutputError(f"{path} is not a file", hint="name one, as in --out samples.jsonl")
        if path.exists() and not (resume or overwrite):
            raise OutputError(
                f"{path} exists already", hint="--resume continues it, --overwrite replaces it"
            )
        kept = _read(path) if resume and path.exists() else _Kept()
        if kept.count and kept.start != part.start:
            raise OutputError(
                f"{path} begins with sample {kept.start:,}, not with {part.start:,}",
                hint="give the same --shard and number of samples as before, or --overwrite it",
            )
        if config.seed is None:
            if shard is not None and kept.seed is None:
                raise needs("seed")
            config = replace(config, seed=new_seed() if kept.seed is None else kept.seed)
        run = _name_of_run(generator, prompt, config)
        if kept.count and kept.run != run:
            raise OutputError(
                f"{path} was written by another model or version of chargen, with another "
                "prompt or other options",
                hint="give those (only --num-samples may change), or --overwrite it",
            )
        if shard is not None and kept.count > len(part):
            raise OutputError(
                f"{path} holds {kept.count:,} samples, this part has {len(part):,}",
                hint="give the same part of the same number, or --overwrite it",
            )
        # What is wrong with the options is reported before the file is touched.
        samples = generator.complete(
            prompt,
            config,
            samples=part[kept.count :],
            rows=config.batch_size,
            on_progress=share_of(on_progress, min(1.0, kept.count / max(1, len(part))), 1.0),
        )
        with open(path, "r+b" if kept.count else "wb") as file:
            if kept.count:
                file.truncate(kept.bytes)
                file.seek(kept.bytes)
            for index, sample in enumerate(samples, start=part.start + kept.count):
                place = {"index": index, "seed": config.seed, "run": run}
                written = json.dumps(place | sample.as_dict(), ensure_ascii=False)
                file.write(written.encode() + b"\n")
                file.flush()
                yield sample
            with suppress(OSError):  # what is no file, /dev/stdout say, has no disk either
                os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def read_texts(path: str | os.PathLike[str]) -> Iterator[str]:
    """The texts of the samples in a file, in order."""
    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)["text"]


@dataclass(frozen=True)
class _Kept:
    """What an earlier run has left in a file: whole lines, all of one run, one after the other."""

    start: int = 0  # the first one's index
    count: int = 0
    bytes: int = 0
    seed: int | None = None
    run: str | None = None


def _read(path: Path) -> _Kept:
    """What stands in the file, but for a line at the end that was torn."""
    kept = _Kept()
    with open(path, "rb") as file:
        for raw in file:
            if not raw.endswith(b"\n") and raw[: len(BEGINNING)] == BEGINNING[: len(raw)]:
                break
            try:
                line = json.loads(raw)
                index, seed, run = line["index"], line["seed"], line["run"]
            except (ValueError, RecursionError, TypeError, LookupError):
                index = seed = run = None
            if not kept.count:
                kept = _Kept(start=index, seed=seed, run=run)
            begun = (kept.start, kept.seed, kept.run)
            if not isinstance(index, int) or (index - kept.count, seed, run) != begun:
                raise OutputError(
                    f"{path} holds lines that are not the samples of one run, in order",
                    hint="--overwrite replaces it",
                )
            kept = replace(kept, count=kept.count + 1, bytes=kept.bytes + len(raw))
    return kept


def _name_of_run(generator: TextGenerator, prompt: str, config: SampleConfig) -> str:
    """Twelve digits that stand for all that decides a sample, but not for how many there are."""
    options = asdict(config) | {"num_samples": None}
    if not config.relevance:  # a file that was begun before there was such a thing goes on
        del options["relevance"]
    digest = hashlib.sha256(json.dumps([SCHEME, prompt, options], sort_keys=True).encode())
    digest.update(generator.tokenizer.serialize())
    for name, array in sorted(generator.weights.arrays.items()):
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()[:12]
