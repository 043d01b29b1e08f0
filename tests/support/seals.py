"""Checkpoints changed, and sealed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from chargen.runtime.files import encode_sorted


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the folder's config.json says, as one would who knows how it is sealed."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    if "seal" in config:
        config["seal"] = seal_of(config)
    path.write_text(json.dumps(config), encoding="utf-8")


def edit_training(
    folder: Path,
    change: Callable[[dict[str, Any]], object] = lambda state: None,
    change_tensors: Callable[[dict[str, torch.Tensor]], object] = lambda tensors: None,
) -> None:
    """Change what the folder's training.safetensors says and holds, sealed again."""
    path = folder / "training.safetensors"
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["chargen"])
    change(state)
    change_tensors(tensors)
    if "seal" in state:
        if "seal" in state["config"]:
            state["config"]["seal"] = seal_of(state["config"])
        parts = [
            f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode()
            + tensor.view(-1).view(torch.uint8).numpy().tobytes()
            for name, tensor in sorted(tensors.items())
        ]
        state["seal"] = seal_of(state, *parts)
    safetensors.torch.save_file(tensors, path, {"chargen": json.dumps(state)})


def seal_of(record: dict[str, Any], *tensors: bytes) -> str:
    """The sha256 of a record without its seal, its keys in order, and of what stands behind it."""
    return hashlib.sha256(encode_sorted(record | {"seal": ""}) + b"".join(tensors)).hexdigest()
