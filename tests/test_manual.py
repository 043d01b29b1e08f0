"""README and the manual are true: what they show is what happens."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import chargen
from tests.support import manual


@pytest.mark.parametrize("page", manual.PAGES, ids=lambda page: str(page.relative_to(manual.ROOT)))
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        folder = tmp_path / f".{name.lower()}"
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(chargen, "train", manual.short_train)
    with closing(manual.examples(page, tmp_path)) as examples:
        for example in examples:
            example.evaluate()


@pytest.mark.parametrize(
    ("wanted", "got", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nb\nc", False),
        ("a\n...", "a\nb\nc", True),
        ("...\nc", "a\nb\nc", True),
        ("a\n...\nc", "a\nc", True),
        ("a\n...\nc", "a\nb\nd", False),
        ("a ... c", "a b c", True),
        ("red 93.2%  ███", "red  93.1% ████", True),
        ("red 93.2%  ███", "red  91.1% ███", False),
        ("red 93.2%  ███", "red  93.2% █", False),
        ("13 tokens", "14 tokens", False),
        ("It is red.", "It is green.", False),
    ],
)
def test_what_is_printed_is_compared(wanted: str, got: str, same: bool) -> None:
    assert (manual.difference(wanted, got) is None) == same


def test_a_mark_is_that_of_the_block_below_it() -> None:
    page = "<!-- not run: long -->\n```console\n```\n<!-- text varies -->\n"
    mark = manual.MARK.search(page)
    assert mark and mark.groups() == ("text varies", None)
    assert manual.MARK.search(page + "```console\n```\n") is None


@pytest.mark.parametrize(
    "page",
    [
        "```console\nchargen list\n```\n",
        "```console \n$ chargen list\n```\n",
        "```sh\n$ chargen list\n```\n",
        "```\n$ chargen list\n```\n",
        "```pycon\nimport chargen\n```\n",
        "<!-- not run -->\n```console\n$ chargen list\n```\n",
        "<!-- not runn: long -->\n```console\n$ chargen list\n```\n",
        "<!-- needs -->\n```console\n$ chargen list\n```\n",
        "<!-- server -->\n```python\nchargen.serve()\n```\n",
        "<!-- text varies -->\n```text\nnone\n```\n",
        "<!-- text varies -->\n\nWords\n\n```console\n$ chargen list\n```\n",
    ],
)
def test_a_block_that_would_not_be_tried_fails(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page\.md: "):
        list(manual.examples(tmp_path / "page.md", tmp_path))


def test_every_command_of_a_block_is_found() -> None:
    block = "$ chargen list\nnone\n$ echo a \\\n    b\na b\n$ false\n# exit code 1\n"
    assert list(manual.commands(block)) == [
        ("chargen list", "none\n", 0),
        ("echo a b", "a b\n", 0),
        ("false", "", 1),
    ]


def test_training_is_shortened_and_nothing_else() -> None:
    said = ["train", "a.txt", "--minutes", "2", "--bptt=8", "--cell", "gru"]
    assert manual.shortened(said) == [
        *("train", "a.txt", "--bptt=8", "--cell", "gru", "--steps", "20", "--batch-size", "4"),
        *("--hidden-size", "32", "--num-layers", "1", "--embedding-size", "16"),
    ]
    assert manual.shortened(["sample", "--minutes"]) == ["sample", "--minutes"]
