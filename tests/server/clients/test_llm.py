"""llm, Simon Willison's command-line tool, against a real server: not by our plugin, but as it
talks to whatever speaks the OpenAI API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import chargen
from tests.support.serving import Served

llm = pytest.importorskip("llm")
llm_cli = pytest.importorskip("llm.cli")

QUESTION = "What is the color of a strawberry?"
MODELS = """\
- model_id: served
  model_name: everyday
  api_base: "{url}/v1"
- model_id: served-text
  model_name: everyday
  api_base: "{url}/v1"
  completion: true
"""


@pytest.fixture(autouse=True)
def folder(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where llm keeps what it is told, and its log."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    (tmp_path / "extra-openai-models.yaml").write_text(MODELS.format(url=server.url))
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(llm_cli.cli, [*arguments])
    assert done.exit_code == 0, done.output
    return str(done.output)


@pytest.mark.parametrize("streaming", [[], ["--no-stream"]])
def test_a_chat(answers: Callable[[str], str], streaming: list[str]) -> None:
    said = run("-m", "served", QUESTION, "-o", "temperature", "0", *streaming)
    assert said == answers(f"You: {QUESTION}") + "\n"


@pytest.mark.parametrize("streaming", [[], ["--no-stream"]])
def test_a_completion(everyday: chargen.TextGenerator, streaming: list[str]) -> None:
    options = ["-o", "max_tokens", "20", "-o", "seed", "3", *streaming]
    said = run("-m", "served-text", "The sky", *options)
    assert said == everyday.generate("The sky", max_tokens=20, seed=3).text + "\n"


def test_a_conversation_in_another_process(answers: Callable[[str], str]) -> None:
    """Its log has what was said, with what it cost."""
    first = answers(f"You: {QUESTION}")
    assert run("-m", "served", QUESTION, "-o", "temperature", "0") == f"{first}\n"
    more = run("-c", "What is the color of snow?", "-o", "temperature", "0")
    talk = f"You: {QUESTION}\nBot: {first}\nYou: What is the color of snow?"
    assert more == answers(talk) + "\n"
    assert "Token usage" in run("logs", "-u")


def test_an_endpoint_without_a_name(server: Served, answers: Callable[[str], str]) -> None:
    url = f"{server.url}/v1"
    assert run("openai", "endpoint", url, "--models") == "everyday\n"
    asked = run("openai", "endpoint", url, QUESTION, "-m", "everyday", "-o", "temperature", "0")
    assert asked == answers(f"You: {QUESTION}") + "\n"


def test_what_goes_wrong_is_said() -> None:
    done = CliRunner().invoke(llm_cli.cli, ["-m", "served", "Hi", "-o", "max_tokens", "-1"])
    assert done.exit_code == 1
    assert "max_tokens" in done.output
