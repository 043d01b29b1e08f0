"""Several processes that learn one model together, as `torchrun` starts them; or one by itself.

Each process is a rank. Rank 0 leads: it decides, saves and shows, and tells the others, which
follow, what to do next. All call the same functions here in the same order. What is sent and
gathered goes between CPUs (gloo); gradients are averaged by DistributedDataParallel where they are
(NCCL on GPUs). The only door to torch.distributed.
"""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chargen.errors import ConfigError, DeviceError, RanksError, named, setting
from chargen.runtime.files import decode_any, encode
from chargen.runtime.signals import ignore_termination
from chargen.runtime.torchrun import is_local_rank_0, is_one_of_several

# Rank 0 may read a long text, plan and validate while the others wait. A process that dies closes
# its connections, which is noticed at once, and torchrun looks after machines that vanish.
PATIENCE = timedelta(days=7)
# What rank 0 tells beside the commands of `send_command`, which are not negative.
SHARED, FAILED = -1, -2


class Ranks:
    """This process among all that learn together: here it is the only one."""

    rank = 0
    world_size = 1
    local_rank = 0  # among those of this machine
    local_world_size = 1
    has_failed = False  # after something went wrong they would wait for each other in vain

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def rows(self, batch_size: int) -> range:
        """Which of so many streams are this rank's. Raises ConfigError where there are too few."""
        if batch_size < self.world_size:
            raise ConfigError(
                f"{self.world_size} ranks cannot share {batch_size} streams: each needs its own",
                hint=f"start no more than {batch_size}, or begin a run with a larger "
                + named("batch_size"),
            )
        return range(
            self.rank * batch_size // self.world_size,
            (self.rank + 1) * batch_size // self.world_size,
        )

    def broadcast(self, value: Any) -> Any:
        """What rank 0 gives, JSON-able, at every rank."""
        return value

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that rank 0 gives, at every rank: there as they are, elsewhere on the CPU."""
        return dict(tensors)

    def send_command(self, command: int, value: float = 0.0) -> None:
        """From rank 0 to all that `receive_command`; of the others nothing is sent."""

    def receive_command(self) -> tuple[int, float]:
        """What rank 0 told."""
        raise NotImplementedError

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum over the ranks: on the CPU, unless there is but one."""
        return tensor

    def gather(self, part: Tensor, rows: range, count: int) -> Tensor:
        """All `world_size` rows, of which `part` has these: on the CPU, unless all are here."""
        return part

    def wrap_ddp(self, module: nn.Module) -> nn.Module:
        """The module, whose backward passes leave at every rank the mean of all ranks'
        gradients, and which begins everywhere with the weights of rank 0."""
        return module

    def no_sync(self, module: nn.Module) -> AbstractContextManager[object]:
        """Within it backward passes of what `wrap_ddp` gave only add up at each rank."""
        return nullcontext()

    @contextmanager
    def local_first(self) -> Iterator[None]:
        """Within it are first one rank of each machine, then the others, who find on its disk what
        that one has left there."""
        yield

    def is_reporter(self) -> bool:
        """Whether it is this rank that tells what went wrong: the first that asks, of all."""
        return True

    def request_stop(self) -> None:
        """Have rank 0 learn that this one was told to stop."""

    def stop_reason(self) -> str | None:
        """Why no rank should go on, though all could."""
        return None

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """What goes wrong at one rank in the midst of this is a RanksError at the others, at the
        latest when it ends."""
        yield


ALONE = Ranks()


