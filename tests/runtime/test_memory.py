"""Memory is looked at before it is taken, and its end is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chargen.errors import DeviceError
from chargen.runtime import memory
from chargen.runtime.memory import free_memory, within_memory
from tests.support.command import Chargen


def test_a_container_has_what_it_has_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "CGROUP_FILES", ((str(tmp_path), "max", "current", "stat"),))
    limit, stat = tmp_path / "max", tmp_path / "stat"
    limit.write_text("5000\n")
    (tmp_path / "current").write_text("3000\n")
    stat.write_text("anon 3000\ninactive_file 0\nactive_file 0\n")
    assert memory.free_memory(torch.device("cpu")) == 2000
    stat.write_text("anon 1800\ninactive_file 1000\nactive_file 200\n")
    assert memory.free_memory(torch.device("cpu")) == 3200, "files kept in memory make room"
    limit.write_text("max\n")
    assert (memory.free_memory(torch.device("cpu")) or 2001) > 2000


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_running_out_of_memory_is_reported(error: Exception) -> None:
    with pytest.raises(DeviceError, match="do not fit into memory"), within_memory():
        raise error


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="a bug"), within_memory():
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("flags", "parts_would_help"),
    [(["--hidden-size", 8000], False), (["--hidden-size", 64, "--batch-size", 10**6], True)],
)
def test_what_has_no_room_is_refused_before_it_is_taken(
    run_chargen: Chargen,
    corpus_file: object,
    flags: list[object],
    parts_would_help: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = free_memory(torch.device("cpu"))
    assert free is None or free > 1 << 20
    monkeypatch.setattr("chargen.training.trials.free_memory", lambda _: 10**9)
    done = run_chargen("train", corpus_file, *flags, "--steps", 1, "--out", "run")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "GB, and 1.0 GB of memory are free" in line and "--bptt smaller" in line
    assert ("--accumulate" in line) is parts_would_help
