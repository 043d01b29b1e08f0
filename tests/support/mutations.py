"""Damage, drawn from a seed: to bytes, to what JSON says, to the files of a checkpoint."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.seals import seal_of

Content = dict[str, Any]


def state_of(size: int, value: float) -> str:
    """As many equal float32 in base64."""
    return base64.b64encode(np.full(size, value, dtype="<f4").tobytes()).decode()


STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 2**31, 2**63, 2**64, 10**400, 1e308, "", "x", "\0", "\u00e9", [], {},
    [[]], [None], [-1], [2**70], [""], ["a", "b", "c"], {"a": 1}, "NaN",
    state_of(96, np.nan), state_of(96, np.inf), state_of(96, 1), state_of(95, 0), state_of(97, 0),
    "A===", base64.b64encode(b"\xff").decode(), base64.b64encode(b"abc").decode(),
)  # fmt: skip
PATHS = ("../../../etc/passwd", "/dev/zero", "/etc/shadow", "-", "..", "a/../../b", "*", "x" * 5000)


def mutated_bytes(data: bytes, draw: random.Random) -> bytes:
    """Cut, with bits flipped, or with something missing, put in or repeated elsewhere."""
    changed = bytearray(data)
    at = draw.randrange(len(data))
    match draw.randrange(5):
        case 0:
            return bytes(changed[:at])
        case 1:
            for _ in range(draw.randint(1, 4)):
                changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        case 2:
            del changed[at : at + draw.randint(1, 40)]
        case 3:
            changed[at:at] = draw.choice([b"\0", b"\xff", b"}", b"[", b'"', b"\\ud800", b"1e999"])
        case _:
            other = draw.randrange(len(data))
            changed[at : at + 20] = data[other : other + 20]
    return bytes(changed)


def mutated_values(
    content: Content, draw: random.Random, strange: tuple[Any, ...] = STRANGE
) -> Content:
    """With one value, key or item at any depth another, gone or there twice."""
    content = copy.deepcopy(content)
    spots: list[tuple[Any, Any]] = []
    edge: list[Any] = [content]
    while edge:
        inner = edge.pop()
        keys = inner.keys() if isinstance(inner, dict) else range(len(inner))
        for key in keys:
            spots.append((inner, key))
            if isinstance(inner[key], dict | list):
                edge.append(inner[key])
    owner, key = draw.choice(spots)
    match draw.randrange(6):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[f"{key}_"] = owner[key]
        case 1:
            owner.append(owner[key])
        case _:
            owner[key] = draw.choice(strange)
    return content


# -- checkpoints ------------------------------------------------------------------------------


def damage(folder: Path, draw: random.Random) -> str:
    """Damage one of the folder's files as accidents do; what was done."""
    path = draw.choice(sorted(folder.iterdir()))
    act = draw.choice(ACCIDENTS)
    act(path, draw)
    return f"{act.__name__} {path.name}"


def forge(folder: Path, draw: random.Random) -> str:
    """Change the folder as one would who knows how it is sealed; what was done."""
    act = draw.choice(FORGERIES)
    act(folder, draw)
    return act.__name__