class _Torchrun(Ranks):
    """One of several processes that torchrun has started."""

    def __init__(self, device: torch.device) -> None:
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.local_world_size = int(os.environ["LOCAL_WORLD_SIZE"])
        self._on_gpu = device.type == "cuda"
        self._rank_0_failed = False
        self._parent = os.getppid()
        timeout = timedelta(minutes=10)
        self._store, self.rank, self.world_size = next(
            dist.rendezvous("env://", timeout=timeout)  # type: ignore[attr-defined]
        )
        backend = "cpu:gloo,cuda:nccl" if self._on_gpu else "gloo"
        dist.init_process_group(
            backend,
            store=self._store,
            rank=self.rank,
            world_size=self.world_size,
            timeout=PATIENCE,
        )
        atexit.register(_leave)

    def broadcast(self, value: Any) -> Any:
        content = encode(value) if self.is_main else b""
        self.send_command(SHARED, len(content))
        size = len(content) if self.is_main else int(self.receive_command()[1])
        buffer = torch.frombuffer(bytearray(content or size), dtype=torch.uint8)
        return decode_any(self._broadcast(buffer).numpy().tobytes())

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        shapes = self.broadcast(
            [
                [name, str(t.dtype).removeprefix("torch."), list(t.shape)]
                for name, t in tensors.items()
            ]
        )
        shared = {}
        for name, dtype, shape in shapes:
            if self.is_main:
                shared[name] = tensors[name]
                sent = tensors[name].detach().cpu().contiguous()
            else:
                shared[name] = sent = torch.empty(shape, dtype=getattr(torch, dtype))
            self._broadcast(sent.view(-1).view(torch.uint8))
        return shared

    def send_command(self, command: int, value: float = 0.0) -> None:
        if self.is_main:
            self._broadcast(torch.tensor([command, value], dtype=torch.float64))

    def receive_command(self) -> tuple[int, float]:
        command, value = self._broadcast(torch.zeros(2, dtype=torch.float64)).tolist()
        if command == FAILED:
            self._rank_0_failed = True
            raise RanksError("rank 0 could not continue")
        return int(command), value

    def all_reduce(self, tensor: Tensor) -> Tensor:
        summed = tensor.cpu()
        dist.all_reduce(summed)
        return summed

    def gather(self, part: Tensor, rows: range, count: int) -> Tensor:
        whole = torch.zeros(count, *part.shape[1:], dtype=part.dtype)
        whole[rows.start : rows.stop] = part.cpu()
        return self.all_reduce(whole)  # all but one of what is added are zeros

    def wrap_ddp(self, module: nn.Module) -> nn.Module:
        # No step changes a buffer, so none is sent. torch 2.13 has renamed the option.
        names = inspect.signature(DistributedDataParallel).parameters
        sync = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        return DistributedDataParallel(
            module,
            device_ids=[self.local_rank] if self._on_gpu else None,
            gradient_as_bucket_view=True,
            **{sync: False},  # type: ignore[arg-type]
        )

    def no_sync(self, module: nn.Module) -> AbstractContextManager[object]:
        assert isinstance(module, DistributedDataParallel)
        return module.no_sync()

    @contextmanager
    def local_first(self) -> Iterator[None]:
        if self.local_rank:
            self.all_reduce(torch.zeros(1))  # waits for all
        yield
        if not self.local_rank:
            self.all_reduce(torch.zeros(1))

    def is_reporter(self) -> bool:
        if self._rank_0_failed:  # or it was stopped, which is no mistake
            return False
        try:
            return bool(self._store.add("told", 1) == 1)
        except RuntimeError:  # torchrun, which keeps the store, has ended
            return self.is_main

    def request_stop(self) -> None:
        with suppress(RuntimeError):
            self._store.set("stopped", str(self.rank))

    def stop_reason(self) -> str | None:
        if os.getppid() != self._parent:
            return "torchrun has ended, so its ranks end, too"
        with suppress(RuntimeError):
            if self._store.check(["stopped"]):
                return f"rank {self._store.get('stopped').decode()} was stopped, so all stop"
        return None

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            self.has_failed = True
            ignore_termination()  # torchrun sends SIGTERM as soon as it has seen one rank end
            self._broadcast_failure()
            # gloo's errors have no class of their own.
            if isinstance(error, dist.DistError) or (
                isinstance(error, RuntimeError) and "gloo" in str(error)
            ):
                raise RanksError(
                    f"one of the {self.world_size} ranks has ended, so the others cannot continue"
                ) from error
            raise

    def _broadcast_failure(self) -> None:
        """To those that hear. Others may wait for something else of this rank: they are not waited
        for, and find out when it ends."""
        if self.is_main:
            told = torch.tensor([FAILED, 0], dtype=torch.float64)
            with suppress(RuntimeError):
                dist.broadcast(told, 0, async_op=True).wait(timedelta(seconds=2))

    def _broadcast(self, tensor: Tensor) -> Tensor:
        dist.broadcast(tensor, 0)
        return tensor


def _leave() -> None:
    """Let gloo's threads end before Python does: one that lets go of a tensor later aborts. What
    still holds the group, as DistributedDataParallel does, would keep them."""
    exit_if_failed(1)
    with suppress(ValueError):  # not in the main thread
        # Of a rank that dies torchrun ends the others.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.collect()
    dist.destroy_process_group()


def exit_if_failed(exit_code: int) -> None:
    """End at once where something went wrong between the ranks. NCCL would say goodbye to others
    that wait for this one; that its connections close is what frees them."""
    if _joined is not None and _joined.has_failed:
        _exit_now(exit_code)


def leave_and_exit(exit_code: int) -> None:
    """For a rank on the command line, whose process is ours to end: without what torch's libraries
    still tear down at the end of one, in which a thread of theirs can abort it. Returns where no
    group was joined."""
    exit_if_failed(exit_code)
    if _joined is not None:
        _leave()
        _exit_now(exit_code)


def _exit_now(exit_code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)


# A process is in one group for as long as it lives: torch.distributed keeps that group for it,
# torchrun starts it for one run, and NCCL and gloo do not leave and join again. So who joined first
# is remembered here, for the later trainings of a script and for those who show its mistakes.
_joined: Ranks | None = None


def join(device: torch.device) -> tuple[Ranks, torch.device]:
    """This process among those that torchrun has started, and the device that is its own; where
    torchrun has started none, it is alone. Raises DeviceError."""
    global _joined
    if not is_one_of_several():
        return ALONE, device
    local_rank, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if device.type == "cuda":
        gpus = torch.cuda.device_count()
        if here > gpus:
            raise DeviceError(
                f"{here} ranks on this machine need a GPU each, but it has {gpus}",
                hint=f"start torchrun with --nproc-per-node {gpus}, or add "
                + setting("device", "cpu"),
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise DeviceError(
            f"several ranks cannot train on {device.type}",
            hint="add " + setting("device", "cpu") + ", or use one process",
        )
    if _joined is None:
        _joined = _Torchrun(device)
    if _joined.has_failed:
        raise RanksError(
            "the process group is unusable after an earlier failure", hint="start torchrun again"
        )
    return _joined, device


def error_prefix() -> str | None:
    """Who tells people what went wrong, if it is this process: one of a run, or, before they have
    found each other, one of a machine. Rank 0 needs no name."""
    if not (is_local_rank_0() if _joined is None else _joined.is_reporter()):
        return None
    return f"rank {_joined.rank}: " if _joined is not None and _joined.rank else ""
