"""Where the numbers live: pick the device, say what it is, send tensors to it.

That it is the CPU is said without torch: what needs torch imports it. What memory it has is
memory.py's, in which precision it multiplies precision.py's.
"""

from __future__ import annotations

import os
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from chargen.config import DEVICES
from chargen.errors import DeviceError, setting

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NOT_BUILT, NO_GPU = "this torch was built without it", "no GPU was found"


def device_type(name: str) -> str:
    """The type of the device that `pick_device` takes: cpu, cuda or mps. Where the CPU is named,
    torch is not asked. Raises DeviceError."""
    return "cpu" if str(name).lower() == "cpu" else pick_device(name).type


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; `gpu` one of the first two. Any other name must be
    there (DeviceError)."""
    import torch

    name = str(name).lower()  # of a torch.device, too
    if name == "gpu":
        name = "mps" if torch.backends.mps.is_available() else "cuda"
    if name not in DEVICES:
        raise DeviceError(
            f"there is no device {name!r}", hint=f"the devices are {', '.join(DEVICES)}"
        )
    if name == "auto":
        if cuda_refusal() is None:
            name = "cuda"
        else:
            name = "mps" if torch.backends.mps.is_available() else "cpu"
    elif name == "cuda" and (why := cuda_refusal()):
        raise DeviceError(
            f"device cuda is not available: {why}",
            hint="use " + setting("device", "auto") + " or cpu",
        )
    elif name == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(
            "device mps is not available: it needs a Mac with an Apple chip",
            hint="use " + setting("device", "auto") + " or cpu",
        )
    if name == "cuda":
        _make_cublas_deterministic()
    return torch.device(name)


def _make_cublas_deterministic() -> None:
    """Without this cuBLAS, which cuDNN's RNNs call, may add in another order each time.

    torch's page on nn.LSTM names the variable; there is no other way to say it, and it is read
    once, when the process's first product is made. What the user has set stays.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")


@lru_cache(maxsize=1)
def cuda_refusal() -> str | None:
    """Why torch cannot compute on a GPU here; None where it can."""
    import torch

    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return NOT_BUILT
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if not torch.cuda.is_available():
                # Of a driver that is too old torch only warns.
                return first_sentence(str(caught[0].message)) if caught else NO_GPU
            # A GPU that this torch was not built for fails when the first kernel is launched.
            # Of several processes each looks at its own.
            own = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
            (torch.zeros(1, device=f"cuda:{own}") + 1).item()
        except RuntimeError as error:
            return first_sentence(str(error))
    return None


def first_sentence(text: str) -> str:
    """Of an error of torch's, which may go on for a page."""
    sentence = re.split(r"\. |\n", text.removeprefix("CUDA initialization: "))[0]
    return sentence.strip().rstrip(".")


def describe(device: torch.device) -> str:
    """The device in a few words, for people."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        threads = torch.get_num_threads()
        name = f"cpu, {threads} thread{'s' if threads > 1 else ''}"
        why = cuda_refusal()
        is_plain = why in (None, NOT_BUILT, NO_GPU)
        return name if is_plain else f"{name} (the GPU is not used: {why})"
    return device.type


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. A GPU is not waited for: it may still compute while it comes."""
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
