"""What tests of the REPL share: terminals of two widths, lines from a pipe, and a host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chargen.display.text import TextPrinter
from chargen.repl.host import Host
from chargen.session.session import Session
from tests.support.command import Chargen, Done

Piped = Callable[..., Done]
GREEDY = "/set temperature 0"


@pytest.fixture(params=[40, 80])
def columns(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def say(run_chargen: Chargen, checkpoint: Path) -> Piped:
    """What comes of some lines."""

    def say(*lines: str, code: int = 0, flags: tuple[str, ...] = ()) -> Done:
        done = run_chargen("repl", checkpoint, *flags, stdin="".join(f"{line}\n" for line in lines))
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return say


@pytest.fixture
def host(checkpoint: Path) -> Host:
    return Host(Session(checkpoint), TextPrinter(), lambda: False)
