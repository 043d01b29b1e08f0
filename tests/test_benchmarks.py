"""Results of benchmarks say what they are of, stand in the manual, and are found when stale."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import measurement
import pytest
import record
import stale
from measurement import ROOT, code_of, load_measurement, parse_measurement, readme_figures

NAMES = measurement.result_names()
# What measures nothing itself: what is about results, and the clients that others send.
NO_SCRIPTS = {"measurement.py", "record.py", "stale.py", "http_load.py"}
SCRIPTS = {path.name for path in (ROOT / "benchmarks").glob("*.py")} - NO_SCRIPTS
EXAMPLE = """\
$ OMP_NUM_THREADS=1 python benchmarks/speed.py
commit 0123abc, 2026-11-28
machine a laptop, Python 3.11, torch 2.13.0 (CPU)
measures package checkpoints/one.txt

   seconds
one    1.5
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_what_it_is_of(name: str) -> None:
    result = load_measurement(name)
    date.fromisoformat(result.date)
    assert result.script.removeprefix("benchmarks/") in SCRIPTS
    assert [path for path in result.paths if not (ROOT / path).exists()] == []


def test_each_result_stands_in_the_manual() -> None:
    included = set()
    for page in (ROOT / "docs").rglob("*.md"):
        for path in re.findall(r"^```\{literalinclude\} (\S+)", page.read_text("utf-8"), re.M):
            if "/results/" in path:
                included.add((page.parent / path).resolve())
    assert included == {measurement.result_file(name) for name in NAMES}


@pytest.mark.parametrize("page", ["docs/project/benchmarks.md", "benchmarks/README.md"])
def test_each_benchmark_is_named(page: str) -> None:
    named = set(re.findall(r"\b\w+\.py\b", (ROOT / page).read_text("utf-8")))
    assert sorted(SCRIPTS - named) == []


def test_the_figures_of_readme_stand_in_the_results() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    figures = readme_figures(readme)
    assert len(figures) == readme.count("](benchmarks/results/") > 0
    for figure, name in figures:
        measured = numbers(load_measurement(name).output)
        assert numbers(figure) and numbers(figure) <= measured, f"{figure!r} is not in {name}.txt"


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))


def test_a_row_of_readme_names_a_figure_and_a_result() -> None:
    row = "| two minutes | 1.41 nats | [`quality.py`](benchmarks/results/quality.txt) |"
    assert readme_figures(f"| what | figure | how |\n|---|---|---|\n{row}\n") == [
        ("1.41 nats", "quality")
    ]


def test_a_measurement_is_what_its_file_says() -> None:
    result = parse_measurement(EXAMPLE)
    assert str(result) == EXAMPLE
    assert result.paths == ["benchmarks/speed.py", "package", "checkpoints/one.txt"]


@pytest.mark.parametrize("line", EXAMPLE.splitlines()[:5])
def test_a_file_that_lacks_a_line_is_no_measurement(line: str) -> None:
    with pytest.raises(ValueError):
        parse_measurement(EXAMPLE.replace(f"{line}\n", "", 1))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("x = 1", "x = 1  # why", True),
        ("x = (1, 2)", "x = (\n    1,\n    2,\n)", True),
        ('"""One."""\nx = 1', '"""Two."""\nx = 1', True),
        ('def f():\n    """One."""\n    return 1', "def f():\n    return 1", True),
        ("x = 1", "x = 2", False),
        ('x = "one"', 'x = "two"', False),
    ],
)
def test_comments_and_docstrings_are_no_code(before: str, after: str, same: bool) -> None:
    assert (code_of(before) == code_of(after)) == same


class Repository:
    """A repository with one benchmark of one module, and its result."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")
        self.write("benchmarks/speed.py", 'print("one    1.5")\n')
        self.write("package/module.py", '"""One."""\n\nx = 1\n')
        self.write("checkpoints/one.txt", "one\n")
        self.write("README.md", "| speed | 1.5 | [s](benchmarks/results/speed.txt) |\n")
        self.commit()
        self.write("benchmarks/results/speed.txt", EXAMPLE.replace("0123abc", self.head()))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> str:
        # Whoever runs this may have another name, or sign what they commit.
        ours = ("user.name=chargen", "user.email=chargen@example.org", "commit.gpgsign=false")
        given = (word for setting in ours for word in ("-c", setting))
        return subprocess.run(
            ["git", *given, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Next")

    def head(self) -> str:
        return self.git("rev-parse", "--short=7", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for module in (measurement, record, stale):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(measurement, "RESULTS", tmp_path / "benchmarks" / "results")
    return Repository(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "is_stale"),
    [
        ("package/module.py", '"""Two."""\n\nx = 1\n', False),
        ("package/module.py", '"""One."""\n\nx = 2\n', True),
        ("package/new.py", "", True),
        ("checkpoints/one.txt", "two\n", True),
        ("benchmarks/speed.py", "print(2)\n", True),
        ("elsewhere.py", "x = 1\n", False),
    ],
)
def test_a_result_is_stale_when_measured_code_changes(
    repository: Repository, name: str, text: str, is_stale: bool
) -> None:
    repository.write(name, text)
    repository.commit()
    changed = measurement.changed_since(load_measurement("speed"))
    assert changed == ([name] if is_stale else [])


def test_stale_fails_by_what_readme_shows(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["stale.py"])
    assert stale.main() == 0
    assert capsys.readouterr().out.endswith("current\n")
    repository.write("package/module.py", "x = 2\n")
    repository.commit()
    assert stale.main() == 1
    assert "stale: package/module.py\n" in capsys.readouterr().out
    repository.write("README.md", "no table\n")
    assert stale.main() == 0


def test_a_measurement_is_recorded_at_its_commit(repository: Repository) -> None:
    repository.commit()
    record.record("speed", Path(), None, "a desktop")
    result = load_measurement("speed")
    assert (result.commit, result.machine) == (repository.head(), "a desktop")
    assert result.output == "one    1.5\n"
    assert result.measures == parse_measurement(EXAMPLE).measures


def test_what_no_commit_holds_is_not_recorded(repository: Repository) -> None:
    repository.write("package/module.py", "x = 2\n")
    with pytest.raises(SystemExit, match=r"package/module\.py"):
        record.record("speed", Path(), None, "a desktop")
    assert load_measurement("speed").machine == parse_measurement(EXAMPLE).machine


def test_a_benchmark_that_fails_leaves_its_result(repository: Repository) -> None:
    repository.write("benchmarks/speed.py", "raise SystemExit(3)\n")
    repository.commit()
    with pytest.raises(SystemExit, match="exit code 3"):
        record.record("speed", Path(), None, "a desktop")
    assert load_measurement("speed").machine == parse_measurement(EXAMPLE).machine


def test_commands_find_what_lies_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert record.resolve("a.txt", tmp_path, None) == str(tmp_path / "a.txt")
    assert record.resolve("corpora/everyday.txt", tmp_path, None) == "corpora/everyday.txt"
    assert record.resolve("FOLDER", tmp_path, tmp_path) == str(tmp_path)
    for word in ("b.txt", "FOLDER"):
        with pytest.raises(SystemExit, match="--texts" if word == "b.txt" else "--old"):
            record.resolve(word, tmp_path, None)


def test_the_machine_is_described() -> None:
    assert re.fullmatch(r"(one .+|\d+ cores of .+), Python .+, torch .+", record.describe_machine())
