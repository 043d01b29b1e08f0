"""A checkpoint goes through one .zip file and is the same; any other file is refused, and leaves
nothing behind."""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.checkpoint.archive import pack, unpack
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.errors import CheckpointError
from chargen.runtime.files import Lock
from tests.support.command import Chargen
from tests.support.mutations import mutated_bytes
from tests.support.seals import edit_config

Entries = list[tuple[ZipInfo, bytes]]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(folder: Path) -> dict[str, bytes]:
    return {n: a.tobytes() for n, a in load_checkpoint(folder).weights.arrays.items()}


@pytest.fixture
def packed(checkpoint: Path, tmp_path: Path) -> Path:
    target = tmp_path / "packed.zip"
    pack(checkpoint, target)
    return target


def changed(packed: Path, change: Callable[[Entries], object]) -> Path:
    """The archive with other entries, written by zipfile."""
    with ZipFile(packed) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    change(entries)
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return packed


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> ZipInfo:
    info = ZipInfo(name)
    info.external_attr = mode << 16
    return info


# -- there and back ---------------------------------------------------------------------------


def test_a_model_comes_back_as_it_was(checkpoint: Path, packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "deep" / "tiny")
    before, after = content(checkpoint), content(tmp_path / "deep" / "tiny")
    assert before.keys() - after.keys() == {"training.safetensors"}
    assert all(before[name] == after[name] for name in after)
    pack(checkpoint, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_run_comes_back_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    pack(checkpoint, tmp_path / "run.zip", training=True)
    unpack(tmp_path / "run.zip", tmp_path / "there" / "tiny")
    assert content(tmp_path / "there" / "tiny") == content(checkpoint)
    assert load_snapshot(tmp_path / "there" / "tiny").progress == load_snapshot(checkpoint).progress


def test_a_subword_model_comes_back(subword_checkpoint: Path, tmp_path: Path) -> None:
    pack(subword_checkpoint, tmp_path / "one.zip")
    unpack(tmp_path / "one.zip", tmp_path / "one")
    assert weights(tmp_path / "one") == weights(subword_checkpoint)


@pytest.mark.parametrize("top", ["", "my model/", "modèle/"])
def test_another_programs_archive_is_read(packed: Path, tmp_path: Path, top: str) -> None:
    """Files at the top or in a folder; what a Mac adds to it is left out."""

    def change(entries: Entries) -> None:
        for info, _ in entries:
            info.filename = top + info.filename.rpartition("/")[2]
            info.external_attr = 0  # as on Windows
        if top:
            entries.insert(0, (entry(top, stat.S_IFDIR | 0o755), b""))
        entries.append((entry(f"__MACOSX/{top}._config.json"), b"attributes"))
        entries.append((entry(f"{top}.DS_Store"), b"icons"))

    unpack(changed(packed, change), tmp_path / "there")
    assert "config.json" in content(tmp_path / "there")


def test_what_shutil_zips_is_read(checkpoint: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(
        str(tmp_path / "made"), "zip", checkpoint.parent, base_dir=checkpoint.name
    )
    unpack(made, tmp_path / "tiny")
    assert content(tmp_path / "tiny") == content(checkpoint)


# -- what is not packed -----------------------------------------------------------------------


def test_what_would_not_open_again_is_not_packed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "one.zip"
    (folder / "model.safetensors").write_bytes(b"cut off by a crash")
    with pytest.raises(CheckpointError, match=r"not saved completely.*training=True"):
        pack(folder, target)
    pack(folder, target, training=True)
    unpack(target, tmp_path / "there")
    assert weights(tmp_path / "there") == weights(folder)
    target.unlink()
    (folder / "training.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        pack(folder, target)
    with pytest.raises(CheckpointError, match=r"has no training\.safetensors"):
        pack(folder, target, training=True)
    assert not target.exists()


def test_a_card_that_is_too_long_to_unpack_is_not_packed(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_bytes(bytes(10_000_001))
    with pytest.raises(CheckpointError, match=r"README\.md takes more than the 10,000,000 bytes"):
        pack(folder, tmp_path / "one.zip")
    assert not (tmp_path / "one.zip").exists()


def test_what_is_in_use_or_in_the_way_stays(folder: Path, packed: Path, tmp_path: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(CheckpointError, match="exists"):
        pack(folder, packed)
    assert packed.read_bytes() == before
    lock = Lock(folder)
    with pytest.raises(CheckpointError, match="in use"):
        pack(folder, tmp_path / "other.zip")
    lock.release()
    with pytest.raises(CheckpointError, match=r"cannot write .*: No such file or directory"):
        pack(folder, tmp_path / "nowhere" / "one.zip")
    assert sorted(os.listdir(tmp_path)) == [folder.name, "packed.zip"]


# -- what is not unpacked ---------------------------------------------------------------------


def renamed(name: str) -> Callable[[Entries], object]:
    def change(entries: Entries) -> None:
        entries[-1][0].filename = name

    return change


REFUSED: dict[str, tuple[Callable[[Entries], object], str]] = {
    "absolute": (renamed("/etc/model.safetensors"), "not a file of a checkpoint"),
    "upwards": (renamed("../model.safetensors"), "more than one folder"),
    "deep": (renamed("tiny/../../metrics.jsonl"), "not a file of a checkpoint"),
    "unknown": (renamed("tiny/run.sh"), "'tiny/run.sh', which is not a file of a checkpoint"),
    "a control character": (renamed("tiny/\x1b[2J"), r"'tiny/\\x1b\[2J', which"),
    "two folders": (renamed("other/metrics.jsonl"), "more than one folder"),
    "twice": (lambda entries: entries.append(entries[0]), "config.json' twice"),
    "a link": (
        lambda entries: setattr(entries[-1][0], "external_attr", (stat.S_IFLNK | 0o777) << 16),
        "is a link or a device",
    ),
    "bzip2": (
        lambda entries: setattr(entries[-1][0], "compress_type", ZIP_BZIP2),
        "a method other than deflate",
    ),
    "no config": (lambda entries: entries.pop(0), "no config.json"),
    "nothing": (lambda entries: entries.clear(), "no config.json"),
    "no weights": (lambda entries: entries.pop(2), "cannot read model.safetensors"),
    "another tokenizer": (
        lambda entries: entries.__setitem__(1, (entries[1][0], b"{}")),
        "tokenizer.json is damaged",
    ),
    "a large model": (
        lambda entries: entries.__setitem__(
            2, (entries[2][0], random.Random(1).randbytes(2_000_000))
        ),
        "its model.safetensors takes 2,000,000 bytes, more than",
    ),
    "a bomb": (
        lambda entries: entries.__setitem__(2, (entries[2][0], bytes(90_000_000))),
        "far more than it holds",
    ),
    "a newer format": (
        lambda entries: entries.__setitem__(0, (entries[0][0], b'{"format": 99}')),
        "newer version of chargen .*; upgrade chargen",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", REFUSED)
def test_a_forged_archive_is_refused_and_nothing_is_left(
    packed: Path, tmp_path: Path, what: str
) -> None:
    change, message = REFUSED[what]
    changed(packed, change)
    with pytest.raises(CheckpointError, match=message) as raised:
        unpack(packed, tmp_path / "there")
    assert "\n" not in str(raised.value) and ".part" not in str(raised.value)
    assert os.listdir(tmp_path) == ["packed.zip"]


def test_a_size_that_lies_is_not_believed(packed: Path, tmp_path: Path) -> None:
    """No more is written than the archive says, and then it is not what was packed."""
    with ZipFile(packed) as archive:
        size = archive.getinfo("tiny/model.safetensors").file_size
    true, false = size.to_bytes(4, "little"), (size // 2).to_bytes(4, "little")
    packed.write_bytes(packed.read_bytes().replace(true, false))
    with pytest.raises(CheckpointError, match="it is damaged"):
        unpack(packed, tmp_path / "there")
    assert os.listdir(tmp_path) == ["packed.zip"]


@pytest.mark.parametrize("offset", [2**64 - 1, 2**63 - 1, 2**40])
def test_an_entry_that_lies_beyond_the_file_is_damage(
    packed: Path, tmp_path: Path, offset: int
) -> None:
    """As the extra field of a large archive may say, in 64 bits."""
    data = packed.read_bytes()
    at = data.index(b"PK\x01\x02")
    name_bytes, extra_bytes = struct.unpack_from("<2H", data, at + 28)
    assert extra_bytes == 0
    extra = struct.pack("<2HQ", 1, 8, offset)
    head = (
        data[at : at + 30] + struct.pack("<H", len(extra)) + data[at + 32 : at + 42] + b"\xff" * 4
    )
    end = data.rindex(b"PK\x05\x06")
    size = struct.unpack_from("<I", data, end + 12)[0] + len(extra)
    packed.write_bytes(
        data[:at] + head + data[at + 46 : at + 46 + name_bytes] + extra
        + data[at + 46 + name_bytes : end + 12] + struct.pack("<I", size) + data[end + 16 :]
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="it is damaged: Bad offset"):
        unpack(packed, tmp_path / "there")
    assert os.listdir(tmp_path) == ["packed.zip"]


def test_an_encrypted_archive_is_refused(packed: Path, tmp_path: Path) -> None:
    data = bytearray(packed.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    packed.write_bytes(data)
    with pytest.raises(CheckpointError, match="it is encrypted"):
        unpack(packed, tmp_path / "there")


def test_what_is_no_archive_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("words")
    for path, message in (
        (tmp_path / "text.zip", "not a .zip file"),
        (tmp_path / "none.zip", "No such file"),
        (checkpoint, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(CheckpointError, match=message):
            unpack(path, tmp_path / "there")
    assert os.listdir(tmp_path) == ["text.zip"]


def test_a_damaged_training_state_is_refused(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "run.zip", training=True)

    def damage(entries: Entries) -> None:
        info, data = entries[-1]
        entries[-1] = (info, data[:-1] + bytes([data[-1] ^ 1]))

    changed(tmp_path / "run.zip", damage)
    with pytest.raises(CheckpointError, match=r"training\.safetensors is damaged"):
        unpack(tmp_path / "run.zip", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_config_that_claims_a_huge_model_takes_no_memory(
    folder: Path, packed: Path, tmp_path: Path
) -> None:
    edit_config(folder, lambda config: config["model"].update(hidden_size=65536, num_layers=64))
    forged = (folder / "config.json").read_bytes()
    changed(packed, lambda entries: entries.__setitem__(0, (entries[0][0], forged)))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        unpack(packed, tmp_path / "there")


@pytest.fixture(scope="module")
def archives(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One that is deflated, and one that is not, where damage reaches the files themselves."""
    folder = tmp_path_factory.mktemp("archives")
    pack(checkpoint, folder / "deflated.zip")
    with (
        ZipFile(folder / "deflated.zip") as source,
        ZipFile(folder / "stored.zip", "w") as archive,
    ):
        for name in source.namelist():
            archive.writestr(ZipInfo(name), source.read(name))
    return [folder / "deflated.zip", folder / "stored.zip"]


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 1), near_end=st.booleans())
def test_a_damaged_archive_is_refused_or_the_same(
    checkpoint: Path, archives: list[Path], seed: int, which: int, near_end: bool
) -> None:
    """Near its end stands what the entries are called and where they are."""
    whole = archives[which].read_bytes()
    kept = len(whole) - 700 if near_end else 0
    data = whole[:kept] + mutated_bytes(whole[kept:], random.Random(seed))
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        (here / "damaged.zip").write_bytes(data)
        target = here / "a" / "there"
        try:
            unpack(here / "damaged.zip", target)
        except CheckpointError as error:
            assert str(here / "damaged.zip") in str(error) and "\n" not in str(error)
            assert "Invalid argument" not in str(error)
            assert not target.parent.exists() or os.listdir(target.parent) == []
        else:
            assert weights(target) == weights(checkpoint)
            assert os.listdir(target.parent) == ["there"]
        assert set(os.listdir(here)) <= {"damaged.zip", "a"}


# -- the commands -----------------------------------------------------------------------------


def test_the_commands(run_chargen: Chargen, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "checkpoints" / "own")
    done = run_chargen("pack", "own")
    assert done.returncode == 0
    assert done.stderr.startswith("packed checkpoints/own into own.zip (0.")
    done = run_chargen("unpack", "own.zip")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["chargen: checkpoints/own exists; choose another name, or remove it first"],
    )
    assert run_chargen("unpack", "own.zip", "--out", "new").stderr == (
        "unpacked own.zip into checkpoints/new\n"
    )
    assert run_chargen("pack", "new", "--out", "own.zip").stderr == (
        "chargen: own.zip exists; remove it first, or choose another file with --out FILE\n"
    )
    assert run_chargen("pack", "new", "--training").returncode == 1
    os.rename(tmp_path / "own.zip", tmp_path / "other.zip")
    assert run_chargen("unpack", "other.zip").stderr == (
        "unpacked other.zip into checkpoints/other\n"
    )
    assert weights(tmp_path / "checkpoints" / "other") == weights(checkpoint)
