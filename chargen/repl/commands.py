"""What can be said to the REPL besides prompts: one table that help, completion and dispatch read.
What the commands do stands in a file for each group of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chargen.display.tables import show_definitions
from chargen.errors import ChargenError, ConfigError, Mention, escape
from chargen.repl.arguments import checkpoint_names, one_of
from chargen.repl.file_commands import info, load, log, open_session, save, save_model
from chargen.repl.host import Host, Quit
from chargen.repl.setting_commands import (
    chat,
    enter_mode,
    learn,
    reset,
    seed,
    set_option,
    setting_words,
    shortcut,
    use_keys,
)
from chargen.repl.text_commands import (
    compare,
    continue_text,
    edit,
    retry,
    top,
    undo,
    variants,
    why,
)
from chargen.suggestions import nearest


@dataclass(frozen=True)
class Command:
    """A row of the table: how it is written, what it does, and the doing."""

    usage: str
    help: str
    act: Callable[[Host, str], None]
    values: Callable[[str], list[str]] = lambda written: []  # what the next word may be
    takes: Literal["text", "file", "checkpoint"] | None = None  # a text keeps its spaces
    more: str = ""  # what /help on it adds


def run_line(host: Host, line: str) -> None:
    """Answer a line, or run it if it is a command. Raises ChargenError, KeyboardInterrupt, Quit."""
    if is_command(line):
        run_command(host, line)
    elif line.strip():
        host.answer(line[1:] if line.startswith("//") else line)


def run_command(host: Host, line: str) -> None:
    """Run a line that begins with `/`. Raises ChargenError, KeyboardInterrupt, Quit."""
    name, _, rest = line[1:].partition(" ")
    command = command_of(name.strip())
    command.act(host, rest if command.takes == "text" else rest.strip())


def is_command(line: str) -> bool:
    """Two slashes begin a prompt that begins with one."""
    return line.startswith("/") and not line.startswith("//")


def command_of(name: str) -> Command:
    """The command of this name. Raises ConfigError, which suggests the nearest."""
    if name.lower() not in COMMANDS:
        hint = f"did you mean /{near}?" if (near := nearest(name, COMMANDS)) else "see /help"
        raise ConfigError(f"there is no command /{name[:40]}", hint=hint)
    return COMMANDS[name.lower()]


def in_commands(error: ChargenError) -> str:
    """The message, with options written as in this REPL."""
    return error.spelled(_as_command)


def _as_command(mention: Mention) -> str:
    if not mention.to_set:
        return mention.option
    value = mention.value
    if isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, str):
        value = f'"{escape(value)}"'
    return f"/set {mention.option} {mention.fill_in if value is None else value}".rstrip()


def show_help(host: Host, rest: str) -> None:
    if rest:
        command = command_of(rest.removeprefix("/"))
        host.say(f"{command.usage}: {command.help}")
        if command.more:
            host.say(command.more)
        return
    show_definitions((command.usage, command.help, "") for command in COMMANDS.values())
    host.say(
        "anything else is a prompt (// for one that begins with /); Alt-Enter begins a new line, "
        "Ctrl-R searches in what you wrote, Ctrl-C stops a text, Ctrl-D leaves"
    )


def leave(host: Host, rest: str) -> None:
    raise Quit


COMMANDS: dict[str, Command] = {
    "help": Command(
        "/help [COMMAND]",
        "show this",
        show_help,
        lambda written: [] if " " in written else list(COMMANDS),
    ),
    "complete": Command(
        "/complete",
        "each prompt stands alone",
        enter_mode("complete", "each prompt begins a text of its own"),
    ),
    "story": Command(
        "/story",
        "prompts are joined to the text so far",
        enter_mode(
            "story",
            "what you write is joined to the text so far, as it is: begin "
            "with a space where one belongs; /reset begins a new one",
        ),
    ),
    "chat": Command(
        "/chat [YOU: BOT:]",
        "talk in turns",
        chat,
        more="A turn ends where the next begins, or with a blank line. How turns begin "
        "is kept with the model; /chat Q: A: changes it for this session.",
    ),
    "set": Command(
        "/set [NAME [VALUE]]",
        "show or change how texts are sampled",
        set_option,
        setting_words,
        more="As in: /set temperature 0.7, /set until line, /set top_p off, "
        '/set stop "You:" "\\n\\n". Quotes keep spaces; \\n is a new line.',
    ),
    "beams": Command(
        "/beams [N]",
        "show the N most likely texts; off samples again",
        shortcut("beams", "5"),
        one_of("5", "off"),
    ),
    "seed": Command(
        "/seed [N]", "repeat the same samples; off for new ones", seed, one_of("1", "off")
    ),
    "top": Command(
        "/top [words] [TEXT]",
        "the most likely next characters, or words",
        top,
        one_of("words"),
        takes="text",
    ),
    "why": Command(
        "/why [N]", "how surprised the model was; with N others at each place", why, one_of("4")
    ),
    "retry": Command("/retry", "another answer to the last prompt", retry),
    "undo": Command("/undo", "take the last step back", undo),
    "continue": Command(
        "/continue",
        "continue the last text where it stopped",
        continue_text,
        more="Where there is no text yet, one is written from nothing.",
    ),
    "variants": Command("/variants [N]", "N answers side by side", variants, one_of("3", "5")),
    "compare": Command(
        "/compare CHECKPOINT",
        "the last prompt and seed with two models",
        compare,
        checkpoint_names,
        takes="checkpoint",
    ),
    "info": Command("/info", "what the model is, and the text so far", info),
    "load": Command(
        "/load CHECKPOINT", "talk to another model", load, checkpoint_names, takes="checkpoint"
    ),
    "save": Command("/save FILE", "save this session", save, takes="file"),
    "open": Command("/open FILE", "continue a saved session", open_session, takes="file"),
    "log": Command(
        "/log FILE", "write all into a Markdown file; off ends it", log, one_of("off"), takes="file"
    ),
    "edit": Command("/edit [TEXT]", "write the next prompt in $EDITOR", edit, takes="text"),
    "learn": Command(
        "/learn on|off", "learn what you write, in memory alone", learn, one_of("on", "off")
    ),
    "save-model": Command(
        "/save-model FOLDER", "keep what was learned as a new checkpoint", save_model, takes="file"
    ),
    "reset": Command(
        "/reset", "begin a new text; /reset settings: the defaults", reset, one_of("settings")
    ),
    "keys": Command("/keys emacs|vi", "how lines are edited", use_keys, one_of("emacs", "vi")),
    "quit": Command("/quit", "leave", leave),
}
