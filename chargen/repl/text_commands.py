"""Commands about the text: other answers, going on, what was likely in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from chargen.display.console import print_json
from chargen.display.tables import show_columns, show_next
from chargen.display.text import show_alternatives, show_surprisals
from chargen.errors import ConfigError, OutputError
from chargen.repl.arguments import number_from, path_from
from chargen.repl.host import Host
from chargen.scoring.units import NATS_PER_BIT
from chargen.words import with_lf

if TYPE_CHECKING:
    from chargen.generation.completion import Completion

LOOKED_AT = 10  # what /top shows
ALTERNATIVES = 4  # what /why shows at each place


def top(host: Host, rest: str) -> None:
    first, _, text = rest.partition(" ")
    on_progress = host.progress("searching")
    if first == "words":
        found = host.session.top_words(text, LOOKED_AT, on_progress)
    else:
        found = host.session.top_characters(rest, LOOKED_AT)
    host.printer.status("")
    if host.json:
        print_json({"next": [asdict(chance) for chance in found]})
    else:
        # What is next to impossible says nothing, unless all is.
        show_next([c for n, c in enumerate(found) if n < 3 or c.probability >= 1e-4])


def why(host: Host, rest: str) -> None:
    count = number_from(rest, 1, 20, "/why 4") if rest else ALTERNATIVES
    surprisals = host.session.why(count, host.progress("looking"))
    host.printer.status("")
    if host.json:
        for surprisal in surprisals:
            print_json(surprisal.as_dict())
    elif rest:
        show_alternatives(surprisals)
    else:
        show_surprisals(surprisals)


def retry(host: Host, rest: str) -> None:
    _check_sampling(host)
    events = host.session.retry()
    host.show(host.session.last_prompt, events)


def answer_again(host: Host) -> None:
    """Another text from the last prompt, or from nothing."""
    _check_sampling(host)
    host.answer_again()


def _check_sampling(host: Host) -> None:
    if host.session.settings["beams"] is not None:
        raise ConfigError("a search finds the same again", hint="/beams off samples other texts")


def undo(host: Host, rest: str) -> None:
    gone, now = host.session.undo(), host.session.now
    host.write_log()
    if gone.count > now.count:
        prompt = gone.last.prompt if gone.last else ""
        host.say(f"taken back: {_ending(prompt) or '(an empty line)'}")
    elif gone.mode != now.mode:
        host.say(f"{now.mode} mode again")
    elif gone.last is None or now.last is None or gone.last == now.last:
        host.say("the previous text is back")
    elif gone.last.text.startswith(now.last.text):
        host.say("its last part was undone")
    else:
        host.say("the previous answer is back")


def continue_text(host: Host, rest: str) -> None:
    now = host.session.now
    if now.mode == "chat" and (now.last is None or now.finish_reason in ("stop", "end")):
        raise ConfigError("it is your turn", hint="write something, or /retry")
    last = now.last
    events = host.session.continue_text()
    text = last.read + last.text if last else ""
    host.show(host.session.last_prompt, events, before=_ending(text))


def _ending(text: str) -> str:
    """The last line of a text, or of that the end."""
    return with_lf(text).rpartition("\n")[2][-200:].replace("\t", " ")


def variants(host: Host, rest: str) -> None:
    count = number_from(rest, 1, 1000, "/variants 5") if rest else 3
    found = host.session.variants(count, host.progress("sampling"))
    host.show_all(host.session.last_prompt, found)


def compare(host: Host, rest: str) -> None:
    folder = path_from(rest, "/compare checkpoints/everyday")
    pair = host.session.compare(folder, host.progress("sampling"))
    host.printer.status("")
    if host.json:
        for name, completion in zip((host.session.folder, folder), pair, strict=True):
            where = {"prompt": host.session.last_prompt, "checkpoint": str(name)}
            print_json(completion.as_dict() | where)
        return
    show_columns(
        [
            (f"{name}: {_bits(completion)}", completion.text)
            for name, completion in zip((host.session.folder, folder), pair, strict=True)
        ]
    )


def _bits(completion: Completion) -> str:
    bits = -completion.logprob / NATS_PER_BIT / max(1, len(completion.text))
    return f"{bits:.2f} bits per character"


def edit(host: Host, rest: str) -> None:
    if not host.printer.is_terminal:
        raise ConfigError("/edit needs a terminal")
    text = rest or host.session.last_prompt
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompt.txt"
        try:
            path.write_text(text, encoding="utf-8")
            with host.outside():
                code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
            edited = path.read_text(encoding="utf-8")
        except UnicodeError:
            raise OutputError("the edited text is not UTF-8", hint="nothing is changed") from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise OutputError(
                f"cannot edit with {editor}: {why}", hint="name an editor in EDITOR"
            ) from None
    if code:
        host.say(f"{editor} failed, so nothing was changed")
        return
    host.draft = edited.removesuffix("\n")
