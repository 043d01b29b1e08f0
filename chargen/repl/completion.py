"""What Tab completes: commands, and what may follow them."""

from __future__ import annotations

from collections.abc import Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from chargen.repl.commands import COMMANDS, is_command


class CommandCompleter(Completer):
    """Commands, and what may follow them."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)
        self._folders = PathCompleter(expanduser=True, only_directories=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        line = document.text_before_cursor
        if not is_command(line) or "\n" in line:
            return
        name, space, rest = line[1:].partition(" ")
        if not space:
            for known, row in COMMANDS.items():
                if known.startswith(name) and known != name:
                    yield Completion(known, -len(name), display_meta=row.help)
        elif name in COMMANDS:
            row = COMMANDS[name]
            word = rest.rpartition(" ")[2]
            for value in row.values(rest):
                fits = value.startswith(word) or value.rpartition("/")[2].startswith(word)
                if fits and value != word:
                    yield Completion(value, -len(word))
            if row.takes is not None:
                paths = self._folders if row.takes == "checkpoint" else self._paths
                for path in paths.get_completions(Document(rest), complete_event):
                    text = path.text + ("/" if path.display_text.endswith("/") else "")
                    if text:
                        yield Completion(text, path.start_position, path.display)
