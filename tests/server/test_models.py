"""Models by their names, and which of them are in memory."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from chargen.checkpoint.filing import set_sampling
from chargen.checkpoint.locate import BUNDLED, BUNDLED_MODELS
from chargen.config import SamplingDefaults
from chargen.errors import CheckpointError
from chargen.generation.generator import TextGenerator, load
from chargen.server.models import (
    AllInUse,
    LoadError,
    Models,
    UnknownModel,
    found_folders,
    in_thread,
    named_folders,
)
from tests.support.fake_worker import FakeWorker, as_worker

FOLDERS = {name: Path(name) for name in ("a", "b", "c")}


class Loads:
    """What is loaded in place of models, and when."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.errors: list[BaseException] = []

    def load(self, folder: Path) -> TextGenerator:
        self.names.append(folder.name)
        assert self.may_go_on.wait(20)
        if self.errors:
            raise self.errors.pop()
        return self.generator

    generator: TextGenerator


@pytest.fixture(scope="module")
def generator() -> TextGenerator:
    return load("everyday")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, generator: TextGenerator) -> Iterator[Loads]:
    loads = Loads()
    loads.generator = generator
    monkeypatch.setattr("chargen.server.models.load", loads.load)
    yield loads
    loads.may_go_on.set()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(within())


def models(named: tuple[str, ...] = (), max_loaded: int = 8) -> Models:
    return Models(
        lambda: FOLDERS,
        lambda generator: as_worker(FakeWorker(generator)),
        named=named,
        max_loaded=max_loaded,
    )


async def loaded(of: Models, name: str | None) -> FakeWorker:
    async with of.borrow(name) as (_, worker):
        assert isinstance(worker, FakeWorker)
        return worker


def test_a_model_is_loaded_once_for_all_that_ask_at_that_time(loads: Loads) -> None:
    async def test() -> None:
        loads.may_go_on.clear()
        served = models()
        asking = [asyncio.ensure_future(loaded(served, "a")) for _ in range(5)]
        await asyncio.sleep(0)
        statuses = [served.status]
        loads.may_go_on.set()
        assert len({id(worker) for worker in await asyncio.gather(*asking)}) == 1
        assert [*statuses, served.status] == ["loading", "ok"]
        assert loads.names == ["a"]

    run(test)


def test_who_leaves_while_a_model_is_loaded_does_not_stop_that(loads: Loads) -> None:
    async def test() -> None:
        loads.may_go_on.clear()
        served = models()
        asking = asyncio.ensure_future(loaded(served, "a"))
        await asyncio.sleep(0)
        asking.cancel()
        loads.may_go_on.set()
        await loaded(served, "a")
        assert loads.names == ["a"]

    run(test)


def test_without_a_name_the_first_is_meant(loads: Loads) -> None:
    async def test() -> None:
        async with models().borrow(None) as (name, _):
            assert name == "a"

    run(test)


def test_a_load_that_fails_is_tried_again(loads: Loads) -> None:
    async def test() -> None:
        served = models()
        loads.errors = [CheckpointError("a is damaged")]
        with pytest.raises(LoadError, match="a is damaged"):
            await loaded(served, "a")
        assert served.status == "ok"
        await loaded(served, "a")

    run(test)


def test_the_idle_one_that_was_not_used_for_longest_makes_room(loads: Loads) -> None:
    async def test() -> None:
        served = models(max_loaded=2)
        first, second = await loaded(served, "a"), await loaded(served, "b")
        await loaded(served, "a")
        await loaded(served, "c")
        assert (first.is_closed, second.is_closed) == (False, True)

    run(test)


def test_what_is_in_use_is_not_closed(loads: Loads) -> None:
    async def test() -> None:
        served = models(max_loaded=2)
        async with served.borrow("a") as (_, first):
            second = await loaded(served, "b")
            second.is_idle = False
            with pytest.raises(AllInUse):
                await loaded(served, "c")
            second.is_idle = True
            await loaded(served, "c")
            assert isinstance(first, FakeWorker)
            assert not first.is_closed

    run(test)


def test_those_that_are_named_are_loaded_at_once_and_all_stay(loads: Loads) -> None:
    async def test() -> None:
        served = models(named=("a", "b", "c"), max_loaded=2)
        statuses = [served.status]
        await served.load_named()
        assert [*statuses, served.status] == ["loading", "ok"]
        assert loads.names == ["a", "b", "c"]
        assert len(served.workers) == 3

    run(test)


