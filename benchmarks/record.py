"""Run benchmarks again and write what they print into benchmarks/results.

    python benchmarks/record.py NAME... [--texts FOLDER] [--old FOLDER] [--machine TEXT]

Each NAME is a file of benchmarks/results: its first line is the command that is run. The file then
carries today's commit and date and this machine; it is left as it was if the command fails. A tree
in which measured files are changed and not committed is refused, since no commit would say what was
measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from measurement import ROOT, git, load_measurement, result_file, result_names

from chargen.runtime.cores import cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", nargs="+", choices=result_names(), metavar="NAME")
    texts = "the folder of texts that a command names (default: this one)"
    parser.add_argument("--texts", type=Path, default=Path(), metavar="FOLDER", help=texts)
    old = "an older version of chargen, which first_word compares with"
    parser.add_argument("--old", type=Path, metavar="FOLDER", help=old)
    machine = "describes it in the file (default: cores, processor, versions)"
    parser.add_argument("--machine", metavar="TEXT", help=machine)
    arguments = parser.parse_args()
    for name in arguments.name:
        record(name, arguments.texts, arguments.old, arguments.machine or describe_machine())


def record(name: str, texts: Path, old: Path | None, machine: str) -> None:
    """Measure again, and write the file anew."""
    known = load_measurement(name)
    if changed := git("status", "--porcelain", "--", *known.paths):
        raise SystemExit(f"{name}: commit these first, or put them away:\n{changed.rstrip()}")
    commit = git("rev-parse", "--short=7", "HEAD").strip()
    print(f"$ {known.command}", flush=True)
    output = run(known.command, texts, old)
    measured = dataclasses.replace(
        known, commit=commit, date=datetime.date.today().isoformat(), machine=machine, output=output
    )
    result_file(name).write_text(str(measured), encoding="utf-8")


def run(command: str, texts: Path, old: Path | None) -> str:
    """What the command prints, which is shown as it comes. Errors pass."""
    words = shlex.split(command)
    environment = dict(os.environ)
    while "=" in words[0]:
        variable, value = words.pop(0).split("=", 1)
        environment[variable] = value
    lines = []
    with subprocess.Popen(
        [resolve(word, texts, old) for word in words],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return "".join(lines).strip("\n") + "\n"


def resolve(word: str, texts: Path, old: Path | None) -> str:
    """A word of a command as it is on this machine."""
    if word == "python":
        return sys.executable
    if word == "FOLDER":
        if old is None:
            raise SystemExit(
                "this command measures an older version, too: make one by "
                "`git worktree add FOLDER COMMIT` and name it with --old"
            )
        return str(old.resolve())
    if word.endswith(".txt") and not (ROOT / word).exists():
        text = (texts / word).resolve()
        if not text.exists():
            raise SystemExit(f"{text} does not exist: name the folder of {word} with --texts")
        return str(text)
    return word


def describe_machine() -> str:
    """One line, as the files have it."""
    import torch

    if torch.cuda.is_available():
        device = f"one {torch.cuda.get_device_name()}, {cores()} CPU cores"
    else:
        device = f"{cores()} cores of {processor_name()}"
    where = f"CUDA {torch.version.cuda}" if torch.cuda.is_available() else "CPU"
    return (
        f"{device}, Python {platform.python_version()}, numpy {version('numpy')}, "
        f"torch {version('torch')} ({where})"
    )


def processor_name() -> str:
    """With its widest vector instructions, where Linux tells them: they decide how fast it is."""
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.+)", facts)
    widest = next((flag for flag in ("avx512f", "avx2") if flag in facts.split()), None)
    known = name[1] if name else platform.machine()
    return f"{known} ({widest.removesuffix('f').upper()})" if widest else known


if __name__ == "__main__":
    main()