def bytes_changed(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    changed = content
    while changed == content:
        changed = mutated_bytes(content, draw)
    path.write_bytes(changed)


def missing(path: Path, draw: random.Random) -> None:
    path.unlink()


def values_changed(path: Path, draw: random.Random) -> None:
    """What JSON says, wherever it stands."""
    if path.suffix != ".safetensors":
        lines = path.read_text(encoding="utf-8", errors="surrogateescape")
        try:
            content = json.loads(lines)
        except ValueError:  # a sentencepiece model, lines of JSON
            return bytes_changed(path, draw)
        path.write_text(json.dumps(mutated_values(content, draw)), encoding="utf-8")
        return None
    header, rest = _parts(path)
    _join(path, mutated_values(header, draw), rest)
    return None


def header_lies(path: Path, draw: random.Random) -> None:
    """A length or a shape that is not there."""
    if path.suffix != ".safetensors":
        return bytes_changed(path, draw)
    header, rest = _parts(path)
    content = path.read_bytes()
    lengths = (0, 1, len(content), len(content) * 2, 60_000_000, 2**31, 2**40, 2**63, 2**64 - 1)
    if draw.random() < 0.5:
        path.write_bytes(struct.pack("<Q", draw.choice(lengths)) + content[8:])
        return None
    name = draw.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    match draw.randrange(4):
        case 0:
            entry["shape"] = draw.choice([[], [2**40], [2**62, 8], [0], [-1], ["a"], 5])
        case 1:
            entry["dtype"] = draw.choice(["F64", "F16", "U8", "I8", "BOOL", "BF16", "X9", 3])
        case 2:
            entry["data_offsets"] = draw.choice([[0, 2**60], [5, 3], [0, 0], [-4, 0], [0]])
        case _:
            header[draw.choice(PATHS)] = entry
    _join(path, header, rest)
    return None


def made_huge(path: Path, draw: random.Random) -> None:
    """Twenty gigabytes of zeros behind it, none of them on the disk."""
    with open(path, "r+b") as file:
        file.truncate(20_000_000_000)


def made_another_thing(path: Path, draw: random.Random) -> None:
    """A link to nothing, to itself, to a device without end; a folder; a pipe."""
    path.unlink()
    match draw.randrange(7):
        case 0:
            path.symlink_to(path)
        case 1:
            path.symlink_to(path.parent / "nowhere")
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(draw.choice(sorted(path.parent.iterdir())))
        case 4:
            path.mkdir()
        case 5:
            path.symlink_to(path.parent)
        case _:
            os.mkfifo(path)


ACCIDENTS: tuple[Callable[[Path, random.Random], None], ...] = (
    bytes_changed, bytes_changed, bytes_changed, missing, values_changed, values_changed,
    header_lies, made_huge, made_another_thing,
)  # fmt: skip


def config_says_else(folder: Path, draw: random.Random) -> None:
    """Values or names of paths in config.json, sealed again; no training state beside it."""
    (folder / "training.safetensors").unlink(missing_ok=True)
    path = folder / "config.json"
    content = mutated_values(json.loads(path.read_bytes()), draw, STRANGE + PATHS)
    _write_config(path, content)


def tokenizer_says_else(folder: Path, draw: random.Random) -> None:
    (folder / "training.safetensors").unlink(missing_ok=True)
    _change_hashed(folder, draw.choice(sorted(folder.glob("tokenizer.*"))), draw)


def weights_say_else(folder: Path, draw: random.Random) -> None:
    (folder / "training.safetensors").unlink(missing_ok=True)
    path = folder / "model.safetensors"
    if draw.random() < 0.5:
        header_lies(path, draw)
    _change_hashed(folder, path, draw)


def weights_beyond_numbers(folder: Path, draw: random.Random) -> None:
    """No numbers, or so large that they soon give none."""
    (folder / "training.safetensors").unlink(missing_ok=True)
    path = folder / "model.safetensors"
    header, rest = _parts(path)
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    start, stop = draw.choice([e["data_offsets"] for e in entries if e["dtype"] == "F32"])
    value = draw.choice([np.nan, np.inf, -np.inf, 1e38, 1e30, -1e20])
    filled = np.full((stop - start) // 4, value, dtype="<f4").tobytes()
    _join(path, header, rest[:start] + filled + rest[stop:])
    _seal_anew(folder, path)


def training_says_else(folder: Path, draw: random.Random) -> None:
    """Values in the state of the run; its seal cannot be right, for want of the tensors."""
    path = folder / "training.safetensors"
    header, rest = _parts(path)
    state = mutated_values(json.loads(header["__metadata__"]["chargen"]), draw, STRANGE + PATHS)
    if isinstance(state.get("config"), dict):
        state["config"]["seal"] = seal_of(state["config"])
    header["__metadata__"]["chargen"] = json.dumps(state)
    _join(path, header, rest)
    if draw.random() < 0.7:
        (folder / "config.json").unlink()


FORGERIES: tuple[Callable[[Path, random.Random], None], ...] = (
    config_says_else, config_says_else, tokenizer_says_else, weights_say_else, training_says_else,
    weights_beyond_numbers,
)  # fmt: skip


def _change_hashed(folder: Path, path: Path, draw: random.Random) -> None:
    bytes_changed(path, draw)
    _seal_anew(folder, path)


def _seal_anew(folder: Path, path: Path) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    config["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    _write_config(folder / "config.json", config)


def _write_config(path: Path, content: Content) -> None:
    with suppress(OverflowError, ValueError):  # a number that no record could hold
        content["seal"] = seal_of(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def _parts(path: Path) -> tuple[Content, bytes]:
    """The header of a safetensors file, and what stands behind it."""
    content = path.read_bytes()
    [length] = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _join(path: Path, header: object, rest: bytes) -> None:
    spelled = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(spelled)) + spelled + rest)