def test_one_that_cannot_be_loaded_anew_is_no_end(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else a proxy that asks after its health would never send it a request again."""

    async def test() -> None:
        served = models(named=("a",))
        await served.load_named()
        loads.errors = [CheckpointError("a is half written")]
        monkeypatch.setattr("chargen.server.models._version", lambda folder: (1, 2, 3))
        with pytest.raises(LoadError):
            await loaded(served, "a")
        assert served.status == "ok"
        await loaded(served, "a")

    run(test)


def test_one_that_dies_is_no_secret(loads: Loads) -> None:
    async def test() -> None:
        served = models()
        (await loaded(served, "a")).is_alive = False
        await loaded(served, "b")
        assert served.status == "error"

    run(test)


def test_an_unknown_name_is_told_what_there_is(loads: Loads) -> None:
    async def test() -> None:
        for name in ("d", "", "../a", "./a", "a/"):
            with pytest.raises(UnknownModel, match="a, b, c"):
                await loaded(models(), name)
        assert loads.names == []

    run(test)


def test_closing_ends_all_workers(loads: Loads) -> None:
    async def test() -> None:
        served = models()
        workers = [await loaded(served, name) for name in ("a", "b")]
        served.close()
        assert all(worker.is_closed for worker in workers)

    run(test)


# -- which there are --------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model below the ./checkpoints of an empty folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BUNDLED, tmp_path / "checkpoints" / "tiny")
    return Path("checkpoints/tiny")


def test_those_below_checkpoints_are_found_whenever_they_come(tiny: Path) -> None:
    bundled = {folder.name: folder for folder in BUNDLED_MODELS}
    assert found_folders(BUNDLED) == {**bundled, "tiny": tiny}
    assert list(found_folders(tiny)) == ["tiny", "everyday", "facts"]
    Path("checkpoints/everyday").mkdir()  # an empty folder is none
    shutil.copytree(tiny, "checkpoints/later")
    assert found_folders(BUNDLED) == {
        **bundled,
        "later": Path("checkpoints/later"),
        "tiny": tiny,
    }


def test_what_was_trained_further_is_loaded_anew(tiny: Path) -> None:
    async def test() -> None:
        served = Models(
            lambda: found_folders(tiny), lambda generator: as_worker(FakeWorker(generator))
        )
        async with served.borrow("tiny"):
            old = await loaded(served, "tiny")
            set_sampling(tiny, SamplingDefaults(temperature=0.5))
            new = await loaded(served, "tiny")
            assert new.generator.sample_config({}).temperature == 0.5
            assert not old.is_closed  # somebody has it in hand
        assert (old.is_closed, new.is_closed) == (True, False)
        shutil.rmtree(tiny)  # what is in memory stays there
        assert await loaded(served, "tiny") is new

    run(test)


def test_what_is_damaged_is_not_listed(tiny: Path) -> None:
    shutil.copytree(tiny, "checkpoints/broken")
    Path("checkpoints/broken/config.json").write_text("{")

    async def test() -> None:
        served = Models(
            lambda: found_folders(BUNDLED), lambda generator: as_worker(FakeWorker(generator))
        )
        assert [name for name, _ in await served.listed()] == ["everyday", "tiny", "facts"]
        assert (await served.described("tiny")).folder == tiny
        with pytest.raises(CheckpointError):
            await served.described("broken")

    run(test)


def test_what_is_named_wrongly_is_said_before_anything_is_loaded(tiny: Path) -> None:
    assert named_folders(["tiny", "everyday", str(tiny)]) == {"tiny": tiny, "everyday": BUNDLED}
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        named_folders(["everyday", "nowhere"])
    shutil.copytree(tiny, "elsewhere/tiny")
    with pytest.raises(CheckpointError, match="same name"):
        named_folders(["tiny", "elsewhere/tiny"])
    Path("elsewhere/tiny/config.json").write_text("{")
    with pytest.raises(CheckpointError):
        named_folders(["elsewhere/tiny"])


def test_work_in_a_thread_returns_and_raises() -> None:
    async def test() -> None:
        assert await in_thread(lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 // 0)

    run(test)
