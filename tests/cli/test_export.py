"""`chargen export`: what it writes where, and what it says."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargen.export import measurements
from chargen.export.html import EXPORT
from tests.support.command import Chargen
from tests.support.pages import ParsedPage


@pytest.fixture(scope="module", autouse=True)
def little_is_measured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurements, "TOKENS", 1000)
        patch.setattr(measurements, "MEASURED_TOKENS", 0)
        yield


def test_a_page_is_called_as_the_checkpoint(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    done = run_chargen("export", checkpoint)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    size = (tmp_path / "tiny.html").stat().st_size
    assert done.stderr == f"written to tiny.html ({size / 1e6:.1f} MB)\n"
    found = ParsedPage((tmp_path / "tiny.html").read_text(encoding="utf-8"))
    assert json.loads(found.files[EXPORT])["weights"] == "float32"
    assert os.listdir(tmp_path) == ["tiny.html"], "nothing is left beside it"
    mode = stat.S_IMODE((tmp_path / "tiny.html").stat().st_mode)
    assert mode & stat.S_IRUSR and not mode & stat.S_IXUSR


def test_a_graph_has_its_tokenizer_beside_it(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    done = run_chargen("export", checkpoint, "--format", "onnx")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    beside, written = done.stderr.splitlines()
    assert beside == "its tokenizer is beside it, in tiny.tokenizer.json"
    assert written.startswith("written to tiny.onnx (0.")
    assert sorted(os.listdir(tmp_path)) == ["tiny.onnx", "tiny.tokenizer.json"]


def test_what_fewer_bits_cost_is_said(
    run_chargen: Chargen, checkpoint: Path, folder: Path, tmp_path: Path
) -> None:
    flags = ("--format", "HTML", "--weights", "int8", "-o", "a.html")
    done = run_chargen("export", checkpoint, *flags)
    assert done.returncode == 0, done.stderr
    cost, written = done.stderr.splitlines()
    assert cost.startswith("int8 weights cost ") and "in bits per byte: " in cost
    assert "characters of the validation part" in cost
    assert written.startswith("written to a.html (0.")
    (folder / "training.safetensors").unlink()
    done = run_chargen("export", folder, *flags, "--overwrite")
    assert "what int8 costs is unknown: the training text is not here\n" in done.stderr


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        ("nowhere", 1, "no such checkpoint: nowhere"),
        ("CHECKPOINT --out there.html", 1, "there.html exists; replace it, with --overwrite, or"),
        ("CHECKPOINT --out folder", 1, "folder is a folder; name a file, with --out FILE"),
        ("CHECKPOINT --out no/x.html", 1, "cannot write no/x.html: there is no folder no"),
        ("CHECKPOINT --out sealed/x.html", 1, "cannot write sealed/x.html: "),
        ("CHECKPOINT --format pdf", 2, "invalid choice: 'pdf'"),
        ("CHECKPOINT --weights int4", 2, "invalid choice: 'int4'"),
        ("CHECKPOINT --weights int8 --format onnx", 2, "--weights needs --format html"),
    ],
)
def test_what_is_wrong_is_one_line(
    run_chargen: Chargen,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    code: int,
    says: str,
) -> None:
    (tmp_path / "there.html").write_text("mine", encoding="utf-8")
    for name in ("folder", "sealed"):
        (tmp_path / name).mkdir()
    if "sealed" in flags:  # root may write anywhere

        def refuse(path: Path, content: bytes) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("chargen.export.files.write_file", refuse)
    done = run_chargen("export", *flags.replace("CHECKPOINT", str(checkpoint)).split())
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "there.html").read_text(encoding="utf-8") == "mine"
