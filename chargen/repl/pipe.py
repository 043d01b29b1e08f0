"""Prompts and commands from a pipe or a file, a line each or lines between quotes; or one
prompt from a command line. The answers alone go to stdout."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from chargen.display.text import TextPrinter
from chargen.errors import ChargenError, ConfigError
from chargen.repl.host import Host, Quit
from chargen.repl.lines import in_commands, run_line
from chargen.repl.quotes import QUOTES, is_open
from chargen.runtime.signals import Interrupts

if TYPE_CHECKING:
    from chargen.session.session import Session


def run_piped(session: Session, lines: IO[bytes], as_json: bool) -> int:
    """Answer a prompt a line on stdout, which gets nothing else; the exit code."""
    failed = False
    interrupts = Interrupts()
    printer = TextPrinter()
    host = Host(session, printer, lambda: interrupts.caught is not None, json=as_json)
    host.doubt_turns()
    for number, line in enumerate(_with_quoted_lines(lines)):
        try:
            text = line.decode("utf-8" if number else "utf-8-sig").rstrip("\r\n")
            if is_open(text):
                raise ConfigError(f"a text in quotes has no end: {QUOTES} ends it")
            with interrupts:
                run_line(host, text)
        except UnicodeDecodeError as error:
            printer.error(f"a prompt is not UTF-8 at its byte {error.start}")
            failed = True
        except ChargenError as error:
            printer.error(in_commands(error))
            failed = True
        except Quit:
            break
        except KeyboardInterrupt:
            pass  # the exit code says so, below
        if interrupts.caught:
            return interrupts.exit_code
    return int(failed)


def _with_quoted_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, those of a text between quotes as one, which may be without an end."""
    text = b""
    for line in lines:
        text += line
        if not is_open(text.removeprefix(BOM_UTF8).decode(errors="replace")):
            yield text
            text = b""
    if text:
        yield text


def answer_one(session: Session, prompt: str, as_json: bool) -> int:
    """Answer one prompt, which is no command whatever it looks like; the exit code. Raises
    ChargenError."""
    interrupts = Interrupts()
    host = Host(session, TextPrinter(), lambda: interrupts.caught is not None, json=as_json)
    host.doubt_turns()
    with interrupts:
        host.answer(prompt)
    return interrupts.exit_code
