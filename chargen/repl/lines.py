"""What a line is, a prompt or a command, and the doing of it."""

from __future__ import annotations

from chargen.errors import ChargenError, in_repl
from chargen.repl.commands import command_of
from chargen.repl.host import Host
from chargen.repl.quotes import QUOTES, is_quoted, unquoted
from chargen.repl.text_commands import answer_again

# What people type to other programs; nobody wants it completed.
BARE_WORDS = dict.fromkeys(("exit", "exit()", "quit", "quit()"), "/quit or Ctrl-D leaves")
BARE_WORDS |= dict.fromkeys(("help", "?"), "/help lists the commands")


def run_line(host: Host, line: str) -> None:
    """Answer a line, or run it if it is a command. Raises ChargenError, KeyboardInterrupt, Quit."""
    if is_command(line):
        run_command(host, line)
    elif is_quoted(line):
        host.answer(unquoted(line))
    elif line.strip():
        host.answer(line[1:] if line.startswith("//") else line)


def run_typed_line(host: Host, line: str) -> None:
    """The same of a line that somebody types at a prompt: no line at all asks for another text, and
    a word by which other programs are left or asked for help is answered by how it is done here."""
    if line.strip() in BARE_WORDS:
        word = line.strip()
        host.say(f"{BARE_WORDS[word]}; {QUOTES}{word}{QUOTES} continues it as text")
    elif not line.strip() and host.session.now.mode == "complete":
        answer_again(host)
    else:
        run_line(host, line)


def run_command(host: Host, line: str) -> None:
    """Run a line that begins with `/`. Raises ChargenError, KeyboardInterrupt, Quit."""
    name, _, rest = line[1:].partition(" ")
    command = command_of(name.strip())
    command.act(host, rest if command.takes == "text" else rest.strip())


def is_command(line: str) -> bool:
    """Two slashes begin a prompt that begins with one."""
    return line.startswith("/") and not line.startswith("//")


def is_prompt(line: str) -> bool:
    """Whether a line that somebody typed is to be answered by the model."""
    return not is_command(line) and line.strip() not in BARE_WORDS


def in_commands(error: ChargenError) -> str:
    """The message, with options written as in this REPL."""
    return error.spelled(in_repl)
