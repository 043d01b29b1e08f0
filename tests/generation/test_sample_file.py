"""A file of samples: the same however often its making was interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.config import SampleConfig
from chargen.errors import ConfigError, OutputError
from chargen.generation.completion import Completion
from chargen.generation.generator import TextGenerator
from chargen.generation.sample_file import fill

OPTIONS: dict[str, Any] = {"num_samples": 10, "batch_size": 4, "max_tokens": 12}


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_holds_the_samples(model: TextGenerator, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    shares: list[float] = []
    config = SampleConfig(**OPTIONS, seed=5)
    given = list(fill(model, "The ", config, path, on_progress=shares.append))
    written = lines(path)
    assert [line["index"] for line in written] == list(range(10))
    assert {line["seed"] for line in written} == {5}
    for line, sample in zip(written, given, strict=True):
        assert line["text"] == sample.text
        assert {name: line[name] for name in sample.as_dict()} == json.loads(
            json.dumps(sample.as_dict())
        )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_reported_share_is_that_of_all_batches(
    model: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.engine, "threads", 1)
    shares: list[float] = []
    config = SampleConfig(num_samples=6, max_tokens=4, seed=1)
    list(model.complete("The ", config, rows=4, on_progress=shares.append))
    assert shares == pytest.approx([*(step / 8 for step in range(1, 9)), 1])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_text(
    model: TextGenerator, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts() -> list[Completion]:
        config = SampleConfig(num_samples=20, max_tokens=9, seed=1)
        return list(model.complete("The ", config, rows=4))

    monkeypatch.setattr(model.engine, "threads", 1)
    alone = texts()
    monkeypatch.setattr(model.engine, "threads", threads)
    assert texts() == alone


@pytest.mark.parametrize("kept", [0, 1, 4, 7, 10])
@pytest.mark.parametrize("torn", [b"", b'{"index": 7, "te'])
def test_an_interrupted_file_goes_on(
    model: TextGenerator, tmp_path: Path, kept: int, torn: bytes
) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "s.jsonl"
    list(fill(model, "The ", SampleConfig(**OPTIONS, seed=5), whole))
    started = fill(model, "The ", SampleConfig(**OPTIONS, seed=5), path)
    list(islice(started, kept))
    started.close()  # type: ignore[attr-defined]
    with open(path, "ab") as file:
        file.write(torn)
    rest = list(fill(model, "The ", SampleConfig(**OPTIONS), path, resume=True))  # its seed
    assert len(rest) == 10 - kept or kept == 0
    if kept:
        assert path.read_bytes() == whole.read_bytes()


def test_a_file_that_is_not_there_yet_is_begun(model: TextGenerator, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    assert len(list(fill(model, "", SampleConfig(**OPTIONS), path, resume=True))) == 10
    assert len({line["seed"] for line in lines(path)}) == 1


@pytest.mark.parametrize("begun", [1, 10])
def test_more_samples_can_be_added(model: TextGenerator, tmp_path: Path, begun: int) -> None:
    path = tmp_path / "s.jsonl"
    list(fill(model, "", SampleConfig(**(OPTIONS | {"num_samples": begun}), seed=1), path))
    more = OPTIONS | {"num_samples": 14}
    assert len(list(fill(model, "", SampleConfig(**more), path, resume=True))) == 14 - begun
    fresh = tmp_path / "fresh.jsonl"
    list(fill(model, "", SampleConfig(**more, seed=1), fresh))
    assert path.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("rows", [4, 5, 7])
def test_a_sample_is_the_same_whatever_stands_beside_it(model: TextGenerator, rows: int) -> None:
    """At one batch size, the last batch padded: so many samples or more, ended early or late."""
    options: dict[str, Any] = {"seed": 3, "batch_size": rows, "max_tokens": 30}
    many = model.generate("The ", num_samples=20, **options)
    few = model.generate("The ", num_samples=rows + 1, **options)
    assert few == many[: rows + 1]
    config = SampleConfig(num_samples=1, **options)
    assert list(model.complete("The ", config, rows=rows)) == many[:1]
    stopped = model.generate("The ", num_samples=20, stop=(".",), **options)
    for cut, whole in zip(stopped, many, strict=True):
        assert cut.text == whole.text.split(".")[0]


@pytest.mark.parametrize(("count", "parts"), [(10, 1), (10, 2), (10, 3), (7, 7), (3, 5), (9, 4)])
@pytest.mark.parametrize("rows", [1, 4, 16])
def test_parts_joined_are_the_whole(
    model: TextGenerator, tmp_path: Path, count: int, parts: int, rows: int
) -> None:
    """Byte for byte, also where a part begins and ends inside a batch."""
    config = SampleConfig(num_samples=count, batch_size=rows, max_tokens=12, seed=5)
    whole, path = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    list(fill(model, "The ", config, whole))
    joined = b""
    for number in range(1, parts + 1):
        shares: list[float] = []
        part = fill(
            model, "The ", config, path, shard=(number, parts), overwrite=True,
            on_progress=shares.append,
        )  # fmt: skip
        assert len(list(part)) == len(lines(path))
        joined += path.read_bytes()
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert all(share >= 0 for share in shares)
    assert joined == whole.read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 4, 6])
def test_a_torn_part_goes_on(model: TextGenerator, tmp_path: Path, kept: int) -> None:
    """With the seed that it began with, where any of it is there."""
    config = SampleConfig(**OPTIONS, seed=5)
    whole, path = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    list(fill(model, "The ", config, whole, shard=(2, 2)))
    begun = whole.read_bytes().splitlines(keepends=True)
    torn = begun[kept][:-3] if kept < 6 else b""
    path.write_bytes(b"".join(begun[:kept]) + torn)
    again = replace(config, seed=None) if kept else config
    rest = list(fill(model, "The ", again, path, shard=(2, 2), resume=True))
    assert len(rest) == 6 - kept
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("count", "shard", "why"),
    [
        (10, (1, 2), "begins with sample 4, not with 0"),
        (10, None, "begins with sample 4, not with 0"),
        (17, (2, 2), "begins with sample 4, not with 8"),
        (10, (3, 3), "begins with sample 4, not with 8"),
        (8, (8, 8), "begins with sample 4, not with 7"),
        (5, (5, 5), "holds 6 samples, this part has 1"),
        (10, (2, 3), "holds 6 samples, this part has 4"),
    ],
)
def test_a_part_goes_on_as_that_part_alone(
    model: TextGenerator, tmp_path: Path, count: int, shard: tuple[int, int] | None, why: str
) -> None:
    path = tmp_path / "part.jsonl"
    list(fill(model, "The ", SampleConfig(**OPTIONS, seed=5), path, shard=(2, 2)))
    before = path.read_bytes()
    config = SampleConfig(**(OPTIONS | {"num_samples": count}), seed=5)
    with pytest.raises(OutputError, match=why):
        list(fill(model, "The ", config, path, shard=shard, resume=True))
    assert path.read_bytes() == before


@pytest.mark.parametrize("places", [(0, 2), (0, 0), (1, 0)])
def test_lines_in_another_order_are_no_run(
    model: TextGenerator, tmp_path: Path, places: tuple[int, int]
) -> None:
    path = tmp_path / "s.jsonl"
    config = SampleConfig(**OPTIONS, seed=5)
    list(fill(model, "The ", config, path))
    written = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(written[place] for place in places))
    with pytest.raises(OutputError, match="not the samples of one run, in order"):
        list(fill(model, "The ", config, path, resume=True))


@pytest.mark.parametrize(
    ("given", "shard", "why"),
    [
        ({"num_samples": 3, "seed": 1}, (0, 2), "shard must be the number of a part"),
        ({"num_samples": 3, "seed": 1}, (3, 2), "such as 1/4, not '3/2'"),
        ({"num_samples": 3}, (1, 2), "`shard` needs `seed`"),
        ({"seed": 1}, (1, 2), "`shard` needs `num_samples`"),
    ],
)
def test_parts_that_could_not_be_joined(
    model: TextGenerator, tmp_path: Path, given: dict[str, Any], shard: tuple[int, int], why: str
) -> None:
    path = tmp_path / "part.jsonl"
    with pytest.raises(ConfigError, match=why):
        list(fill(model, "", SampleConfig(**given), path, shard=shard))
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "prompt"),
    [({"seed": 6}, "The "), ({"temperature": 0.5}, "The "), ({"batch_size": 3}, "The "), ({}, "A")],
)
def test_other_samples_are_not_mixed_in(
    model: TextGenerator, tmp_path: Path, changes: dict[str, Any], prompt: str
) -> None:
    path = tmp_path / "s.jsonl"
    list(fill(model, "The ", SampleConfig(**OPTIONS, seed=5), path))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="written by another model or version of chargen"):
        list(
            fill(
                model, prompt, SampleConfig(**(OPTIONS | {"seed": 5} | changes)), path, resume=True
            )
        )
    with pytest.raises(OutputError, match="exists already"):
        list(fill(model, "The ", SampleConfig(**OPTIONS), path))
    assert path.read_bytes() == before
    list(fill(model, prompt, SampleConfig(**(OPTIONS | changes)), path, overwrite=True))
    assert path.read_bytes() != before


@pytest.mark.parametrize(
    "content",
    [
        b"no samples\n",
        b"[1]\n",
        b'{"a": 1}\n',
        b'{"index": "a", "seed": 1, "run": 2}\n',
        b"x\ny\n",
        b"[[[" * 9999,
    ],
)
def test_a_foreign_file_is_left_alone(model: TextGenerator, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    with pytest.raises(OutputError):
        list(fill(model, "", SampleConfig(**OPTIONS), path, resume=True))
    assert path.read_bytes() == content


def test_what_cannot_be_written(model: TextGenerator, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        list(fill(model, "", SampleConfig(**OPTIONS), tmp_path / "no" / "s.jsonl"))
    for path in (tmp_path, "-", ""):
        with pytest.raises(OutputError, match="is not a file"):
            list(fill(model, "", SampleConfig(**OPTIONS), path, overwrite=True))
    with pytest.raises(ConfigError, match="`beams` and `out` cannot be combined"):
        list(fill(model, "", SampleConfig(beams=2), tmp_path / "s.jsonl"))
