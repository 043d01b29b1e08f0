"""Where the numbers live: pick the device, and the precision it trains in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from chargen.config import DEVICES
from chargen.errors import DeviceError


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; any other name must be there (DeviceError)."""
    if name not in DEVICES:
        raise DeviceError(f"there is no device {name!r}", hint=f"there are {', '.join(DEVICES)}")
    # Without this cuBLAS, which cuDNN's RNNs call, may add in another order each time; it is read
    # once, when the first product is made. (torch's page on nn.LSTM names it.)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        why = "this torch was built without it" if torch.version.cuda is None else "no GPU is found"
        raise DeviceError(f"device cuda is not there: {why}", hint="use --device auto or cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(
            "device mps is not there: it needs a Mac with an Apple chip",
            hint="use --device auto or cpu",
        )
    return torch.device(name)


def describe(device: torch.device) -> str:
    """The device in a few words, for people."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
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


def picks_bfloat16(device: torch.device, cell: str) -> bool:
    """Whether training is faster with bfloat16 products: on CUDA; on a CPU that has instructions
    for them, for the LSTM, the one cell that oneDNN computes (benchmarks/train_speed.py)."""
    if device.type == "cpu" and cell == "lstm":
        # Older versions of torch do not tell; they train in float32.
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device.type == "cuda"


def autocast(device: torch.device, bfloat16: bool | None = None) -> AbstractContextManager[object]:
    """bfloat16 products over float32 weights, or plain float32; unless told, as CUDA likes it."""
    if device.type == "cuda" if bfloat16 is None else bfloat16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def within_memory() -> Iterator[None]:
    """Running out of memory becomes a DeviceError that says what to make smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # The CPU's allocator has no error of its own, only these words.
        told = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not told and "can't allocate memory" not in str(error):
            raise
        raise DeviceError(
            "the model and its batch do not fit into memory",
            hint="make --hidden-size, --batch-size or --bptt smaller",
        ) from error
