"""Checkpoints as models of Simon Willison's llm: the real library, offline, in its own folder."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llm
import llm.cli
import llm.plugins
import pytest
from click.testing import CliRunner, Result

import chargen
from chargen import llm_plugin
from chargen.checkpoint.filing import set_sampling
from chargen.config import CHAT_TEMPERATURE, SamplingDefaults
from chargen.session.session import Session
from tests.support.manual import commands

ROOT = Path(__file__).parent.parent
ROLES = ("You:", "Bot:")


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Registered by its entry point where chargen is installed, else by hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_USER_PATH", str(tmp_path_factory.mktemp("llm")))
        patch.setattr(llm.plugins, "LLM_LOAD_PLUGINS", "")
        llm.plugins.load_plugins()  # type: ignore[no-untyped-call]
        by_hand = not llm.plugins.pm.has_plugin("chargen")
        if by_hand:
            llm.plugins.pm.register(llm_plugin, "chargen")
        yield
        if by_hand:
            llm.plugins.pm.unregister(name="chargen")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two models below ./checkpoints, of which one talks."""
    monkeypatch.chdir(tmp_path)
    for name in ("tiny", "bot"):
        shutil.copytree(checkpoint, tmp_path / "checkpoints" / name)
    set_sampling("bot", SamplingDefaults(mode="chat"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(llm.cli.cli, [*arguments])


def answer(name: str, prompt: str, **options: Any) -> str:
    return str(llm.get_model(f"chargen/{name}").prompt(prompt, **options).text())


def test_the_package_declares_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["llm"] == {"chargen": llm_plugin.__name__}


def test_llm_imports_nothing_heavy_until_a_model_answers() -> None:
    """Every use of llm imports its plugins. llm itself imports numpy, so a stand-in is asked."""
    code = """
import sys, types, pydantic
class Model:
    class Options(pydantic.BaseModel): pass
names = {"hookimpl": lambda hook: hook, "Model": Model}
sys.modules["llm"] = types.SimpleNamespace(**names)
from chargen import llm_plugin
llm_plugin.register_models(lambda model: print(model.model_id))
print({"torch", "numpy", "sentencepiece", "safetensors"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "chargen/bot", "chargen/tiny", "chargen/everyday", "chargen/facts", "set()",
    ]  # fmt: skip


def test_an_llm_that_is_too_old_says_so_where_a_model_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no `llm.parts`, whose import would end it at every start."""
    model: Any = llm.get_model("chargen/tiny")
    prompt = types.SimpleNamespace(options=model.Options(), messages=[])
    monkeypatch.setitem(sys.modules, "llm.parts", None)
    with pytest.raises(llm.ModelError, match=r"need llm 0\.36 or newer"):
        next(model.execute(prompt, True, None, None))


def test_llm_lists_the_checkpoints_and_their_options() -> None:
    listed = run("models", "--options", "-q", "chargen/").output
    for name in ("bot", "tiny", "everyday", "facts"):
        assert f"ChargenModel: chargen/{name}" in listed
    for option in ("mode: str", "temperature: float", "top_k: int", "max_tokens: int", "seed: int"):
        assert option in listed


def test_an_answer_is_what_chargen_generates() -> None:
    options: dict[str, Any] = {"seed": 7, "temperature": 0.8, "top_k": 20, "max_tokens": 30}
    generated = chargen.load("tiny").generate("The sky", **options)
    assert answer("tiny", "The sky", **options) == generated.text
    flags = [word for name, value in options.items() for word in ("-o", name, str(value))]
    done = run("prompt", "-m", "chargen/tiny", "The sky", *flags)
    assert (done.exit_code, done.output) == (0, generated.text + "\n")
    assert answer("facts", "GRANN", max_tokens=1, temperature=0) == "Y"


def test_a_prompt_may_be_piped_in() -> None:
    flags = ("-m", "chargen/facts", "-o", "temperature", "0", "-o", "max_tokens", "1")
    done = CliRunner().invoke(llm.cli.cli, ["prompt", *flags], input="GRANN\n")
    assert done.output == "Y\n"


def test_an_answer_is_streamed() -> None:
    model = llm.get_model("chargen/tiny")
    response = model.prompt("The sky", seed=7, max_tokens=30)
    pieces = list(response)
    assert len(pieces) > 10
    assert "".join(pieces) == response.text()
    assert response.usage().output == 30


def test_stop_texts_are_escaped_as_on_the_command_line() -> None:
    one, other = (answer("tiny", "The", stop=stop, seed=1) for stop in ("\\n", ["\n"]))
    assert one == other == str(chargen.load("tiny").generate("The", stop="\n", seed=1).text)


def test_a_model_of_dialogues_takes_turns() -> None:
    """Its conversation is the one of a session that wrote it all."""
    conversation = llm.get_model("chargen/bot").conversation()
    session = Session("bot")
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 25}
    for name, value in options.items():
        session.change(name, value)
    for asked in ("What is GRANNY?", "And the sky?"):
        said = str(conversation.prompt(asked, **options).text())
        expected = "".join(piece.text for piece in session.answer(asked) if hasattr(piece, "text"))
        assert said == expected.lstrip()
        # What no conversation keeps: how the answer began.
        last = session.now.last
        assert last is not None
        session.undo()
        session.read_exchanges([(asked, f" {said}")])
    assert session.text.count(ROLES[0]) == 2


def test_a_mode_can_be_chosen() -> None:
    chat: dict[str, Any] = {"mode": "chat", "seed": 3, "max_tokens": 20}
    assert answer("tiny", "Hello", **chat) == answer("bot", "Hello", seed=3, max_tokens=20)
    plain = answer("bot", "Hello", mode="complete", seed=3, max_tokens=20, temperature=1)
    assert plain == answer("tiny", "Hello", seed=3, max_tokens=20)
    assert answer("bot", "Hello", seed=3) == answer(
        "bot", "Hello", seed=3, temperature=CHAT_TEMPERATURE
    )


def test_a_story_is_one_text_and_a_completion_is_not() -> None:
    model = chargen.load("tiny")
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    for mode in ("story", "complete"):
        conversation = llm.get_model("chargen/tiny").conversation()
        first = str(conversation.prompt("The", mode=mode, **options).text())
        second = str(conversation.prompt(" sky", mode=mode, **options).text())
        before = f"The{first}" if mode == "story" else ""
        assert second == model.generate(f"{before} sky", **options).text


def test_llm_continues_a_conversation_in_another_process() -> None:
    """It keeps a log, from which it reads what was said."""
    flags = ("-o", "temperature", "0", "-o", "max_tokens", "10", "-o", "mode", "story")
    first = run("prompt", "-m", "chargen/tiny", "The", *flags)
    second = run("prompt", "-c", " sky", *flags)
    assert (first.exit_code, second.exit_code) == (0, 0), second.output
    text = f"The{first.output.removesuffix(chr(10))} sky"
    expected = chargen.load("tiny").generate(text, temperature=0, max_tokens=10).text
    assert second.output.removesuffix("\n") == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-o", "temperature", "-1"], "temperature must be at least 0"),
        (["-o", "top_p", "much"], "top_p"),
        (["-o", "mode", "sing"], "mode must be one of"),
        (["-o", "beams", "3"], "beams"),
        (["-s", "You are kind"], "have no system prompt"),
    ],
)
def test_what_is_wrong_is_one_line(flags: list[str], message: str) -> None:
    done = run("prompt", "-m", "chargen/tiny", "Hello", *flags)
    assert done.exit_code == 1
    assert message in done.output and "Traceback" not in done.output


