"""A page of the manual, read by somebody who tries everything in it.

Its blocks run in their order, in a folder of the page's own. What a page can say about a block
stands in an HTML comment before it:

    <!-- not run: why -->       it needs a GPU, several machines, or minutes
    <!-- text varies -->        it must run and print something
    <!-- file: poems.txt -->    the reader saves the block under this name
    <!-- typed: GRANN | /why -->    what is typed into the REPL that the block's first line starts
    <!-- needs: lm_eval -->     tried where this module is installed, by `make test-clients`
    <!-- server -->             what the block's command starts goes on below, until the page ends

Every comment is such a mark, and a block in a language that is not known here fails: else a slip of
the pen would keep a block from being tried.

A page shows a server at ADDRESS; here it is at a port that was free when the page was begun.

Outputs of `console` blocks are compared: words exactly, decimals within 1 % or two units of their
last digit, bars within one block. A line `...` stands for any lines, `...` in a line for any text.
"""

from __future__ import annotations

import csv
import doctest
import functools
import io
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Self

import pytest
from sybil import Document, Example, Region
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

import chargen
from chargen.cli import main as cli
from tests.support.terminal import talking

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)\n"))
MARK = re.compile(
    r"<!--\s*(not run|text varies|file|typed|needs|server)"
    r"(?::\s*((?:(?!-->).)*?))?\s*-->\s*\n\Z",
    re.S,
)
TRIED = ("python", "pycon", "console")
# Figures, messages of a long run, lines of a shell's start-up file, and what Sphinx reads.
SHOWN = re.compile(r"text|json|bash|\{[\w-]+\}.*")
ADDRESS = "127.0.0.1:8080"  # the one that `chargen serve` listens at
# What a shell finds, as modules: by this one training is shortened.
PROGRAMS = {
    "chargen": "tests.support.manual chargen",
    "python": "tests.support.manual python",
    "llm": "llm",
    "lm_eval": "lm_eval",
}
# In place of a minute or ten: what a page says about the command line is tried by these.
LENGTHS = ("--minutes", "--epochs", "--steps")
SHORT_RUN = {"--steps": "20", "--batch-size": "4", "--bptt": "16"}
TINY_NETWORK = {"--hidden-size": "32", "--num-layers": "1", "--embedding-size": "16"}
SIZES = (*TINY_NETWORK, "--preset", "--init-from")


def examples(page: Path, folder: Path) -> Generator[Example, None, None]:
    """The blocks of a page that can be tried, to be evaluated in their order in this folder. Once
    this is closed nothing that they have started runs on."""
    with Reader(folder) as reader:
        text = page.read_text(encoding="utf-8").replace(ADDRESS, reader.address)
        document = Document(text, str(page))
        document.namespace["__name__"] = "__main__"
        for region in reader.regions(document):
            document.add(region)
        yield from document.examples()


def _whatsapp(talks: Sequence[str]) -> str:
    """Conversations as an Android phone exports them, an hour apart."""
    lines = []
    for hour, talk in enumerate(talks):
        said = talk.replace("You: ", "Ana: ").replace("Bot: ", "Ben: ").splitlines()
        day, clock = divmod(2 * hour, 24)
        lines += [f"{day % 28 + 1}/{1 + day // 28}/24, {clock:02}:15 - {turn}" for turn in said]
    return "\n".join(lines) + "\n"


