"""What tests share: a private cache, a small text, and one model trained on it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

import chargen
from chargen.cli import main as cli
from chargen.runtime.device import cuda_refusal
from tests.support.command import Chargen, Done
from tests.support.samples import SMALL, TEXT

# Where the tests were started in the background or under nohup these are ignored, and whatever
# they start would inherit that.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

# Machines are slow and busy at times; the same inputs each time make a failure repeat.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


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
        # pytest's plugins import readline, which sets these for the workers of pytest-xdist.
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        torch.set_num_threads(int(threads))
        yield


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "tiny.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


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


@pytest.fixture(scope="session")
def word_checkpoint(tmp_path_factory: pytest.TempPathFactory, corpus_file: Path) -> Path:
    """The same over words."""
    out = tmp_path_factory.mktemp("checkpoints") / "words"
    options = SMALL | {"learning_rate": 0.02, "test_fraction": 0.0, "precision": "float32"}
    chargen.train(corpus_file, out=out, steps=300, tokenizer="word", vocab_size=310, **options)
    return out


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, of another name and place."""
    return Path(shutil.copytree(checkpoint, tmp_path / "moved elsewhere"))


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
