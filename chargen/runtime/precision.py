"""In which precision products are computed: float32 or bfloat16, and where the latter works."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch

from chargen.errors import DeviceError, setting
from chargen.runtime.device import first_sentence


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
            hint="use " + setting("precision", "auto") + " or float32",
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
        return first_sentence(str(error))
    return None


def autocast(device: torch.device, bfloat16: bool | None = None) -> AbstractContextManager[object]:
    """bfloat16 products over float32 weights, or plain float32; unless asked, as CUDA likes it."""
    if device.type == "cuda" if bfloat16 is None else bfloat16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
