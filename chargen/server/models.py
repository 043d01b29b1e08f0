"""The models that are served, by their names: each loaded when it is first asked for, by all who
ask at that time together, anew once its checkpoint was saved again, and closed where it was not
used for longest and room is needed.

A name is looked up among those that there are: nothing from a request becomes part of a path. Knows
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from chargen.checkpoint.files import CONFIG
from chargen.checkpoint.locate import (
    checkpoint_names,
    find_named,
    require_checkpoint,
)
from chargen.checkpoint.metadata import CheckpointMetadata, read_metadata
from chargen.errors import ChargenError, CheckpointError
from chargen.generation.generator import TextGenerator, load
from chargen.reprs import counted
from chargen.server.worker import Worker
from chargen.suggestions import nearest

MAX_LOADED = 8  # models in memory, unless more were named on the command line
MAX_NAMED = 20  # models, in a message

Result = TypeVar("Result")
# Of config.json, which is written last where a checkpoint is saved: inode, bytes, nanoseconds.
Version = tuple[int, int, int]
Folders = Callable[[], Mapping[str, Path]]
OpenWorker = Callable[[TextGenerator], Worker]


class UnknownModel(ChargenError):
    """No model goes by the name that a request gives."""


class AllInUse(ChargenError):
    """One more model would be too many in memory, and none can be closed."""


class LoadError(ChargenError):
    """A model that there is cannot be loaded."""


@dataclass
class _Slot:
    """A model that is in memory, or on its way there."""

    folder: Path
    version: Version | None  # of the checkpoint in it
    worker: asyncio.Future[Worker]
    users: int = 0  # requests that have it in hand
    last_used: float = field(default_factory=time.monotonic)

    @property
    def ready(self) -> Worker | None:
        is_there = self.worker.done() and not self.worker.cancelled()
        return None if not is_there or self.worker.exception() else self.worker.result()

    @property
    def is_idle(self) -> bool:
        return self.users == 0 and self.ready is not None and self.ready.is_idle

    @property
    def is_outdated(self) -> bool:
        """Whether the checkpoint was saved again since; one that is gone was not."""
        return self.ready is not None and _version(self.folder) not in (None, self.version)


class Models:
    """The models that can be asked for. Lives in one event loop."""

    def __init__(
        self,
        folders: Folders,
        open_worker: OpenWorker,
        *,
        named: Sequence[str] = (),
        max_loaded: int = MAX_LOADED,
    ) -> None:
        """`folders` says where the models lie that there are at the time, by name, the default one
        first; those that were `named` are loaded by `load_named` and stay. `open_worker` is called
        in the event loop."""
        self._folders = folders
        self._open_worker = open_worker
        self._named = named
        self._has_named = not named  # once they were all there
        self._max_loaded = max(max_loaded, len(named))
        self._default = next(iter(folders()))
        self._slots: dict[str, _Slot] = {}

    # -- which there are ------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Those that there are now, the default one first."""
        return list(self._folders())

    async def listed(self) -> list[tuple[str, CheckpointMetadata]]:
        """The same with what is known of each; those that are damaged are left out."""
        return await in_thread(self._listed)

    def _listed(self) -> list[tuple[str, CheckpointMetadata]]:
        listed = []
        for name, folder in self._folders().items():
            with suppress(ChargenError):
                listed.append((name, read_metadata(folder)))
        return listed

    async def described(self, name: str) -> CheckpointMetadata:
        """What is known of one. Raises UnknownModel, CheckpointError."""
        folder = self._folder(name)
        return await in_thread(lambda: read_metadata(folder))

    def find(self, name: str | None) -> tuple[str, Path]:
        """A model's name and where it lies; the default one where no name is given. Raises
        UnknownModel."""
        name = self._default if name is None else name
        return name, self._folder(name)

    def _folder(self, name: str) -> Path:
        folders = self._folders()
        if name not in folders:
            raise _unknown(name, list(folders))
        return folders[name]

    # -- those in memory ------------------------------------------------------------------------

    @asynccontextmanager
    async def borrow(self, name: str | None) -> AsyncIterator[tuple[str, Worker]]:
        """A model's name and its worker, which stays open as long as it is borrowed; the default
        one where no name is given. Raises UnknownModel; AllInUse; what loading it raises, and then
        the next request tries again. What was trained further is loaded anew; the old model is
        closed once nobody has it in hand."""
        name = self._default if name is None else name
        slot = self._slots.get(name)
        if slot is not None and slot.is_outdated:
            self._slots.pop(name)
            self._close_unless_used(name, slot)
            slot = None
        slot = slot or self._open(name)
        slot.users += 1
        try:
            yield name, await asyncio.shield(slot.worker)  # it goes on for whoever asks next
        finally:
            slot.users -= 1
            slot.last_used = time.monotonic()
            self._close_unless_used(name, slot)

    def _close_unless_used(self, name: str, slot: _Slot) -> None:
        """Close a model that another has taken the place of, once it may be."""
        if self._slots.get(name) is not slot and slot.users == 0 and slot.ready is not None:
            slot.ready.close()

    async def load_named(self) -> None:
        """Load those that were named. Raises what the first that fails raises."""
        for slot in [self._slots.get(name) or self._open(name) for name in self._named]:
            await asyncio.shield(slot.worker)
        self._has_named = True

    def _open(self, name: str) -> _Slot:
        """Begin to load a model. Raises UnknownModel, AllInUse."""
        folder = self._folder(name)
        self._make_room()
        slot = _Slot(folder, _version(folder), asyncio.ensure_future(self._load(folder)))
        slot.worker.add_done_callback(lambda done: self._forget_failure(name, done))
        self._slots[name] = slot
        return slot

    async def _load(self, folder: Path) -> Worker:
        try:
            generator = await in_thread(lambda: _generator(folder))
        except (ChargenError, MemoryError) as error:
            raise LoadError(f"cannot load {folder.name}: {error or 'out of memory'}") from error
        return self._open_worker(generator)

    def _forget_failure(self, name: str, loading: asyncio.Future[Worker]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._slots.pop(name, None)

    def _make_room(self) -> None:
        """Close the model that was not used for longest, where one more would be too many. Raises
        AllInUse."""
        if len(self._slots) < self._max_loaded:
            return
        idle = [(slot.last_used, name) for name, slot in self._slots.items() if slot.is_idle]
        if not idle:
            raise AllInUse(
                f"{counted(self._max_loaded, 'model')} are in use, and no more may be in memory",
                hint="try again later, or use one of those",
            )
        worker = self._slots.pop(min(idle)[1]).ready
        assert worker is not None
        worker.close()

    @property
    def workers(self) -> list[Worker]:
        """Those that are there."""
        return [worker for slot in self._slots.values() if (worker := slot.ready)]

    @property
    def status(self) -> Literal["ok", "loading", "error"]:
        """`error` where one has died; `loading` until those that were named are there, and while
        none is there but one on its way."""
        workers = self.workers
        if not all(worker.is_alive for worker in workers):
            return "error"
        if not self._has_named or (self._slots and not workers):
            return "loading"
        return "ok"

    def close(self) -> None:
        """End all workers; what they have in hand gets an error."""
        for worker in self.workers:
            worker.close()
        self._slots.clear()


def named_folders(checkpoints: Sequence[str]) -> dict[str, Path]:
    """Where the checkpoints lie that were named, by the names that their models get. Raises
    CheckpointError."""
    named: dict[str, Path] = {}
    for checkpoint in checkpoints:
        folder = require_checkpoint(checkpoint)
        read_metadata(folder)  # what is wrong with it is said before any is loaded
        name = folder.resolve().name
        if named.setdefault(name, folder).resolve() != folder.resolve():
            raise CheckpointError(
                f"{named[name]} and {folder} have the same name",
                hint="models go by the names of their folders: rename one",
            )
    return named


def found_folders(default: Path) -> dict[str, Path]:
    """Where the bundled models and those below ./checkpoints lie now, by name; first the default
    one, wherever that is."""
    found = {default.resolve().name: default}
    for name in checkpoint_names():
        if (folder := find_named(name)) is not None:  # still there
            found.setdefault(name, folder)
    return found


def _version(folder: Path) -> Version | None:
    try:
        found = (folder / CONFIG).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _generator(folder: Path) -> TextGenerator:
    generator = load(folder)
    _ = generator.engine  # which takes a while, too
    return generator


def _unknown(name: str, names: Sequence[str]) -> UnknownModel:
    near = nearest(name, names)
    question = f"did you mean {near}? " if near else ""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    there_are = f"the models are {', '.join(names[:MAX_NAMED])}{more}" if names else "there is none"
    return UnknownModel(f"there is no model {name[:100]!r}", hint=question + there_are)


async def in_thread(work: Callable[[], Result]) -> Result:
    """What the work returns or raises. Nobody waits for its thread, should the process end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done
