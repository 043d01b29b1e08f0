"""What tests share: a private cache, a small text, and one model trained on it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import settings

import chargen
from chargen import cli
from chargen.config import ModelConfig
from chargen.device import cuda_refusal
from chargen.files import encode_sorted
from chargen.generation import TextGenerator
from chargen.model import LanguageModel
from chargen.tokenizer import Tokenizer, Tokens

# Short lines that a tiny model learns by heart in seconds.
TEXT = "".join(
    f"{name}'S {place}\nThe {thing} is {colour}.\n"
    for name, place in (("GRANNY", "KITCHEN"), ("UNCLE JOE", "GARAGE"), ("ANNA", "GARDEN"))
    for thing, colour in (
        ("strawberry", "red"), ("banana", "yellow"), ("sky", "blue"), ("grass", "green"),
        ("caf\u00e9", "brown"),
    )
) * 12  # fmt: skip

# Machines are slow and busy at times; the same inputs each time make a failure repeat.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

Done = subprocess.CompletedProcess[str]
Chargen = Callable[..., Done]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `cuda` needs a GPU."""
    why = cuda_refusal()
    for item in items:
        if why is not None and item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {why}"))


@pytest.fixture(scope="session", autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing outside the test folders is read or written; one thread (unless CHARGEN_TEST_THREADS
    says otherwise), as tests run side by side with whatever else the machine does."""
    threads = os.environ.get("CHARGEN_TEST_THREADS", "1")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.setenv("OMP_NUM_THREADS", threads)
        torch.set_num_threads(int(threads))
        yield


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "tiny.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


SMALL: dict[str, Any] = {
    "hidden_size": 48, "embedding_size": 16, "batch_size": 4, "bptt": 24,
    "dropout": 0.0, "weight_dropout": 0.0,
}  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, corpus_file: Path) -> Path:
    """The folder of a model that knows the text by heart."""
    out = tmp_path_factory.mktemp("checkpoints") / "tiny"
    # In float32 it knows the same on every machine.
    options = SMALL | {"learning_rate": 0.02, "test_fraction": 0.0, "precision": "float32"}
    chargen.train(corpus_file, out=out, steps=300, **options)
    return out


@pytest.fixture(scope="session")
def subword_checkpoint(tmp_path_factory: pytest.TempPathFactory, corpus_file: Path) -> Path:
    """The same over subwords, among them GRANNY as a whole."""
    out = tmp_path_factory.mktemp("checkpoints") / "subwords"
    options = SMALL | {"learning_rate": 0.02, "test_fraction": 0.0, "precision": "float32"}
    tokens: dict[str, Any] = {"tokenizer": "subword", "vocab_size": 340, "subword_model": "bpe"}
    chargen.train(corpus_file, out=out, steps=300, **options, **tokens)
    return out


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, of another name and place."""
    return Path(shutil.copytree(checkpoint, tmp_path / "moved elsewhere"))


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


class FewTokens(Tokenizer):
    """Some pieces of text and the end of the document: few enough to try all texts."""

    def __init__(self, *pieces: str) -> None:
        super().__init__([*(piece.encode() for piece in pieces), b""], end=len(pieces))

    def encode_array(self, text: str) -> Tokens:
        """The longest piece that fits, again and again."""
        tokens, left = [], text.encode()
        while left:
            fitting = [t for t, piece in enumerate(self.pieces[:-1]) if left.startswith(piece)]
            tokens.append(max(fitting, key=lambda token: len(self.pieces[token])))
            left = left[len(self.pieces[tokens[-1]]) :]
        return np.array(tokens, dtype=np.int64)


def tiny(seed: int, *pieces: str) -> TextGenerator:
    """A network over a few tokens, untrained, with opinions strong enough to tell texts apart."""
    tokenizer = FewTokens(*pieces)
    torch.manual_seed(seed)
    network = LanguageModel(ModelConfig(hidden_size=6, embedding_size=3), tokenizer.vocab_size)
    with torch.no_grad():
        network.head.weight.mul_(4)
    return TextGenerator(network, tokenizer)


def logprob_of(generator: TextGenerator, before: Sequence[int], tokens: Sequence[int]) -> float:
    """The log-probability of tokens after others, from one pass of the plain model."""
    before = [generator.tokenizer.end, *before]
    with torch.inference_mode():
        rows = torch.tensor([[*before, *tokens]])
        logits, _ = generator.model(rows, generator.model.initial_state(1))
    logprobs = logits[0, len(before) - 1 : -1].double().log_softmax(-1)
    return float(logprobs.gather(-1, torch.tensor(tokens)[:, None]).sum())


@pytest.fixture
def run_chargen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chargen:
    """Run the command line in an empty folder, within this process, which is quick."""

    def run(*arguments: object, stdin: str | bytes = "") -> Done:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        streams = {
            "stdin": io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"),
            "stdout": io.TextIOWrapper(io.BytesIO()),
            "stderr": io.TextIOWrapper(io.BytesIO()),
        }
        on_terminate = signal.getsignal(signal.SIGTERM)
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            try:
                code = cli.main([str(argument) for argument in arguments])
            except SystemExit as leaving:
                code = int(leaving.code or 0)
        signal.signal(signal.SIGTERM, on_terminate)
        out, err = (_written(streams[name]) for name in ("stdout", "stderr"))
        return Done([], code, out, err)

    return run


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return str(stream.read())


@pytest.fixture
def spawn_chargen(tmp_path: Path) -> Chargen:
    """Run the command line in an empty folder as a process of its own."""

    def spawn(*arguments: object, stdin: str = "", **environment: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "chargen", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=120,
        )

    return spawn
