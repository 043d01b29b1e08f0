"""Where the numbers live: pick the device, the precision it trains in, what memory it has."""

from __future__ import annotations

import gc
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from chargen.config import DEVICES
from chargen.errors import DeviceError

NOT_BUILT, NO_GPU = "this torch was built without it", "no GPU is found"


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; any other name must be there (DeviceError)."""
    if name not in DEVICES:
        raise DeviceError(f"there is no device {name!r}", hint=f"there are {', '.join(DEVICES)}")
    # Without this cuBLAS, which cuDNN's RNNs call, may add in another order each time; it is read
    # once, when the first product is made. (torch's page on nn.LSTM names it.)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    if name == "auto":
        if cuda_refusal() is None:
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cuda" and (why := cuda_refusal()):
        raise DeviceError(f"device cuda is not there: {why}", hint="use --device auto or cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(
            "device mps is not there: it needs a Mac with an Apple chip",
            hint="use --device auto or cpu",
        )
    return torch.device(name)


@lru_cache(maxsize=1)
def cuda_refusal() -> str | None:
    """Why torch cannot compute on a GPU here; None where it can."""
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return NOT_BUILT
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            if not torch.cuda.is_available():
                # Of a driver that is too old torch only warns.
                return _first_sentence(str(told[0].message)) if told else NO_GPU
            # A GPU that this torch was not built for fails when the first kernel is launched.
            # Of several processes each looks at its own.
            own = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
            (torch.zeros(1, device=f"cuda:{own}") + 1).item()
        except RuntimeError as error:
            return _first_sentence(str(error))
    return None


def _first_sentence(text: str) -> str:
    sentence = re.split(r"\. |\n", text.removeprefix("CUDA initialization: "))[0]
    return sentence.strip().rstrip(".")


def describe(device: torch.device) -> str:
    """The device in a few words, for people."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        threads = torch.get_num_threads()
        name = f"cpu, {threads} thread{'s' if threads > 1 else ''}"
        why = cuda_refusal()
        is_plain = why in (None, NOT_BUILT, NO_GPU)
        return name if is_plain else f"{name} (the GPU is not used: {why})"
    return device.type


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the random numbers that dropout draws from, by kind of device."""
    states = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(device: torch.device, states: dict[str, Tensor]) -> None:
    """Go on where `random_states` was called, as far as it was on such a device."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


def uses_bfloat16(device: torch.device, cell: str, precision: str) -> bool:
    """Whether a training computes its products in bfloat16, by the option `precision`. DeviceError
    where it was asked for and does not work.

    `auto` takes it where it is faster: on CUDA for the output layer (for the cells see model.py);
    on a CPU that has instructions for it, for the LSTM, the one cell that oneDNN computes
    (benchmarks/train_speed.py).
    """
    if precision == "auto":
        return _bfloat16_is_faster(device, cell) and bfloat16_refusal(device.type, cell) is None
    if precision == "bfloat16" and (why := bfloat16_refusal(device.type, cell)):
        raise DeviceError(
            f"precision bfloat16 does not work for {cell} on this {device.type}: {why}",
            hint="use --precision auto or float32",
        )
    return precision == "bfloat16"


def _bfloat16_is_faster(device: torch.device, cell: str) -> bool:
    if device.type == "cpu" and cell == "lstm":
        # Older versions of torch do not tell; they train in float32.
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device.type == "cuda"


@lru_cache
def bfloat16_refusal(device_type: str, cell: str) -> str | None:
    """Why a cell cannot be trained with bfloat16 products; None where it can.

    Tried, not looked up: what the CPU has is not what oneDNN can do with it (its build, or
    ONEDNN_MAX_CPU_ISA, may leave instructions out).
    """
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    # Zeros, since a random state must not be moved by a try.
    shapes = ((gates * 8, 8), (gates * 8, 8), (gates * 8,), (gates * 8,))
    weights = [torch.zeros(shape, device=device_type, requires_grad=True) for shape in shapes]
    x, h = (torch.zeros(2, size, 8, device=device_type) for size in (3, 2))
    one_layer = (weights, True, 1, 0.0, True, False, True)
    h = h[:1]
    try:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            if cell == "lstm":
                y = torch.lstm(x, (h, h), *one_layer)[0]
            else:
                y = (torch.gru if cell == "gru" else torch.rnn_tanh)(x, h, *one_layer)[0]
        y.float().sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        return _first_sentence(str(error))
    return None


def autocast(device: torch.device, bfloat16: bool | None = None) -> AbstractContextManager[object]:
    """bfloat16 products over float32 weights, or plain float32; unless told, as CUDA likes it."""
    if device.type == "cuda" if bfloat16 is None else bfloat16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. A GPU is not waited for: it may still compute while it comes."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


# -- memory -----------------------------------------------------------------------------------


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be taken; None where nobody tells."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", told, re.MULTILINE)
    limits = [int(found[1]) * 1024] if found else []
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # a container may have less than its machine
            limits.append(int(Path(limit).read_text(encoding="ascii")))
    return min(limits, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is at its end."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's allocator and the libraries on a GPU have no error of their own, only these words.
    words = r"can't allocate memory|out of memory|ALLOC_FAILED"
    return isinstance(error, RuntimeError) and re.search(words, str(error)) is not None


def release_memory(device: torch.device) -> None:
    """Give back what is kept for later use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def within_memory() -> Iterator[None]:
    """Running out of memory becomes a DeviceError that says what to make smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            "the model and its batch do not fit into memory",
            hint="make --hidden-size, --batch-size or --bptt smaller",
        ) from error
