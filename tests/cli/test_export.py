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


def test_a_smaller_checkpoint_has_a_name_of_its_own(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    flags = ("--format", "checkpoint", "--weights", "float16")
    done = run_chargen("export", checkpoint, *flags)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    cost, written = done.stderr.splitlines()
    assert cost.startswith("float16 weights cost ") and "in bits per byte: " in cost
    out = tmp_path / "checkpoints" / "tiny-float16"
    size = sum(path.stat().st_size for path in out.iterdir())
    assert written == f"written to checkpoints/tiny-float16 ({size / 1e6:.1f} MB)"
    assert "\nweights " in run_chargen("info", "tiny-float16").stdout
    facts = json.loads(run_chargen("info", "tiny-float16", "--json").stdout)
    assert facts["weights"] == "float16"
    again = run_chargen("export", checkpoint, *flags)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "tiny-float16 exists; replace it, with --overwrite, or name another" in again.stderr
    for name, folder in (("tiny-float16", out), ("./here", tmp_path / "here")):
        anew = ("--format", "checkpoint", "--out", name, "--overwrite")
        done = run_chargen("export", checkpoint, *anew)
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == 1, "nothing is rounded"
        assert "weights" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))


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
        (
            "CHECKPOINT --weights int8 --format onnx",
            2,
            "--weights needs --format html or checkpoint",
        ),
        ("CHECKPOINT --format checkpoint --out ./there.html", 1, "there.html exists; replace it"),
        (
            "CHECKPOINT --format checkpoint --out ./there.html --overwrite",
            1,
            "there.html exists, and is not a checkpoint; name another: --out FOLDER",
        ),
        (
            "CHECKPOINT --format checkpoint --out CHECKPOINT --overwrite",
            1,
            "is what is exported, or lies in it; name another: --out FOLDER",
        ),
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
