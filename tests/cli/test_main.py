"""Streams, signals and exit codes, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# A command that meets its signal within code that takes every error for one of its own.
CARELESS = """
import os, signal
from chargen.cli import main
from chargen.cli.flags import Command

def run(arguments):
    try:
        os.kill(os.getpid(), signal.{name})
        signal.pause()
    except Exception:
        print("swallowed")
    return 0

main.COMMANDS["careless"] = Command("be careless", lambda command: None, run)
raise SystemExit(main.main(["careless"]))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_nothing_takes_a_signal_for_an_error(name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CARELESS.replace("{name}", name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_the_environment_is_the_command_lines_alone() -> None:
    look = "import os; print(os.environ.get('GOMP_SPINCOUNT'))"
    command = "from chargen.cli.main import main; main(['list'])"
    for code, expected in (("import chargen", "None"), (command, "10000")):
        done = subprocess.run(
            [sys.executable, "-c", f"{code}; {look}"],
            capture_output=True,
            text=True,
            check=True,
            env={n: v for n, v in os.environ.items() if n != "GOMP_SPINCOUNT"},
        )
        assert done.stdout.splitlines()[-1] == expected
