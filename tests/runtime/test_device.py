"""The device is picked, or it is said why not."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest
import torch

from chargen.errors import DeviceError
from chargen.runtime import device
from chargen.runtime.device import describe, pick_device

OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). "
    "Please update your GPU driver by downloading and installing a new version from the URL: ..."
)


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    device.cuda_refusal.cache_clear()
    yield
    device.cuda_refusal.cache_clear()


@pytest.mark.parametrize("name", ["cpu", "CPU", torch.device("cpu")])
def test_a_device_is_named_in_any_case(name: str) -> None:
    assert pick_device(name) == torch.device("cpu")


def test_torch_is_asked_where_the_cpu_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; from chargen.runtime.device import device_type; "
    code += "print(device_type('CPU'), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "cpu False\n"
    monkeypatch.setattr(device, "cuda_refusal", lambda: "no GPU was found")
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert device.device_type("auto") == "cpu"
    monkeypatch.setattr(device, "cuda_refusal", lambda: None)
    assert {device.device_type(name) for name in ("auto", "gpu", "cuda")} == {"cuda"}
    with pytest.raises(DeviceError, match="there is no device 'cpus'"):
        device.device_type("cpus")


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
        "device cuda is not available: The NVIDIA driver on your system is too old (found version "
        "11040); use device='auto' or cpu"
    )


def test_auto_goes_on_without_such_a_gpu_and_says_so(old_driver: None) -> None:
    assert pick_device("auto").type in ("cpu", "mps")
    assert "the GPU is not used: The NVIDIA driver" in describe(torch.device("cpu"))


def test_a_gpu_that_torch_was_not_built_for_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_cublas_is_asked_for_the_same_sums_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.setenv(name, "for monkeypatch to restore")
    monkeypatch.delenv(name)
    pick_device("cpu")
    assert name not in os.environ
    monkeypatch.setattr(device, "cuda_refusal", lambda: None)
    assert pick_device("cuda") == pick_device("auto") == torch.device("cuda")
    assert os.environ[name] == ":4096:2"
    monkeypatch.setenv(name, ":16:8")
    pick_device("cuda")
    assert os.environ[name] == ":16:8", "what the user has set stays"


def test_gpu_is_whichever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.runtime.device.cuda_refusal", lambda: None)
    assert pick_device("gpu").type == "cuda"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert pick_device("gpu").type == "mps"
    monkeypatch.undo()
    monkeypatch.setattr("chargen.runtime.device.cuda_refusal", lambda: "no GPU was found")
    with pytest.raises(DeviceError, match="no GPU was found"):
        pick_device("gpu")
