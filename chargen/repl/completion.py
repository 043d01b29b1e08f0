"""What Tab completes: commands, and what may follow them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit.application import get_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from chargen.repl.arguments import Settings, Word
from chargen.repl.commands import ALIASES, COMMANDS, command_of
from chargen.repl.lines import is_command

WIDE = 60  # columns in which a menu says what its rows mean
MAX_VALUE = 10  # columns of a value in it


class CommandCompleter(Completer):
    """Commands, and what may follow them, under the `settings` of now."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._paths = PathCompleter(expanduser=True)
        self._folders = PathCompleter(expanduser=True, only_directories=True)
        self._meanings: dict[str, str] = {}  # of the rows of the last menu

    def meaning_of(self, chosen: Completion) -> str:
        """What a row of the menu means, which may be more than there is room for in it."""
        return self._meanings.get(chosen.display_text, "")

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        line = document.text_before_cursor
        if not is_command(line) or "\n" in line:
            return
        name, space, rest = line[1:].partition(" ")
        if not space:
            names = [Word(known, meaning=row.help) for known, row in COMMANDS.items()]
            # What other programs call them is understood, not recommended.
            names += [Word(other, meaning=f"as /{ours}") for other, ours in ALIASES.items() if name]
            yield from self._rows(names, name)
        elif name in COMMANDS or name in ALIASES:
            row = command_of(name)
            yield from self._rows(row.values(rest, self._settings()), rest.rpartition(" ")[2])
            if row.takes is not None:
                paths = self._folders if row.takes == "checkpoint" else self._paths
                for path in paths.get_completions(Document(rest), complete_event):
                    text = path.text + ("/" if path.display_text.endswith("/") else "")
                    if text:
                        yield Completion(text, path.start_position, path.display)

    def _rows(self, words: Sequence[Word], written: str) -> Iterator[Completion]:
        is_wide = get_app_session().output.get_size().columns >= WIDE
        width = max((len(word.text) for word in words if word.value), default=0)
        for text, value, meaning in words:
            if text.startswith(written) and text != written:
                short = value if len(value) <= MAX_VALUE else f"{value[: MAX_VALUE - 1]}\u2026"
                shown = f"{text:{width}}  {short}" if value else text
                self._meanings[shown] = meaning
                yield Completion(text, -len(written), shown, meaning if is_wide else "")
