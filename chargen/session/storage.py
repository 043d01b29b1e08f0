"""A session as a file: the text, the settings, where the random numbers are, what the network
remembers, and the hash of the model that remembers it. Knows the format alone: what is done with a
session is not its concern.

Two lines of JSON: the first says what this is and the sha256 of the second, so that damage is seen
before anything is believed. What the network remembers takes a few kilobytes, however long the
text; it is taken up again as it is, and no text is read.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chargen.config import MODES, CorpusConfig
from chargen.errors import SessionError, action
from chargen.generation.prompt_state import PromptState
from chargen.generation.sampling import RandomStream
from chargen.generation.stopping import FinishReason
from chargen.nn.engine import initial_state
from chargen.nn.weights import Weights
from chargen.runtime.files import Record, decode, encode, read_file, write_file
from chargen.session.history import Exchange, History, Moment
from chargen.session.settings import settings_from_json
from chargen.session.state import SessionState

FORMAT = 1
MAX_BYTES = 1 << 28
HINT = "pass a file that /save wrote"
_NEWER_SETTINGS = {"relevance": 0.0}  # of what was not in older files
_BEGINNING = b'{"chargen_session":'


class _Head(Record):
    chargen_session: int
    sha256: str


class SavedPromptState(Record, forbid_unknown_fields=True, frozen=True):
    """A `PromptState`; `state` and `tail` in base64, the state as float32, little end first; with
    that of the same text without its prompt where it is known."""

    state: str
    unread: list[int]
    tail: str
    recent: list[int]
    unprompted: SavedPromptState | None = None  # not in older files


class SavedSession(Record, forbid_unknown_fields=True, frozen=True):
    """A session. `exchanges` are what was written, what was read for it, how that went on."""

    model: str  # sha256 of the weights
    checkpoint: str  # where they were found
    settings: dict[str, Any]
    mode: str
    user: str
    bot: str
    exchanges: list[tuple[str, str, str]]
    begun: int
    place: SavedPromptState
    stream: tuple[int, int, int] | None
    finish_reason: FinishReason | None
    given: tuple[str, ...] = ()  # names of the settings that the user has set; not in older files


def write_session(path: Path, saved: SavedSession) -> None:
    """Replace the file at once. Raises SessionError, also where it is anything but a session."""
    try:
        content = encode(saved)
    except UnicodeEncodeError:
        raise SessionError(
            f"cannot write {path}: a setting holds a lone surrogate, which is not a character",
            hint=action("settings", "/set") + " shows them all",
        ) from None
    head = encode(_Head(FORMAT, hashlib.sha256(content).hexdigest()))
    try:
        if path.exists() and not _is_session(path):
            raise SessionError(f"{path} exists and is not a session file", hint="name another one")
        write_file(path, head + b"\n" + content + b"\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SessionError(f"cannot write {path}: {why}", hint="name another file") from error


def read_session(path: Path) -> SavedSession:
    """What a file holds, as it was written. Raises SessionError."""
    try:
        first, _, content = read_file(path, MAX_BYTES).partition(b"\n")
    except OSError as error:
        raise SessionError(f"cannot read {path}: {error.strerror}", hint=HINT) from error
    except ValueError as error:  # it is a folder, say, or far too long
        raise SessionError(f"{path} is not a session file: {error}", hint=HINT) from error
    try:
        head = decode(first, _Head)
    except ValueError:
        raise SessionError(f"{path} is not a session file", hint=HINT) from None
    if head.chargen_session != FORMAT:
        raise SessionError(
            f"{path} was written by another version of chargen (format "
            f"{head.chargen_session}, this one reads {FORMAT})",
            hint="use that version of chargen",
        )
    content = content.removesuffix(b"\n")
    if head.sha256 != hashlib.sha256(content).hexdigest():
        raise SessionError(f"{path} is damaged: its text is not what was written")
    try:
        return decode(content, SavedSession)
    except ValueError as error:
        raise SessionError(f"{path} is damaged: {error}") from None


def _is_session(path: Path) -> bool:
    if not path.is_file():  # a pipe may have nothing to be read, ever
        return False
    with open(path, "rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def pack(state: SessionState) -> SavedSession:
    """A session as JSON can hold it."""
    now, stream = state.now, state.now.stream
    user, bot = state.roles
    return SavedSession(
        model=state.model.sha256,
        checkpoint=os.fsencode(state.model.metadata.folder).decode(errors="replace"),
        settings=state.settings,
        mode=now.mode,
        user=user,
        bot=bot,
        exchanges=[(e.prompt, e.read, e.text) for e in state.history.exchanges],
        begun=now.begun,
        place=_pack_prompt_state(now.place, state.generator.weights.config.num_layers),
        stream=None if stream is None else (stream.seed, stream.row, stream.used),
        finish_reason=now.finish_reason,
        given=tuple(name for name in state.settings if name in state.given),
    )


def unpack(saved: SavedSession, state: SessionState) -> SessionState:
    """The session, for the model of another one, which is the one that it was saved with. Raises
    ValueError, TypeError, ConfigError where it cannot be."""
    history = _unpack_history(saved, state.generator.weights)
    newer = {name: value for name, value in _NEWER_SETTINGS.items() if name not in saved.settings}
    settings = settings_from_json(saved.settings | newer)
    if saved.given != tuple(name for name in settings if name in saved.given):
        raise ValueError("it names unknown settings")
    roles = saved.user, saved.bot
    CorpusConfig(user=saved.user, bot=saved.bot)
    named = None if state.named_roles is None and roles == state.roles else roles
    opened = SessionState(state.model, history, {}, named)
    defaults = opened.default_settings
    given = {n: v for n, v in settings.items() if n in saved.given or v != defaults[n]}
    return replace(opened, given=given)


def _unpack_history(saved: SavedSession, weights: Weights) -> History:
    exchanges = tuple(Exchange(*parts) for parts in saved.exchanges)
    count = len(exchanges)
    stream = None
    if saved.mode not in MODES or not 0 <= saved.begun <= count:
        raise ValueError("there is no such mode or exchange")
    if saved.stream is not None:
        stream = RandomStream(*saved.stream)
        if not (0 <= stream.seed < 2**63 and 0 <= stream.row < 2**63):
            raise ValueError("its random stream is unknown")
        if not 0 <= stream.used < 2**63:
            raise ValueError("its place in the random stream is out of range")
    last = exchanges[-1] if count > saved.begun else None
    place = _unpack_prompt_state(saved.place, weights)
    now = Moment(saved.mode, place, stream, saved.finish_reason, count, saved.begun, last)
    return History(now, exchanges)


def _pack_prompt_state(place: PromptState, num_layers: int) -> SavedPromptState:
    state = place.state.reshape(-1, num_layers, place.state.shape[-1])
    unprompted = place.unprompted
    # Layer by layer, an LSTM's h and c together.
    ordered = state.swapaxes(0, 1).astype("<f4").tobytes()
    return SavedPromptState(
        base64.b64encode(ordered).decode(),
        list(place.unread),
        base64.b64encode(place.tail).decode(),
        list(place.recent),
        None if unprompted is None else _pack_prompt_state(unprompted, num_layers),
    )


def _unpack_prompt_state(saved: SavedPromptState, weights: Weights) -> PromptState:
    """The place, for the model that it was made with. Raises ValueError where it does not fit."""
    numbers = np.frombuffer(base64.b64decode(saved.state, validate=True), dtype="<f4")
    blank = initial_state(weights.config)
    if len(numbers) != blank.size:
        raise ValueError("its state has the wrong size")
    if not np.isfinite(numbers).all():
        raise ValueError("its state is not finite")
    ordered = numbers.astype(np.float32).reshape(weights.config.num_layers, -1, blank.shape[-1])
    for token in (*saved.unread, *saved.recent):
        if not 0 <= token < weights.vocab_size:
            raise ValueError("it has tokens that the model does not have")
    if not saved.unread:
        raise ValueError("no token is left to be read")
    tail = base64.b64decode(saved.tail, validate=True)
    tail.decode()
    state = ordered.swapaxes(0, 1).reshape(blank.shape)
    place = PromptState(state, tuple(saved.unread), tail, tuple(saved.recent))
    if saved.unprompted is not None:
        if saved.unprompted.tail or saved.unprompted.unprompted is not None:
            raise ValueError("what it would be without its prompt has a tail or a prompt")
        place = replace(place, unprompted=_unpack_prompt_state(saved.unprompted, weights))
    return place
