"""What goes wrong with a file of a checkpoint names the folder, the file and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.checkpoint.files import CONFIG, TRAINING, DamagedError, blaming, read_content
from chargen.errors import CheckpointError, ConfigError

FOLDER = Path("checkpoints/mine")


@pytest.mark.parametrize("error", [ValueError("it is odd"), ConfigError("it is odd")])
def test_a_wrong_content_is_the_fault_of_its_file(error: Exception) -> None:
    with pytest.raises(DamagedError) as raised, blaming(FOLDER, CONFIG):
        raise error
    assert raised.value.message == "checkpoints/mine/config.json is damaged: it is odd"
    with (
        pytest.raises(DamagedError, match=r"training\.safetensors.*init_from="),
        blaming(FOLDER, TRAINING),
    ):
        raise error


def test_what_was_blamed_on_another_file_stays_so() -> None:
    with (
        pytest.raises(CheckpointError) as raised,
        blaming(FOLDER, TRAINING),
        blaming(FOLDER, CONFIG),
    ):
        raise ValueError("it is odd")
    assert "config.json" in str(raised.value) and "training" not in str(raised.value)
    first = CheckpointError("written by a newer chargen")
    with pytest.raises(CheckpointError) as raised, blaming(FOLDER, TRAINING):
        raise first
    assert raised.value is first


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"cannot read .*config\.json: No such file"):
        read_content(tmp_path, CONFIG)
    (tmp_path / CONFIG).write_bytes(b"12345")
    with pytest.raises(DamagedError, match="5 bytes, more than the 4"):
        read_content(tmp_path, CONFIG, at_most=4)
    with (
        pytest.raises(DamagedError, match="Permission denied; it may be intact"),
        blaming(tmp_path, CONFIG),
    ):
        raise PermissionError(13, "Permission denied")
