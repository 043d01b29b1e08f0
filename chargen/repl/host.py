"""What a command may ask of the program: the session, where its texts are shown, and what the next
prompt begins with. Knows nothing of keys, pipes and commands.

Imports nothing that computes: that is there with the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chargen.display.console import print_json
from chargen.display.tables import show_beams, show_columns
from chargen.display.text import TextPrinter
from chargen.errors import OutputError
from chargen.repl.transcript import as_markdown
from chargen.runtime.files import write_file

if TYPE_CHECKING:
    from chargen.generation.completion import Completion
    from chargen.session.session import Events, Session

MAX_SHOWN = 2000  # characters of a prompt


class Quit(Exception):
    """The user wants to leave."""


class _SearchStopped(Exception):
    """A search was to end before there was anything to show."""


@dataclass
class Host:
    """What commands act on."""

    session: Session
    printer: TextPrinter
    stopped: Callable[[], bool]  # whether what is being done should end: Ctrl-C
    json: bool = False
    log: Path | None = None
    logs: set[Path] = field(default_factory=set)  # that were written here
    draft: str = ""  # what the next prompt begins with
    keys: str = "emacs"
    keeps_lines: bool = False  # what the user wrote stands there: a dumb terminal
    outside: Callable[[], AbstractContextManager[None]] = nullcontext  # for another program

    def __post_init__(self) -> None:
        self.session.on_search = self._go_on_searching

    def _go_on_searching(self, share: float) -> None:
        if self.stopped():
            raise _SearchStopped

    def progress(self, doing: str) -> Callable[[float], None]:
        """Shows how far some work has come, and ends it with KeyboardInterrupt."""

        def on_progress(share: float) -> None:
            if self.stopped():
                raise KeyboardInterrupt
            if share < 1:
                part = f" {share:.0%}" if share else ""
                self.printer.status(f"{doing}{part}; Ctrl-C stops")

        return on_progress

    # -- showing ------------------------------------------------------------------------------

    def answer(self, prompt: str) -> None:
        """Show what the model makes of a prompt. Raises ChargenError, KeyboardInterrupt."""
        session = self.session
        on_progress = self.progress(
            "learning and reading" if session.has_learned else "reading the prompt"
        )
        if session.samples_several:
            self.show_all(prompt, session.several(prompt, on_progress))
            self.write_log()
            return
        events = session.answer(prompt, on_progress)
        stands_there = None
        if self.keeps_lines:
            stands_there = session.roles[1] if session.now.mode == "chat" else ""
        self.show(prompt, events, before=stands_there)

    def answer_again(self) -> None:
        """Another text for the last prompt, or from nothing. Raises ChargenError,
        KeyboardInterrupt."""
        session, prompt = self.session, self.session.last_prompt
        on_progress = self.progress("reading the prompt")
        if session.samples_several:
            self.show_all(prompt, session.several(prompt, on_progress))
            self.write_log()
        else:
            self.show(prompt, session.answer_again(on_progress))

    def show(self, prompt: str, events: Events, before: str | None = None) -> None:
        """Show a text as it comes; `before` is what stands before it, unless it is the prompt.
        Raises OutputError."""
        self.printer.status("")
        if self.json:
            self._print(prompt, events)
        else:
            self._stream(prompt, events, before)
        self.write_log()

    def _print(self, prompt: str, events: Events) -> None:
        """One JSON line a text, at its end."""
        from chargen.generation.completion import (  # not before they are there anyway
            Completion,
            Piece,
        )

        pieces: list[Piece] = []
        found: list[Completion] = []
        for event in self._until_stopped(events):
            if isinstance(event, Piece):
                pieces.append(event)
            else:
                found = event.completions
        text = "".join(piece.text for piece in pieces)
        tokens = tuple(token for piece in pieces for token in piece.tokens)
        logprob = sum(piece.logprob for piece in pieces)
        reason = self.session.now.finish_reason or "length"
        for completion in found or [Completion(prompt, text, tokens, logprob, reason)]:
            print_json(completion.as_dict() | {"prompt": prompt})

    def _stream(self, prompt: str, events: Events, before: str | None) -> None:
        from chargen.generation.completion import Piece

        session, printer = self.session, self.printer
        is_chat = session.now.mode == "chat"
        beams = session.settings["beams"] or 1
        shows_text = printer.is_terminal or beams == 1  # a pipe gets either the table or the text
        if before is None:
            bot = f"\n{session.roles[1]}" if is_chat else ""
            printer.prompt(shortened(prompt) + bot, self.mark)
        else:
            printer.prompt(before)
        is_empty = True
        found: list[Completion] = []
        for event in self._until_stopped(events):
            if not isinstance(event, Piece):
                found = event.completions
            elif shows_text:
                if is_chat and is_empty and not printer.is_terminal:  # no name stands before it
                    event = replace(event, text=event.text.lstrip())
                printer.piece(event)
                is_empty = is_empty and not event.text
        if shows_text:
            printer.close()
            if is_empty and printer.is_terminal:
                printer.say("(nothing)", style="dim")
        if beams > 1 and found:
            show_beams(found)

    def _until_stopped(self, events: Events) -> Events:
        """The events up to where the work should end; then they are closed, which keeps the text as
        far as it has come."""
        with closing(events), suppress(_SearchStopped):  # type: ignore[type-var]
            for event in events:
                yield event
                if self.stopped():
                    return

    def show_all(self, prompt: str, completions: Iterable[Completion]) -> None:
        """Several answers: side by side, or with lines between them where there is no terminal."""
        self.printer.status("")
        if self.json:
            for completion in completions:
                print_json(completion.as_dict() | {"prompt": prompt})
        elif self.printer.is_terminal:
            titles = [(f"{n}", c.text) for n, c in enumerate(completions, start=1)]
            if not self.keeps_lines:
                self.printer.recall(shortened(prompt), self.mark)
            show_columns(titles)
        else:
            for completion in completions:
                self.printer.sample(completion)

    @property
    def mark(self) -> str:
        """What stands before what the user writes."""
        return mark(self.session)

    def say(self, message: str) -> None:
        self.printer.say(message)

    def doubt_turns(self) -> None:
        """Say so where the model seems never to have seen such a talk as this is to be."""
        if self.session.now.mode == "chat" and not self.session.expects_turns:
            user, bot = self.session.roles
            self.say(f"this model seems never to have seen a dialogue between {user} and {bot}")

    def write_log(self) -> None:
        """Write the whole talk, where that was asked for, as Markdown."""
        if self.log is None:
            return
        try:
            write_file(self.log, as_markdown(self.session).encode(errors="replace"))
        except OSError as error:
            path, self.log = self.log, None
            raise OutputError(
                f"cannot write {path}: {error.strerror}", hint="no log is written"
            ) from None


def mark(session: Session | None) -> str:
    """What a prompt is written after."""
    if session is not None and session.now.mode == "chat":
        return f"{session.roles[0]} "
    return "> "


def shortened(prompt: str) -> str:
    """A prompt as it is shown again."""
    if len(prompt) <= MAX_SHOWN:
        return prompt
    return f"[{len(prompt):,} characters] ...{prompt[-MAX_SHOWN // 10 :]}"