class Reader:
    """Someone at a terminal of 80 columns, in a folder with a clone's files and some texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        everyday = (ROOT / "corpora" / "everyday.txt").read_text(encoding="utf-8")
        middle = everyday.index("\n\n", len(everyday) // 2) + 2
        texts = everyday[middle : middle + 60_000]
        talks = [part for part in texts.split("\n\n") if part.startswith("You: ")]
        for name in ("corpus.txt", "lyrics.txt"):
            (folder / name).write_text(texts, encoding="utf-8")
        (folder / "lyrics").mkdir()
        for number, song in enumerate(texts.split("\n\n")[:20], 1):
            (folder / "lyrics" / f"{number}.txt").write_text(song, encoding="utf-8")
        shutil.copytree(ROOT / "chargen" / "nn", folder / "src" / "nn")
        (folder / "chat.txt").write_text("\n\n".join(talks) + "\n", encoding="utf-8")
        (folder / "whatsapp.txt").write_text(_whatsapp(talks), encoding="utf-8")
        rows = [[n, line] for n, line in enumerate(texts.splitlines()) if line]
        with open(folder / "tweets.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["id", "tweet"], *rows])
        shutil.copy(ROOT / "tests" / "support" / "names.txt", folder)
        for name in ("corpora", "examples", "benchmarks"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "checkpoints" / "everyday", folder / "checkpoints" / "everyday")
        # A copy would be a model of one's own, which may be the default.
        (folder / "checkpoints" / "facts").symlink_to(ROOT / "checkpoints" / "facts")
        self.server: subprocess.Popen[str] | None = None
        # Nobody else gets this port, though a server may listen there.
        self.port = socket.socket()
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port.bind((ADDRESS.partition(":")[0], 0))

    @property
    def address(self) -> str:
        """Where the server of a page is."""
        host, port = self.port.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()
        self.port.close()

    def regions(self, document: Document) -> Iterator[Region]:
        num_marks = 0
        for region in BLOCK(document):
            mark = MARK.search(document.text[: region.start])
            kind, argument = (mark[1], mark[2] or "") if mark else ("", "")
            num_marks += mark is not None
            language = region.lexemes["language"]
            check_block(document.path, kind, language, region.lexemes["source"])
            region.parsed = region.lexemes["source"]
            if kind in ("not run", "needs"):
                assert argument, f"{document.path}: {kind}, and it is not said why or what"
                if kind == "not run" or find_spec(argument) is None:
                    continue
            if kind == "file":
                region.parsed = (argument, region.parsed)
                region.evaluator = self.save
            elif kind == "typed":
                region.parsed = (argument, region.parsed)
                region.evaluator = self.talk
            elif kind == "server":
                region.evaluator = self.serve
            elif language == "python":
                region.evaluator = PythonEvaluator()
            elif language == "pycon":
                prompts = DocTestStringParser(DocTestEvaluator(doctest.ELLIPSIS))
                for one in prompts(region.parsed, document.path):
                    one.adjust(region, region.parsed)
                    yield one
                continue
            elif language == "console":
                region.parsed = (kind, region.parsed)
                region.evaluator = self.type_block
            else:
                continue
            yield region
        num_comments = document.text.count("<!--")
        assert num_comments == num_marks, f"{document.path}: a comment is no block's mark"

    def save(self, example: Example) -> None:
        name, text = example.parsed
        (self.folder / name).write_text(text, encoding="utf-8")

    def type_block(self, example: Example) -> str | None:
        mark, session = example.parsed
        return self.type_commands(mark, commands(session))

    def type_commands(self, mark: str, typed: Iterable[tuple[str, str, int]]) -> str | None:
        for command, output, code in typed:
            returned, printed = self.run(command)
            if returned != code:
                return f"$ {command}\nended with {returned}:\n{printed}"
            if mark == "text varies":
                wrong = None if printed.strip() else "printed nothing"
            else:
                wrong = difference(output, printed) if output.strip() else None
            if wrong:
                return f"$ {command}\n{wrong}\nThe whole output:\n{printed}"
        return None

    def run(self, command: str) -> tuple[int, str]:
        """The exit code, and what is printed on stdout and stderr."""
        words = shlex.split(command)
        if words[0] == "chargen" and not set(words) & {"|", "<", ">", ">>", "&&", ";"}:
            return run_here(words[1:])
        return run_in_bash(command, self.folder)

    def serve(self, example: Example) -> str | None:
        """Start a server, and then type the other commands of the block. What it logs is not
        shown."""
        self.stop_server()
        start, shown, _ = next(commands(example.parsed))
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {start} --port {self.port.getsockname()[1]}"],
            cwd=self.folder, env=shell_environment(self.folder), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
        )  # fmt: skip
        assert self.server.stdout is not None
        printed = ""
        for line in self.server.stdout:
            printed += line
            if line.startswith("Ctrl-C"):
                break
        wrong = difference(shown, printed) if shown.strip() else None
        if wrong:
            return f"$ {start}\n{wrong}"
        return self.type_commands("", islice(commands(example.parsed), 1, None))

    def stop_server(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.communicate(timeout=60)
            self.server = None

    def talk(self, example: Example) -> str | None:
        typed, shown = example.parsed
        start, _, transcript = shown.removeprefix("$ ").partition("\n")
        arguments = shlex.split(start)[1:]
        with talking(80, *arguments, cwd=self.folder, rows=200) as terminal:

            def asked(lines: list[str]) -> bool:
                above = [line for line in lines[:-1] if line] or [""]
                return bool(lines[-1]) and re.fullmatch(r">|\w+:", above[-1]) is not None

            def below(row: int, lines: list[str]) -> bool:
                return asked(lines) and terminal.screen.cursor.y > row

            terminal.see(lambda lines: asked(lines) and "loading" not in lines[-1])
            for line in re.split(r"[ \n]\|[ \n]", typed):
                answered = functools.partial(below, terminal.screen.cursor.y)
                terminal.child.send(line + "\r")
                terminal.see(answered)
            seen = [line for line in terminal.lines[:-1] if line]
        expected = [line for line in transcript.splitlines() if line.strip()]
        while expected and re.fullmatch(r">|\w+:", expected[-1].strip()):
            expected.pop()
        while seen and re.fullmatch(r">|\w+:", seen[-1].strip()):
            seen.pop()
        wrong = difference("\n".join(expected), "\n".join(seen))
        return wrong and f"{wrong}\nThe whole screen:\n" + "\n".join(seen)


def check_block(path: str, kind: str, language: str, source: str) -> None:
    """Raises AssertionError where a block would be tried in part, or not at all, unnoticed."""
    where = f"{path}: the block {source[:60]!r}"
    assert language in TRIED or SHOWN.fullmatch(language), f"{where} is in {language or 'nothing'}"
    assert kind != "text varies" or language in TRIED, f"{where} is not run"
    assert kind != "server" or language == "console", f"{where} starts nothing"
    if language == "console":
        assert source.startswith("$ "), f"{where} does not begin with a command"
    if language == "pycon":
        assert source.startswith(">>> "), f"{where} does not begin with an expression"


def commands(session: str) -> Iterator[tuple[str, str, int]]:
    """The commands of a block, each with the output shown and its exit code."""
    for part in re.split(r"^\$ ", session, flags=re.M)[1:]:
        command = re.match(r"(?:.*\\\n)*.*", part)
        assert command
        output = part[command.end() :].lstrip("\n")
        code = re.search(r"^# exit code (\d+)\n?\Z", output, re.M)
        if code:
            output = output[: code.start()]
        yield re.sub(r"\\\n\s*", "", command[0]), output, int(code[1]) if code else 0


def shortened(arguments: list[str]) -> list[str]:
    """The same command line, but that training takes a second."""
    if arguments[:1] != ["train"]:
        return arguments
    given = [word.split("=")[0] for word in arguments]
    changes = dict(SHORT_RUN)
    if "--resume" in given:
        changes = {"--steps": "40"}
    elif not set(SIZES) & set(given):
        changes |= TINY_NETWORK
    kept, skip = [], False
    for word in arguments:
        if not skip and word.split("=")[0] not in LENGTHS:
            kept.append(word)
        skip = word in LENGTHS
    added = {name: value for name, value in changes.items() if name not in given}
    added = {"--steps": changes["--steps"]} | added
    return [*kept, *(word for pair in added.items() for word in pair)]


def short_train(corpus: Any = (), **options: Any) -> chargen.TrainReport:
    """`chargen.train`, but that it takes a second."""
    for flag in LENGTHS:
        options.pop(flag.lstrip("-"), None)
    changes = {"--steps": "40"} if options.get("resume") else dict(SHORT_RUN)
    if not options.get("resume") and not {"hidden_size", "preset", "init_from"} & set(options):
        changes |= TINY_NETWORK
    named = {flag.lstrip("-").replace("-", "_"): int(value) for flag, value in changes.items()}
    from chargen.api import train

    return train(corpus, **(named | options))


def run_here(arguments: list[str]) -> tuple[int, str]:
    """Run the command line within this process."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    keys = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in (("stdin", keys), ("stdout", screen), ("stderr", screen)):
            patch.setattr(sys, name, stream)
        try:
            code = cli.main(shortened(arguments))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    screen.seek(0)
    return code, screen.read()


