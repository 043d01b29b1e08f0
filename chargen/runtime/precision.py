"""In which precision products are computed: float32 or bfloat16, and where the latter works."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch

from chargen.errors import DeviceError, setting
from chargen.runtime.device import first_sentence

# From this width a cell's products are faster in bfloat16, on a CPU that has instructions for it
# (benchmarks/recurrence.py). Narrow ones take less time than the rounding.
FASTER_FROM = {"lstm": 0, "gru": 384, "rnn": 384}


def uses_bfloat16(device: torch.device, cell: str, hidden_size: int, precision: str) -> bool:
    """Whether a training computes its products in bfloat16, by the option `precision`. DeviceError
    where it was asked for and does not work.

    `auto` takes it where it is faster: on CUDA for the output layer (for the cells see model.py);
    on a CPU that has instructions for it, from some width on.
    """
    if precision == "auto":
        faster = _bfloat16_is_faster(device, cell, hidden_size)
        return faster and bfloat16_refusal(device.type, cell) is None
    if precision == "bfloat16" and (why := bfloat16_refusal(device.type, cell)):
        raise DeviceError(
            f"precision bfloat16 does not work for {cell} on this {device.type}: {why}",
            hint="use " + setting("precision", "auto") + " or float32",
        )
    return precision == "bfloat16"


def _bfloat16_is_faster(device: torch.device, cell: str, hidden_size: int) -> bool:
    if device.type == "cpu" and hidden_size >= FASTER_FROM[cell]:
        # Older versions of torch do not tell; they train in float32.
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device.type == "cuda"


@lru_cache
def bfloat16_refusal(device_type: str, cell: str) -> str | None:
    """Why a cell cannot be trained with bfloat16 products; None where it can.

    Tried, not looked up: what the CPU has is not what oneDNN can do with it (its build, or
    ONEDNN_MAX_CPU_ISA, may leave instructions out). An LSTM on a CPU is a function of its own
    there; the other cells take plain products.
    """
    # Zeros, since a random state must not be moved by a try.
    x = torch.zeros(2, 3, 8, device=device_type, requires_grad=True)
    try:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            if cell == "lstm":
                shapes = ((32, 8), (32, 8), (32,), (32,))
                weights = [torch.zeros(s, device=device_type, requires_grad=True) for s in shapes]
                h = torch.zeros(1, 2, 8, device=device_type)
                y = torch.lstm(x, (h, h), weights, True, 1, 0.0, True, False, True)[0]
            else:
                y = torch.matmul(x, torch.zeros(8, 8, device=device_type))
        y.float().sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        return first_sentence(str(error))
    return None


def autocast(device: torch.device, bfloat16: bool | None = None) -> AbstractContextManager[object]:
    """bfloat16 products over float32 weights, or plain float32; unless asked, as CUDA likes it."""
    if device.type == "cuda" if bfloat16 is None else bfloat16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
