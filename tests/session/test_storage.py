"""A session in a file: it goes on exactly, it is small, and no damaged one is believed."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chargen.config import MODES
from chargen.errors import ChargenError, SessionError, in_repl
from chargen.generation import generator as generation
from chargen.generation import prompt_state
from chargen.nn.numpy_engine import NumpyEngine
from chargen.runtime.files import to_builtins
from chargen.session.session import Events, Session
from chargen.session.storage import read_session
from tests.support.mutations import mutated_bytes, mutated_values, state_of
from tests.support.sessions import drain

Content = dict[str, Any]


def talking(folder: Path, mode: str) -> Session:
    """A session that was stopped in the midst of its second answer."""
    session = Session(folder)
    session.name_roles(("The", "GRANNY'S"))
    session.change("seed", 7)
    session.change("stop", (" is", "caf\u00e9 \u4e2d"))
    session.change("repetition_penalty", 1.2)
    session.change("temperature", 1.0)  # in two of the modes that is the default
    session.enter(mode)
    drain(session.answer("The straw"))
    drain(session.answer("\nUNCLE JO"), 3)
    return session


# -- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["checkpoint", "subword_checkpoint"])
def test_an_opened_session_goes_on_as_the_saved_one(
    request: pytest.FixtureRequest, mode: str, kind: str, tmp_path: Path
) -> None:
    session = talking(request.getfixturevalue(kind), mode)
    session.save(tmp_path / "a.session")
    opened = Session(session.folder)
    opened.open(tmp_path / "a.session")
    assert (opened.settings, opened.given) == (session.settings, session.given)
    assert opened.roles == session.roles
    assert (opened.exchanges, opened.text) == (session.exchanges, session.text)
    assert (opened.now.mode, opened.now.begun) == (session.now.mode, session.now.begun)
    steps: list[Callable[[Session], Events]] = [
        Session.continue_text, Session.continue_text, lambda s: s.answer("\nANNA"), Session.retry
    ]  # fmt: skip
    for step in steps:
        assert drain(step(session)) == drain(step(opened))
        assert session.exchanges == opened.exchanges
        assert session.now.segments[-1].tokens == opened.now.segments[-1].tokens
        assert session.now.stream == opened.now.stream
    session.save(tmp_path / "a.session")
    opened.save(tmp_path / "b.session")
    assert (tmp_path / "a.session").read_bytes() == (tmp_path / "b.session").read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_session_is_one(checkpoint: Path, mode: str, tmp_path: Path) -> None:
    session = Session(checkpoint)
    session.change("seed", 1)
    session.enter(mode)
    session.save(tmp_path / "a.session")
    opened = talking(checkpoint, "story")
    opened.open(tmp_path / "a.session")
    assert (opened.exchanges, opened.text, opened.now.mode) == ((), "", mode)
    assert drain(opened.answer("The")) == drain(session.answer("The"))


def test_nothing_is_read_when_it_is_opened(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talking(checkpoint, "story").save(tmp_path / "a.session")
    opened = Session(checkpoint)

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("the text is read")

    for owner, name in ((prompt_state, "read_tokens"), (generation, "prefill"),
                        (NumpyEngine, "start"), (NumpyEngine, "read"),
                        (generation.TextGenerator, "prefill")):  # fmt: skip
        monkeypatch.setattr(owner, name, fail)
    opened.open(tmp_path / "a.session")
    assert opened.exchanges
    with pytest.raises(AssertionError, match="is read"):
        opened.answer("The")


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_the_size_is_that_of_the_text(checkpoint: Path, mode: str, tmp_path: Path) -> None:
    session = Session(checkpoint)
    session.change("seed", 1)
    session.change("max_tokens", 50)
    session.enter(mode)
    sizes = []
    for count in (10, 60):
        while len(session.exchanges) < count:
            drain(session.answer("The sky"))
        session.save(tmp_path / "a.session")
        texts = [(e.prompt, e.read, e.text) for e in session.exchanges]
        spelled = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
        sizes.append((tmp_path / "a.session").stat().st_size - len(spelled))
    assert max(sizes) < 16_000
    assert abs(sizes[1] - sizes[0]) < 60


def test_another_model_is_refused_by_name(
    checkpoint: Path, subword_checkpoint: Path, tmp_path: Path
) -> None:
    talking(checkpoint, "story").save(tmp_path / "a.session")
    other = talking(subword_checkpoint, "chat")
    before = other.state
    with pytest.raises(SessionError, match="to another model") as raised:
        other.open(tmp_path / "a.session")
    assert raised.value.spelled(in_repl).endswith(f"; /load {checkpoint} first")
    assert other.state is before
    other.load(checkpoint)
    other.open(tmp_path / "a.session")
    assert other.now.mode == "story"


# -- files that are none ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"a text", b"\n", b"{}\n{}\n", b'{"chargen_sessio', b"[" * 100_000, b"\xff\xfe\0"],
)
def test_what_is_no_session_is_neither_opened_nor_replaced(
    checkpoint: Path, content: bytes, tmp_path: Path
) -> None:
    path, session = tmp_path / "a.txt", talking(checkpoint, "story")
    path.write_bytes(content)
    before = session.state
    with pytest.raises(SessionError, match="not a session file"):
        session.open(path)
    with pytest.raises(SessionError, match="is not a session file; name another one"):
        session.save(path)
    assert path.read_bytes() == content
    assert session.state is before
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["missing", ".", "file/within", "a" * 300, "nul\0", "pipe"])
def test_a_path_that_cannot_be_read_or_written(checkpoint: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it, so to read it would take for ever
    session = talking(checkpoint, "story")
    before = session.state
    with pytest.raises(SessionError):
        session.open(tmp_path / name)
    if name != "missing":
        with pytest.raises(SessionError):
            session.save(tmp_path / name)
    with pytest.raises(SessionError):
        session.save(tmp_path / "no such folder" / "a.session")
    assert session.state is before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write anything")
def test_what_may_not_be_read_or_written(checkpoint: Path, tmp_path: Path) -> None:
    session, path = talking(checkpoint, "story"), tmp_path / "a.session"
    session.save(path)
    path.chmod(0)
    for act in (session.open, session.save):
        with pytest.raises(SessionError, match="Permission denied"):
            act(path)


def test_a_session_is_replaced_by_another(checkpoint: Path, tmp_path: Path) -> None:
    session, path = talking(checkpoint, "story"), tmp_path / "a.session"
    session.save(path)
    drain(session.answer("!"))
    session.save(path)
    assert len(read_session(path).exchanges) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.session"]


def test_half_a_character_in_a_setting_is_reported(checkpoint: Path, tmp_path: Path) -> None:
    session, path = talking(checkpoint, "story"), tmp_path / "a.session"
    session.change("stop", ("\udcff",))
    with pytest.raises(SessionError, match="lone surrogate"):
        session.save(path)
    assert not path.exists()


def test_a_checkpoint_of_any_name(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.symlink_to(checkpoint)
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    Session(folder).save(tmp_path / "a.session")
    Session(checkpoint).open(tmp_path / "a.session")


# -- damage -----------------------------------------------------------------------------------


def sealed(content: bytes) -> bytes:
    """A file whose checksum is right, whatever it holds."""
    head = {"chargen_session": 1, "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + content + b"\n"


@pytest.mark.parametrize("mode", MODES)
def test_a_damaged_file_is_told_and_changes_nothing(
    checkpoint: Path, mode: str, tmp_path: Path
) -> None:
    path, session = tmp_path / "a.session", talking(checkpoint, mode)
    session.save(path)
    data = path.read_bytes()
    content = data.split(b"\n")[1]
    other = talking(checkpoint, "story")
    before = other.state
    draw = random.Random(mode)

    def opens(mutant: bytes) -> bool:
        """Whether it does; else that it is reported, and all is as it was."""
        path.write_bytes(mutant)
        try:
            other.open(path)
        except ChargenError:
            assert other.state is before
            return False
        # What was believed is a session: it says again what the file says, and it goes on.
        other.save(path)
        kept = values_in(path)
        path.write_bytes(mutant)
        believed = values_in(path)
        believed["settings"].setdefault("relevance", 0.0)  # which older files lack
        for place in (believed["place"], believed["place"].get("unprompted")):
            if place is not None:
                place.setdefault("unprompted", None)
        # What differs from the defaults was set, whatever the file says.
        assert {*believed.pop("given", ())} <= {*kept.pop("given")}
        assert kept == believed
        settings = other.settings | {"max_tokens": 2, "beams": None}
        other.state = replace(other.state, given=settings)
        asks: tuple[Callable[[Session], Events], ...]
        asks = (Session.continue_text, lambda s: s.answer("a"))
        for ask in asks:
            with suppress(ChargenError):
                drain(ask(other))
        other.state = before
        return True

    for _ in range(150):
        mutant = mutated_bytes(data, draw)
        told_apart = mutant.removesuffix(b"\n") != data.removesuffix(b"\n")
        assert not (told_apart and opens(mutant))
    for _ in range(100):
        opens(sealed(mutated_bytes(content, draw)))
    opened = 0
    for _ in range(300):
        values = mutated_values(json.loads(content), draw)
        opened += opens(sealed(json.dumps(values, ensure_ascii=False).encode()))
    assert 0 < opened < 150
    assert opens(data)


def values_in(path: Path) -> Content:
    """All but where the model was, which is for people to read."""
    return dict(to_builtins(read_session(path))) | {"checkpoint": ""}


def change(name: str, value: object) -> Callable[[Content], None]:
    """Set what stands at a dotted name."""
    *outer, last = name.split(".")

    def act(content: Content) -> None:
        for key in outer:
            content = content[key]
        content[last] = value

    return act


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "tell"), ("begun", -1), ("begun", 99), ("finish_reason", "why"), ("user", ""),
        ("user", "GRANNY'S"), ("bot", "a\nb"), ("exchanges", [["a", "b"]]), ("model", "0" * 64),
        ("settings.temperature", -1), ("settings.temperature", "1"), ("settings.warmth", 1),
        ("settings.length_penalty", -1), ("settings.stop", [""]), ("settings.stop", 7),
        ("settings.seed", 2**63), ("settings.max_tokens", 1.5), ("settings", {}),
        ("stream", [0, 0]), ("stream", [-1, 0, 0]), ("stream", [2**63, 0, 0]),
        ("stream", [0, 2**63, 0]), ("stream", [0, 0, -1]), ("stream", [0, 0, 2**63]),
        ("place.state", ""), ("place.state", "!"), ("place.state", state_of(95, 0)),
        ("place.state", state_of(192, 0)), ("place.state", state_of(96, np.nan)),
        ("place.state", state_of(96, -np.inf)), ("place.unread", []), ("place.unread", [10**9]),
        ("place.unread", [-1]), ("place.recent", [2**70]), ("place.tail", "/w=="),
        ("place.tail", "w6"), ("place.more", 1), ("more", 1), ("given", ["warmth"]), ("given", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_behind_the_checksum(
    checkpoint: Path, name: str, value: object, tmp_path: Path
) -> None:
    path, session = tmp_path / "a.session", talking(checkpoint, "story")
    session.save(path)
    content = json.loads(path.read_bytes().split(b"\n")[1])
    path.write_bytes(sealed(json.dumps(content).encode()))
    session.open(path)
    change(name, value)(content)
    path.write_bytes(sealed(json.dumps(content).encode()))
    before = session.state
    with pytest.raises(SessionError):
        session.open(path)
    assert session.state is before


def test_a_file_without_what_was_set_has_what_differs(checkpoint: Path, tmp_path: Path) -> None:
    path, session = tmp_path / "a.session", talking(checkpoint, "story")
    session.save(path)
    content = json.loads(path.read_bytes().split(b"\n")[1])
    del content["given"]
    path.write_bytes(sealed(json.dumps(content).encode()))
    session.open(path)
    assert session.given == {
        "seed": 7,
        "stop": (" is", "caf\u00e9 \u4e2d"),
        "repetition_penalty": 1.2,
    }


def test_another_format_is_reported(checkpoint: Path, tmp_path: Path) -> None:
    path, session = tmp_path / "a.session", talking(checkpoint, "story")
    session.save(path)
    path.write_bytes(path.read_bytes().replace(b'"chargen_session":1', b'"chargen_session":2', 1))
    with pytest.raises(SessionError, match="format 2, this one reads 1"):
        session.open(path)
