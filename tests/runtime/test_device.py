"""The device is picked, or it is said why not; memory is looked at before it is taken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from chargen.errors import DeviceError
from chargen.runtime import device
from chargen.runtime.device import describe, free_memory, pick_device, within_memory
from tests.support.command import Chargen

OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). "
    "Please update your GPU driver by downloading and installing a new version from the URL: ..."
)


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    device.cuda_refusal.cache_clear()
    yield
    device.cuda_refusal.cache_clear()


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch with CUDA on a machine whose driver it cannot use."""

    def is_available() -> bool:
        warnings.warn(OLD_DRIVER, UserWarning, stacklevel=2)
        return False

    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", is_available)


def test_a_driver_that_torch_cannot_use_is_told_in_a_line(old_driver: None) -> None:
    with pytest.raises(DeviceError) as raised:
        pick_device("cuda")
    assert str(raised.value) == (
        "device cuda is not there: The NVIDIA driver on your system is too old (found version "
        "11040); use --device auto or cpu"
    )


def test_auto_goes_on_without_such_a_gpu_and_says_so(old_driver: None) -> None:
    assert pick_device("auto").type in ("cpu", "mps")
    assert "the GPU is not used: The NVIDIA driver" in describe(torch.device("cpu"))


def test_a_gpu_that_torch_was_not_built_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def zeros(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available for execution\nCompile with")

    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "zeros", zeros)
    with pytest.raises(DeviceError, match="no kernel image is available for execution; use"):
        pick_device("cuda")


def test_where_there_is_no_gpu_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for built in (False, True):
        device.cuda_refusal.cache_clear()
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda built=built: built)
        assert "GPU" not in describe(torch.device("cpu"))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't "
     "allocate memory")],
)  # fmt: skip
def test_running_out_of_memory_is_told(error: Exception) -> None:
    with pytest.raises(DeviceError, match="do not fit into memory"), within_memory():
        raise error


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="a bug"), within_memory():
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("flags", "parts_would_help"),
    [(["--hidden-size", 8000], False), (["--hidden-size", 64, "--batch-size", 10**6], True)],
)
def test_what_has_no_room_is_refused_before_it_is_taken(
    run_chargen: Chargen,
    corpus_file: object,
    flags: list[object],
    parts_would_help: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = free_memory(torch.device("cpu"))
    assert free is None or free > 1 << 20
    monkeypatch.setattr("chargen.training.setup.free_memory", lambda _: 10**9)
    done = run_chargen("train", corpus_file, *flags, "--steps", 1, "--out", "run")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "GB at the least, and 1.0 GB of memory are free" in line and "--bptt smaller" in line
    assert ("--accumulate" in line) is parts_would_help


@pytest.mark.parametrize("isa", ["SSE41", "AVX2", "AVX512_CORE"])
def test_an_lstm_trains_whatever_instructions_onednn_may_use(
    spawn_chargen: Chargen, corpus_file: object, isa: str
) -> None:
    done = spawn_chargen(
        "train", corpus_file, "--steps", 2, "--hidden-size", 16, "--out", "run",
        ONEDNN_MAX_CPU_ISA=isa,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_bfloat16_that_does_not_work_is_left_or_refused(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("could not create a primitive descriptor. Run workload with environment")

    state = torch.get_rng_state()
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert device.uses_bfloat16(cpu, "gru", "auto") is False
    assert device.uses_bfloat16(cpu, cell, "float32") is False
    device.bfloat16_refusal.cache_clear()
    for name in ("lstm", "gru", "rnn_tanh"):
        monkeypatch.setattr(torch, name, broken)
    assert device.uses_bfloat16(cpu, cell, "auto") is False
    with pytest.raises(DeviceError) as raised:
        device.uses_bfloat16(cpu, cell, "bfloat16")
    device.bfloat16_refusal.cache_clear()
    assert str(raised.value) == (
        f"precision bfloat16 does not work for {cell} on this cpu: could not create a primitive "
        "descriptor; use --precision auto or float32"
    )
    assert torch.equal(torch.get_rng_state(), state)
