"""One server for all tests that need a real one: the bundled model, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import chargen
from tests.support.serving import Served, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving("everyday", cwd=tmp_path_factory.mktemp("serving")) as served:
        yield served


@pytest.fixture(scope="session")
def everyday() -> chargen.TextGenerator:
    """What the server serves."""
    return chargen.load("everyday")


@pytest.fixture(scope="session")
def answers(everyday: chargen.TextGenerator) -> Callable[[str], str]:
    """What the model answers to a talk as it is written, without a choice."""

    def answer(talk: str) -> str:
        stop = ("\nYou:", "\nBot:", "\n\n")
        said = everyday.generate(f"{talk}\nBot:", temperature=0, stop=stop, max_tokens=200).text
        return said.strip()

    return answer