def run_in_bash(command: str, folder: Path) -> tuple[int, str]:
    """Run what a shell must understand, with this environment's programs."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder, env=shell_environment(folder), stdin=subprocess.DEVNULL, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout


def shell_environment(folder: Path) -> dict[str, str]:
    """That of a shell which finds the programs here, and whose curl shows no progress."""
    programs = folder / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name, module in PROGRAMS.items():
            file = programs / name
            file.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            file.chmod(0o755)
        (programs / ".curlrc").write_text("no-progress-meter\n")
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CURL_HOME": str(programs),
    }


def difference(expected: str, printed: str) -> str | None:
    """What of the output on the page was not printed, None where all was."""
    wanted = [line.rstrip() for line in expected.strip("\n").splitlines()]
    got = [line.rstrip() for line in printed.strip("\n").splitlines()]
    parts: list[list[str]] = [[]]
    for line in wanted:
        if line.strip() == "...":
            parts.append([])
        else:
            parts[-1].append(line)
    at = 0
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        latest = len(got) - len(part)
        places = [at] if first else range(at, latest + 1)
        if last and not first:
            places = [latest] if latest >= at else []
        place = next((p for p in places if _lines_match(part, got[p : p + len(part)])), None)
        if place is None or (first and last and len(got) != len(part)):
            near = got[at : at + len(part)] if first else got[max(at, latest) :]
            return "The page shows:\n" + "\n".join(part) + "\nIt printed:\n" + "\n".join(near)
        at = place + len(part)
    return None


def _lines_match(wanted: list[str], got: list[str]) -> bool:
    return len(wanted) == len(got) and all(map(line_matches, wanted, got))


BARS = re.compile("[█▉▊▋▌▍▎▏]+")
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)")


def line_matches(wanted: str, got: str) -> bool:
    """Whether a line was printed as the page shows it."""
    if "..." in wanted:
        pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
        return re.fullmatch(pattern, got) is not None
    if abs(sum(map(len, BARS.findall(wanted))) - sum(map(len, BARS.findall(got)))) > 1:
        return False
    ours, theirs = (NUMBER.split(" ".join(BARS.sub("", line).split())) for line in (wanted, got))
    return len(ours) == len(theirs) and all(map(_parts_match, ours, theirs))


def _parts_match(wanted: str, got: str) -> bool:
    if wanted == got:
        return True
    if "." not in wanted or not (NUMBER.fullmatch(wanted) and NUMBER.fullmatch(got)):
        return False
    one, other = (float(number.replace(",", "")) for number in (wanted, got))
    last_digit = 10.0 ** -len(wanted.partition(".")[2])
    return abs(one - other) <= max(0.01 * abs(one), 2.001 * last_digit)


if __name__ == "__main__":
    program, *arguments = sys.argv[1:]
    if program == "chargen":
        sys.exit(cli.main(shortened(arguments)))
    chargen.train = short_train
    sys.argv = arguments
    sys.path.insert(0, "")
    runpy.run_path(arguments[0], run_name="__main__")
