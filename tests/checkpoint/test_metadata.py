"""What config.json says is what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

from chargen.checkpoint.metadata import read_metadata


def test_the_hashes_are_those_of_the_files(checkpoint: Path) -> None:
    hashes = read_metadata(checkpoint).sha256
    assert hashes.keys() == {"model.safetensors", "tokenizer.json", "metrics.jsonl"}
    for name, sha256 in hashes.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == sha256
