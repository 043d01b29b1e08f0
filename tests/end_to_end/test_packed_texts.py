"""What was trained on an archive is known again: resumed, scored, and looked into."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.support.command import Chargen

SMALL = ("--hidden-size", 16, "--embedding-size", 8, "--batch-size", 2, "--bptt", 8)


def test_an_archive_is_trained_on_resumed_and_scored(run_chargen: Chargen, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.txt", f"caf\u00e9 number {number}\n".encode("cp1252") * 90)
        archive.writestr("logo.png", b"\x89PNG\r\n\x1a\n\0")
    refused = run_chargen("train", "notes.zip", *SMALL)
    assert refused.returncode == 1 and "4 of 4 files cannot be read:" in refused.stderr
    assert "read it with --encoding cp1252" in refused.stderr
    assert not (tmp_path / "checkpoints" / "notes").exists()
    encoding = ("--encoding", "cp1252")
    done = run_chargen("train", "notes.zip", *SMALL, *encoding, "--steps", 2, "--json")
    assert done.returncode == 0, done.stderr
    note = {"event": "note", "text": "notes.zip: 4 texts, 1 other file left out (logo.png)"}
    assert json.loads(done.stdout.splitlines()[0]) == note
    out = tmp_path / "checkpoints" / "notes"
    resumed = run_chargen("train", "--resume", "--out", out, "--steps", 4)
    assert resumed.returncode == 0, resumed.stderr
    assert note["text"] in resumed.stdout
    for command in (("eval", out, "notes.zip"), ("inspect", out, "--memory", "--max-context", 8)):
        run = run_chargen(*command, "--json")
        assert run.returncode == 0, run.stderr
    (tmp_path / "notes.zip").write_bytes(b"PK\3\4")
    gone = run_chargen("train", "--resume", "--out", out, "--steps", 6)
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)
    assert "cannot be read again: " in gone.stderr and "is damaged" in gone.stderr
