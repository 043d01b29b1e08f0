"""Products are in bfloat16 where that works and helps, and it is said where it does not."""

from __future__ import annotations

import pytest
import torch

from chargen.errors import DeviceError
from chargen.runtime import precision
from tests.support.command import Chargen
from tests.support.networks import CELL_NAMES


@pytest.mark.parametrize("isa", ["SSE41", "AVX2", "AVX512_CORE"])
def test_an_lstm_trains_whatever_instructions_onednn_may_use(
    spawn_chargen: Chargen, corpus_file: object, isa: str
) -> None:
    done = spawn_chargen(
        "train",
        corpus_file,
        "--steps",
        2,
        "--hidden-size",
        16,
        "--out",
        "run",
        ONEDNN_MAX_CPU_ISA=isa,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_bfloat16_that_does_not_work_is_left_or_refused(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("could not create a primitive descriptor. Run workload with environment")

    state = torch.get_rng_state()
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert precision.uses_bfloat16(cpu, "gru", 64, "auto") is False  # narrow: faster without
    assert precision.uses_bfloat16(cpu, cell, 512, "float32") is False
    precision.bfloat16_refusal.cache_clear()
    for name in ("lstm", "matmul"):
        monkeypatch.setattr(torch, name, broken)
    assert precision.uses_bfloat16(cpu, cell, 512, "auto") is False
    with pytest.raises(DeviceError) as raised:
        precision.uses_bfloat16(cpu, cell, 512, "bfloat16")
    precision.bfloat16_refusal.cache_clear()
    assert str(raised.value) == (
        f"precision bfloat16 does not work for {cell} on this cpu: could not create a primitive "
        "descriptor; use precision='auto' or float32"
    )
    assert torch.equal(torch.get_rng_state(), state)
