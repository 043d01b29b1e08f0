"""Archives and packed streams give what was put in, whatever its shape; hostile ones are refused
in a line, and nothing is written under their names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.formats import archives, compression
from chargen.formats.archives import clean_name, is_tar, is_zip, tar_members, zip_members
from chargen.formats.compression import compression_of, unpacked, unpacking

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
with suppress(ImportError):
    import zstandard

    PACKERS["zstd"] = zstandard.compress

names = st.text("ab/.é \n\\", min_size=1, max_size=20)
files = st.lists(st.tuples(names, st.binary(max_size=2000)), max_size=5)


def read(data: bytes) -> bytes:
    kind = compression_of(data[:10])
    assert kind
    with unpacking("a"):
        return unpacked(io.BytesIO(data), kind, "a").read()


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def tarred(members: list[tuple[str, bytes]], shape: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=shape) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def in_tar(data: bytes) -> list[tuple[str, bytes]]:
    return [(m.name, m.stream.read()) for m in tar_members(io.BytesIO(data), "a.tar")]


def in_zip(path: Path) -> list[tuple[str, bytes]]:
    return [(member.name, member.stream.read()) for member in zip_members(path, "a.zip")]


@pytest.mark.parametrize("packing", PACKERS)
@given(parts=st.lists(st.binary(max_size=5000), min_size=1, max_size=3))
def test_parts_that_were_packed_one_by_one_are_one_stream(packing: str, parts: list[bytes]) -> None:
    packed = b"".join(map(PACKERS[packing], parts))
    assert compression_of(packed) == packing
    assert read(packed) == b"".join(parts)


@pytest.mark.parametrize("packing", PACKERS)
@given(data=st.data())
def test_what_is_torn_or_changed_is_refused_or_read(packing: str, data: st.DataObject) -> None:
    packed = bytearray(PACKERS[packing](random.Random(1).randbytes(500)))
    cut = data.draw(st.integers(10, len(packed) - 1))
    with pytest.raises(CorpusError, match="a is damaged, or not all of it is there"):
        read(bytes(packed[:cut]))
    packed[data.draw(st.integers(10, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(CorpusError):
        read(bytes(packed))


@pytest.mark.parametrize("packing", PACKERS)
def test_a_bomb_is_not_unpacked(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(compression, "MAX_RATIO", 50)
    with pytest.raises(CorpusError, match="unpacks to more than 50 times its size"):
        read(PACKERS[packing](bytes(8 << 20)))


@pytest.mark.parametrize("shape", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_of_any_shape_gives_its_files(shape: int) -> None:
    long = "a folder/" * 11 + "é" * (40 if shape == tarfile.USTAR_FORMAT else 200)
    members = [("a.txt", b"one" * 300), ("d/b.txt", b""), (long, b"three")]
    data = tarred(members, shape)
    assert is_tar(data)
    assert in_tar(data) == [(clean_name(name), content) for name, content in members]


@given(members=files)
def test_a_zip_gives_its_files_under_clean_names(
    members: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.zip"
    unique = list(dict(members).items())
    path.write_bytes(zipped(unique))
    assert is_zip(path.read_bytes())
    found = in_zip(path)
    assert all(".." not in name.split("/") and name.isprintable() for name, _ in found)
    kept = [c for n, c in unique if not zipfile.ZipInfo(n).is_dir()]
    assert sorted(content for _, content in found) == sorted(kept)


@pytest.mark.parametrize("make", [zipped, tarred])
@given(data=st.data())
def test_a_hostile_archive_is_read_or_refused(
    make: Callable[[list[tuple[str, bytes]]], bytes],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(make([("a.txt", b"a text " * 50), ("b.txt", b"b" * 600)]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(len(content) // 2, len(content))) :]
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(content)
    with suppress(CorpusError):
        if make is zipped:
            in_zip(path)
        else:
            in_tar(bytes(content))


def test_links_are_passed_over() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("link")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert in_tar(file.getvalue()) == []


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped([("a.txt", b"text")]))
    for at in (6, content.index(b"PK\1\2") + 8):
        content[at] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CorpusError, match=r"a\.zip/a\.txt is encrypted; unpack it yourself"):
        in_zip(tmp_path / "a.zip")


def test_so_is_an_archive_of_too_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    members = [(f"{n}.txt", b"") for n in range(9)]
    (tmp_path / "a.zip").write_bytes(zipped(members))
    with pytest.raises(CorpusError, match="more than 3 files"):
        in_zip(tmp_path / "a.zip")
    with pytest.raises(CorpusError, match="more than 3 files"):
        in_tar(tarred(members))
