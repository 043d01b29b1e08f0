"""Commands about files: the model that is talked to, sessions, logs."""

from __future__ import annotations

import os

from chargen.checkpoint.locate import list_checkpoints
from chargen.checkpoint.recent import remember_talk
from chargen.display.checkpoints import facts_of, show_list
from chargen.display.console import message_console
from chargen.display.tables import show_definitions
from chargen.errors import OutputError
from chargen.repl.arguments import path_from
from chargen.repl.host import Host, shortened
from chargen.repl.setting_commands import changed_settings
from chargen.reprs import counted

_OFF = "; learning is off"
_FORGETS = f"; what was learned is forgotten{_OFF}"


def info(host: Host, rest: str) -> None:
    session = host.session
    count, size = len(session.exchanges) - session.now.begun, len(session.text)
    facts = facts_of(session.metadata, session.generator.weights.num_parameters)
    show_definitions(
        [
            *((name, value, "") for name, value in facts),
            ("mode", session.now.mode, ""),
            ("settings", changed_settings(session.given), ""),
            ("text so far", f"{counted(count, 'exchange')}, {counted(size, 'character')}", ""),
            ("learning", "on" if session.learns else "off", ""),
        ]
    )


def list_all(host: Host, rest: str) -> None:
    show_list(list_checkpoints(), message_console())


def load(host: Host, rest: str) -> None:
    learned, folder = host.session.learns, path_from(rest, "/load checkpoints/everyday")
    host.session.load(folder, host.progress("reading the text"))
    host.printer.status("")
    if host.printer.is_terminal:
        remember_talk(host.session.folder)
    host.say(f"talking to {host.session.folder}{_FORGETS if learned else ''}")


def save(host: Host, rest: str) -> None:
    path = path_from(rest, "/save talk.session")
    host.session.save(path)
    host.say(f"saved in {path}; /open {rest} resumes it")


def open_session(host: Host, rest: str) -> None:
    host.session.open(path_from(rest, "/open talk.session"))
    session = host.session
    host.say(f"{counted(len(session.exchanges), 'exchange')}, {session.now.mode} mode")
    if session.text:
        host.printer.recall(shortened(session.text))


def log(host: Host, rest: str) -> None:
    if rest == "off":
        host.say("not logging" if host.log is None else f"stopped logging to {host.log}")
        host.log = None
        return
    path = path_from(rest, "/log talk.md")
    if os.path.exists(path) and path not in host.logs:  # Path.exists raises on a name too long
        raise OutputError(f"{path} exists", hint="name another file")
    host.log = path
    host.write_log()
    host.logs.add(path)
    host.say(f"logging to {path}; /log off stops it")


def save_model(host: Host, rest: str) -> None:
    learned = host.session.learns
    folder = path_from(rest, "/save-model checkpoints/mine")
    host.session.save_model(folder, host.progress("learning and reading the text"))
    host.printer.status("")
    host.say(f"saved; talking to {host.session.folder}{_OFF if learned else ''}")
