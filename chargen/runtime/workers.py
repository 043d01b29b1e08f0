"""Work on many things in processes forked from this one, over all cores. Knows nothing of the work.

A forked process sees all that this one has read, so nothing is handed over but numbers of pieces;
it may use numpy and sentencepiece, whose locks survive a fork, and nothing of torch.

Why not the standard library's pools, which fork as well? Tried with Python 3.11:
- A ProcessPoolExecutor that is left early waits until the running tasks are done (before 3.14,
  which has `terminate_workers`), and its workers outlive a parent that is killed, for ever: each
  holds the other end of the pipe that it waits at. Here a worker holds its own end alone, and the
  link breaks.
- One of its tasks has one result, so work that streams needs a queue beside it, whose lock a
  worker that is killed may take along.
- A multiprocessing.Pool makes a new worker in place of one that was killed, and waits for ever
  for what that one was to do.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn, TypeVar

from chargen.errors import ChargenError
from chargen.runtime.cores import cores

Value = TypeVar("Value")
Work = Callable[[int], Iterable[Value]]
Values = Generator[tuple[int, Value], None, None]
Link = Connection  # to a child: numbers go there; ("value" | "error" | "done", what) comes back

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def each(work: Work[Value], count: int, *, in_parallel: bool = True) -> Values[Value]:
    """All that `work(index)` yields, for every index below `count`, each with its index.

    What comes of one index comes in order. What `work` raises is raised here. Where there is but
    one index or one core, or not `in_parallel`, all is done in this very process. Whoever may leave
    early closes it, which ends the processes at once (`contextlib.closing`). Raises ChargenError
    where one was ended by others.
    """
    children: dict[Link, int] = {}  # their process ids
    # macOS ends processes that were forked after some of its own libraries had been loaded.
    wanted = min(cores(), count) if in_parallel and sys.platform == "linux" else 1
    try:
        with suppress(OSError):  # no more can be had: those that there are do it all
            while len(children) < wanted > 1:
                _fork(work, children)
        if children:
            yield from _distribute(count, children)
        else:
            for index in range(count):
                for value in work(index):
                    yield index, value
    finally:
        for child, pid in children.items():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            child.close()
            _exit_code(pid)


def _distribute(count: int, children: dict[Link, int]) -> Iterator[tuple[int, Any]]:
    """Give each child the next index as soon as it is done with one."""
    indexes = iter(range(count))
    doing: dict[Link, int] = {}

    def give_next(child: Link) -> None:
        doing.pop(child, None)
        for index in indexes:
            with suppress(ConnectionError):  # receiving tells how it ended
                child.send(index)
            doing[child] = index
            break

    for child in children:
        give_next(child)
    while doing:
        for child in [child for child in wait(list(doing)) if isinstance(child, Link)]:
            kind, what = _receive(child, children)
            if kind == "value":
                yield doing[child], what
            elif kind == "done":
                give_next(child)
            else:
                raise what


def _receive(child: Link, children: dict[Link, int]) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = child.recv()
    except (EOFError, ConnectionError) as error:
        code = _exit_code(children.pop(child))
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise ChargenError(
            f"a worker process was ended {how}",
            hint="if memory ran out, close other programs",
        ) from error
    return message


def _exit_code(pid: int) -> int:
    """Waits for a child to end; minus the signal that ended it, if one did."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # someone has told the system to forget children that end
        return 0


def _fork(work: Work[Any], children: dict[Link, int]) -> None:
    """One child more. Raises OSError where the system has no room for it."""
    ours, theirs = Pipe()
    # A signal that comes before the child has its own ways with them would run this process's.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        with warnings.catch_warnings():
            # Other threads may hold locks for ever in the child, it says. They are torch's and the
            # display's, which no child uses.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _serve(work, theirs, [ours, *children])
        children[ours] = pid
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _serve(work: Work[Any], parent: Link, others: list[Link]) -> NoReturn:
    """What a child does until its parent ends it, or has ended itself, however: the link breaks."""
    try:
        for link in others:  # else a link would not break while a sibling lives
            link.close()
        # A terminal sends this to the whole group; what becomes of us, the parent decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        while True:
            for message in _messages(work, parent.recv()):
                parent.send(message)
    except (EOFError, ConnectionError):
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # nothing that is the parent's is flushed or cleaned up


def _messages(work: Work[Any], index: int) -> Iterator[tuple[str, Any]]:
    try:
        for value in work(index):
            yield "value", value
    except Exception as error:
        if not isinstance(error, ChargenError | OSError):  # a bug: where it is must not be lost
            error.add_note(traceback.format_exc())
        yield "error", error
    else:
        yield "done", None
