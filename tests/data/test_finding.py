"""A folder gives what somebody wrote there, and a corpus is named after what was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.data.finding import find_files, is_included, name_of
from chargen.errors import CorpusError
from tests.support.texts import write


def test_what_tools_fetched_and_built_is_passed_over(tmp_path: Path) -> None:
    for name in (
        "a.py", "package.json", "dist/a.js", "node_modules/b.js", "env/pyvenv.cfg", "env/lib/c.py",
        "target/CACHEDIR.TAG", "target/d.txt", "app.min.js", "notes/build/e.txt", ".git/config",
    ):  # fmt: skip
        write(tmp_path, name, "x")
    found = find_files([tmp_path])
    assert [file.name for file in found.files] == ["a.py", "notes/build/e.txt", "package.json"]
    passed = ["app.min.js", "dist", "env", "node_modules", "target"]
    assert found.left_out == {str(tmp_path): passed}
    asked = find_files([tmp_path / "dist"])
    assert [file.name for file in asked.files] == ["a.js"], "it was asked for"
    globbed = find_files([f"{tmp_path}/**/*.js"])
    assert [file.path.name for file in globbed.files] == ["app.min.js", "a.js"]


@pytest.mark.parametrize(
    ("name", "pattern", "is_like"),
    [
        ("a.py", "*.py", True),
        ("deep/a.py", "*.py", True),
        ("deep/a.py", "deep/*", True),
        ("deep/a.py", "other/*", False),
        ("a.pyc", "*.py", False),
    ],
)
def test_a_pattern_matches_a_name_or_a_path(name: str, pattern: str, is_like: bool) -> None:
    assert is_included(name, [pattern]) == is_like
    assert is_included(name, [])


def test_where_nothing_is_like_it_the_pattern_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "x")
    with pytest.raises(CorpusError, match=r"no file in .* is like \*\.py or \*\.c"):
        find_files([tmp_path], ["*.py", "*.c"])
    assert len(find_files([path], ["*.py"]).files) == 1, "it was named itself"


def test_a_corpus_is_named_after_what_was_given() -> None:
    names = {"chat.txt.gz": "chat", "notes.zip": "notes", "src.tar.gz": "src", "v1.2.tgz": "v1.2",
             "a.csv": "a", "b.json.zst": "b", "x.tar": "x", "a/b/": "b"}  # fmt: skip
    for path, name in names.items():
        assert name_of([path]) == name
