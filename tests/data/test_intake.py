"""Folders, archives and packed files are read as what they hold, and said; what is bad is told."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.cache import scratch_folder
from chargen.data.intake import read_sources
from chargen.errors import CorpusError
from tests.support.texts import write

PICTURE = b"\x89PNG\r\n\x1a\n\0\0"
LATIN = b"caf\xe9 au lait\n"
FILES = {
    "b.txt": b"bee", "deep/a.md": b"ay", "deep/c.py": b"see", "logo.png": PICTURE,
    "two.txt.gz": gzip.compress(b"two", mtime=0), ".hidden.txt": b"no",
    "node_modules/x.js": b"no", "in.zip": b"PK\3\4 and more",
}  # fmt: skip


def seen(path: Path, config: CorpusConfig | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    """The name and text of each source, and the notes."""
    with scratch_folder() as spool:
        texts = read_sources([path], config or CorpusConfig(), lambda: spool)
        read = [(s.name, s.path.read_bytes()[s.start :].decode()) for s in texts.sources]
    return read, list(texts.notes)


def refusal(path: Path, config: CorpusConfig | None = None) -> str:
    with pytest.raises(CorpusError) as refused:
        seen(path, config)
    return str(refused.value)


def as_folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        write(tmp_path / "notes", name, content)
    return tmp_path / "notes"


def as_zip(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return tmp_path / "notes.zip"


def as_tar(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "notes.tar.gz", "w:gz") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return tmp_path / "notes.tar.gz"


@pytest.mark.parametrize("make", [as_folder, as_zip, as_tar])
def test_a_folder_and_archives_of_it_give_the_same(tmp_path: Path, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    found, [note] = seen(path)
    inside = [(name.removeprefix(f"{path.name}/").split("/")[-1], text) for name, text in found]
    assert inside == [("b.txt", "bee"), ("a.md", "ay"), ("c.py", "see"), ("two.txt.gz", "two")]
    assert "4 texts" in note and "logo.png" in note and "in.zip" in note
    if make is as_folder:
        assert note.endswith("(in.zip, logo.png, node_modules)"), note
    only, [note] = seen(path, CorpusConfig(include=("*.py", "deep/*.md")))
    assert [text for _, text in only] == ["ay", "see"]
    assert note.endswith(": 2 texts")


def test_nothing_is_written_under_the_name_of_a_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../evil.txt", "text")
        archive.writestr("/etc/evil.txt", "text")
    with scratch_folder() as spool:
        sources = read_sources([tmp_path / "a.zip"], CorpusConfig(), lambda: spool).sources
        assert [source.name for source in sources] == ["a.zip/etc/evil.txt", "a.zip/evil.txt"]
        assert sorted(path.name for path in spool.iterdir()) == ["1", "2"]


def test_all_bad_files_are_told_at_once_or_left_out(tmp_path: Path) -> None:
    for number in range(14):
        write(tmp_path, f"texts/{number:02}.txt", b"fine\n" if number < 2 else LATIN)
    message = refusal(tmp_path / "texts")
    lines = message.split("\n")
    assert "12 of 14 files cannot be read:" in lines[0]
    assert lines[1].endswith("02.txt is not UTF-8: byte 3 (0xE9) does not begin a character")
    assert lines[11] == "  and 2 more"
    assert lines[12].startswith("the first: it may be cp1252 (0xE9 would be \u00e9)")
    assert lines[12].endswith("; skip_bad=True goes on without them") and len(lines) == 13
    found, notes = seen(tmp_path / "texts", CorpusConfig(skip_bad=True))
    assert len(found) == 2
    assert notes[0].endswith("texts: 2 texts") and notes[1].startswith("12 bad files left out (")
    found, _ = seen(tmp_path / "texts", CorpusConfig(encoding="cp1252"))
    assert len(found) == 14 and found[2][1] == "caf\u00e9 au lait\n"


def test_windows_1252_that_was_called_latin_1_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"\x93caf\xe9\x94\n")
    _, notes = seen(path, CorpusConfig(encoding="latin-1"))
    assert notes == [
        "a.txt: as latin-1 it has control characters; as cp1252 0x93 0x94 would be \u201c \u201d"
    ]
    for encoding in ("cp1252", "iso8859-15"):
        assert seen(path, CorpusConfig(encoding=encoding))[1] == []
    plain = write(tmp_path, "b.txt", LATIN)
    assert seen(plain, CorpusConfig(encoding="latin-1"))[1] == []


def test_where_all_are_bad_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", LATIN)
    assert "a.txt is not UTF-8" in refusal(path, CorpusConfig(skip_bad=True))


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    for path in (as_zip(tmp_path), as_tar(tmp_path)):
        path.write_bytes(path.read_bytes()[:-60])
        message = refusal(path)
        assert "is damaged, or not all of it is there" in message and "\n" not in message


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["word/document.xml"], "is a Word document, no plain text; save it as plain text (.txt)"),
        (["xl/workbook.xml"], "is a spreadsheet, no plain text; save it as CSV"),
        (["mimetype", "content.xml"], "is an OpenDocument file"),
        (["a.png"], "there is no text in"),
        ([], "there is no text in"),
    ],
)
def test_documents_of_office_programs_are_refused(
    tmp_path: Path, names: list[str], says: str
) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        for name in names:
            archive.writestr(name, PICTURE)
    assert says in refusal(tmp_path / "a.docx")


def test_what_is_packed_again_and_again_is_not_unpacked(tmp_path: Path) -> None:
    data = gzip.compress(b"text", mtime=0)
    twice = gzip.compress(data, mtime=0)
    assert seen(write(tmp_path, "a.gz", twice))[0] == [("a.gz", "text")]
    assert "packed more than 2 times" in refusal(
        write(tmp_path, "b.gz", gzip.compress(twice, mtime=0))
    )


def test_a_page_declares_its_encoding(tmp_path: Path) -> None:
    page = '<html><head><meta charset="windows-1252"></head><body><p>caf\u00e9</p></body></html>'
    [(_, text)], _ = seen(write(tmp_path, "a.html", page.encode("cp1252")))
    assert text.strip() == "caf\u00e9"


def test_other_kinds_in_an_archive_are_read_as_such(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("posts.csv", "text\none\ntwo\n")
        archive.writestr("b.txt", "plain")
    found, notes = seen(tmp_path / "a.zip")
    assert found == [("a.zip/b.txt", "plain"), ("a.zip/posts.csv", "onetwo")]
    assert notes[0] == "a.zip: 1 text" and notes[1].startswith("a.zip/posts.csv: CSV, 2 records")