def test_a_checkpoint_that_is_damaged_says_so(here: Path) -> None:
    (here / "checkpoints" / "tiny" / "training.safetensors").unlink()
    (here / "checkpoints" / "tiny" / "model.safetensors").write_bytes(b"?")
    with pytest.raises(llm.ModelError, match=r"model\.safetensors is damaged"):
        answer("tiny", "Hello")


# -- the page of the manual -------------------------------------------------------------------

PAGE = (ROOT / "docs" / "guides" / "llm.md").read_text(encoding="utf-8")


def test_the_page_shows_what_llm_prints(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the page types but for the installation, in its order."""
    monkeypatch.setenv("LLM_USER_PATH", str(here / "llm"))  # where llm keeps what is set
    shutil.rmtree(here / "checkpoints")
    sessions = re.findall(r"test_llm_plugin\.py -->\n```console\n(.*?)```", PAGE, re.S)
    typed = [list(commands(session)) for session in sessions]
    assert [len(session) for session in typed] == [3, 1, 2, 1]
    for command, output, _ in (one for session in typed for one in session):
        piped, _, said = command.rpartition("| ")
        words = shlex.split(said)
        assert words[0] == "llm"
        typed_in = shlex.split(piped)[1] + "\n" if piped else None
        done = CliRunner().invoke(llm.cli.cli, words[1:], input=typed_in)
        assert (done.exit_code, done.output) == (0, output)


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(code, {})
    assert "yellow" in capsys.readouterr().out.partition("\n")[0]


def test_the_page_names_every_option() -> None:
    assert all(f"`{name}`" in PAGE for name in llm_plugin.ChargenModel.Options.model_fields)
