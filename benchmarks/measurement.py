"""A measurement: what a benchmark printed, by which command, at which commit, on which machine.

One file of benchmarks/results each: four lines, an empty one, then the output.

    $ python benchmarks/NAME.py ...
    commit 0123abc, 2026-11-28
    machine two cores of ..., Python 3.11, torch 2.13.0 (CPU)
    measures chargen/nn chargen/training

`measures` names the files and folders of the repository whose code the figures depend on, beside
the script itself.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
# `date` is an ISO date; what follows it in parentheses is for readers.
FORM = re.compile(
    r"\$ (?P<command>.+)\n"
    r"commit (?P<commit>[0-9a-f]{7,40}), (?P<date>\d{4}-\d\d-\d\d)(?: \(.+\))?\n"
    r"machine (?P<machine>.+)\n"
    r"measures (?P<measures>.+)\n"
    r"\n(?P<output>(?!\n)(?s:.*)\n)"
)
# A row of README's table: | what | figure | [command](benchmarks/results/NAME.txt) |
README_ROW = re.compile(
    r"^\|[^|]+\|([^|]+)\|[^|]*\]\(benchmarks/results/(\w+)\.txt\)[^|]*\|$", re.M
)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    command: str
    commit: str
    date: str
    machine: str
    measures: str
    output: str

    @property
    def script(self) -> str:
        """Relative to the root of the repository."""
        return next(word for word in shlex.split(self.command) if word.endswith(".py"))

    @property
    def paths(self) -> list[str]:
        """The files and folders that the figures depend on, relative to the root."""
        return [self.script, *self.measures.split()]

    def __str__(self) -> str:
        return (
            f"$ {self.command}\ncommit {self.commit}, {self.date}\nmachine {self.machine}\n"
            f"measures {self.measures}\n\n{self.output}"
        )


def parse_measurement(text: str) -> Measurement:
    """Raises ValueError where the text has another form."""
    match = FORM.fullmatch(text)
    if match is None:
        raise ValueError("not four lines of header, an empty line and an output")
    return Measurement(**match.groupdict())


def result_file(name: str) -> Path:
    return RESULTS / f"{name}.txt"


def load_measurement(name: str) -> Measurement:
    try:
        return parse_measurement(result_file(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"benchmarks/results/{name}.txt cannot be read: {error}") from None


def result_names() -> list[str]:
    return sorted(path.stem for path in RESULTS.glob("*.txt"))


def readme_figures(readme: str) -> list[tuple[str, str]]:
    """The figure of each row of README's table, and the name of the result that holds it."""
    return [(figure.strip(), name) for figure, name in README_ROW.findall(readme)]


def git(*arguments: str) -> str:
    """What git prints about this repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def changed_since(measurement: Measurement) -> list[str]:
    """The measured files whose code is another one at HEAD than it was when this was measured."""
    names = git(
        "diff", "--name-only", "--no-renames", measurement.commit, "HEAD", "--", *measurement.paths
    ).splitlines()
    return [name for name in names if not same_code(name, measurement.commit, "HEAD")]


def same_code(name: str, old: str, new: str) -> bool:
    """Whether a file that git calls changed says the same to Python at two commits."""
    if not name.endswith(".py"):
        return False
    if any(not git("ls-tree", commit, "--", name) for commit in (old, new)):
        return False
    before, after = (code_of(git("show", f"{commit}:{name}")) for commit in (old, new))
    return before == after


def code_of(source: str) -> str:
    """A Python module without what does not run: comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=body) | ast.ClassDef(body=body) | ast.FunctionDef(body=body):
                match body:
                    case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                        node.body = rest
    return ast.dump(tree)
