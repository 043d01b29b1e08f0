"""Work that is shared out gives what it gives when it is not, and leaves no process behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from chargen.errors import ChargenError, CorpusError
from chargen.runtime import workers as processes
from chargen.runtime.workers import each


@pytest.fixture(params=[1, 3], autouse=True)
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(processes, "cores", lambda: request.param)
    return bool(request.param > 1)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_all_values_come_each_index_in_its_order(count: int) -> None:
    def work(index: int) -> Iterator[tuple[int, int]]:
        for place in range(index):
            yield index, place

    found = list(each(work, count))
    assert all(index == value[0] for index, value in found)
    for index in range(count):
        assert [value for at, value in found if at == index] == list(work(index))


def test_it_forks_where_that_helps(forked: bool) -> None:
    def work(index: int) -> Iterator[int]:
        yield os.getpid()

    def where(count: int, *, in_parallel: bool = True) -> set[int]:
        return {pid for _, pid in each(work, count, in_parallel=in_parallel)}

    assert (os.getpid() not in where(9)) == forked
    assert where(1) == where(9, in_parallel=False) == {os.getpid()}


@pytest.mark.parametrize(
    "error",
    [
        CorpusError("the text", hint="mend it"),
        OSError(28, "No space left"),
        BrokenPipeError(32, "x"),
    ],
)
def test_what_work_raises_is_raised_here_as_it_is(error: Exception) -> None:
    def work(index: int) -> Iterator[int]:
        yield index
        if index == 4:
            raise error

    with pytest.raises(type(error)) as raised:
        list(each(work, 9))
    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)
    assert getattr(raised.value, "errno", None) == getattr(error, "errno", None)


def test_a_bug_keeps_its_traceback(forked: bool) -> None:
    def work(index: int) -> Iterator[int]:
        yield 1 // (index - 4)

    with pytest.raises(ZeroDivisionError) as raised:
        list(each(work, 9))
    if forked:
        assert "1 // (index - 4)" in str(raised.value.__notes__)


def test_a_process_that_was_killed_is_reported(forked: bool) -> None:
    ours = os.getpid()

    def work(index: int) -> Iterator[int]:
        yield index
        if index == 4 and os.getpid() != ours:
            os.kill(os.getpid(), signal.SIGKILL)

    if forked:
        with pytest.raises(ChargenError, match=r"ended by SIGKILL; if memory ran out"):
            list(each(work, 9))
    else:
        list(each(work, 9))


def test_closing_ends_all_processes(forked: bool) -> None:
    ours = os.getpid()

    def work(index: int) -> Iterator[int]:
        yield os.getpid()
        if os.getpid() != ours:
            signal.pause()

    with closing(each(work, 9)) as found:
        pids = {next(found)[1] for _ in range(3 if forked else 1)}
    assert len(pids) == (3 if forked else 1)
    for pid in pids - {ours}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_where_no_process_can_be_had_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    assert list(each(lambda index: [index], 3)) == [(0, 0), (1, 1), (2, 2)]
