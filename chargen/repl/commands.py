"""What can be said to the REPL besides prompts: one table that help, completion and dispatch read.
What the commands do stands in a file for each group of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chargen.display.tables import show_groups
from chargen.errors import ConfigError
from chargen.repl.arguments import Settings, Word, Words, checkpoint_names, nothing, one_of
from chargen.repl.file_commands import (
    info,
    list_all,
    load,
    log,
    open_session,
    save,
    save_model,
)
from chargen.repl.host import Host, Quit
from chargen.repl.setting_commands import (
    EXAMPLES,
    about,
    chat,
    enter_mode,
    explain_setting,
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
    values: Words = nothing  # what the next word may be
    takes: Literal["text", "file", "checkpoint"] | None = None  # a text keeps its spaces
    more: str = ""  # what /help on it adds
    also: tuple[str, ...] = ()  # its names in other programs


@dataclass(frozen=True)
class Group:
    """Commands that are about one thing, and an example of it."""

    name: str
    about: str
    example: str
    commands: dict[str, Command]


def command_of(name: str) -> Command:
    """The command of this name, or of one that it has elsewhere. Raises ConfigError, which suggests
    the nearest."""
    name = ALIASES.get(name.lower(), name.lower())
    if name in COMMANDS:
        return COMMANDS[name]
    near = OTHER_COMMANDS.get(name) or nearest(name, [*COMMANDS, *ALIASES, *EXAMPLES])
    meant = f"/set {near}" if near in EXAMPLES and near not in COMMANDS else f"/{near}"
    hint = f"did you mean {meant}?" if near else "see /help"
    raise ConfigError(f"there is no command /{name[:40]}", hint=hint)


def show_help(host: Host, rest: str) -> None:
    rest = rest.removeprefix("/").removeprefix("set ").strip()
    name = rest.replace("-", "_").lower()
    if not rest:
        show_groups(
            "Write the beginning of a text; the model continues it. Enter alone samples another.",
            [(g.name, [c.usage for c in g.commands.values()], g.about, g.example) for g in GROUPS],
            'A text between """ and """ may have several lines, or look like a command. Tab '
            "completes, Ctrl-R searches, Ctrl-C stops the text, Ctrl-D leaves. /help NAME explains "
            "a command or a setting.",
        )
        return
    is_setting = name in EXAMPLES
    if not is_setting or name in COMMANDS:
        command = command_of(rest)
        host.say(f"{command.usage}: {command.help}")
        if command.more:
            host.say(command.more)
        if command.also:
            host.say(f"also {', '.join(f'/{other}' for other in command.also)}")
    if is_setting:
        explain_setting(host, name)


def _help_words(written: str, settings: Settings) -> list[Word]:
    if " " in written:
        return []
    commands = [Word(name, meaning=command.help) for name, command in COMMANDS.items()]
    others = [Word(name, meaning=about(name)) for name in settings if name not in COMMANDS]
    return [*commands, *others]


def leave(host: Host, rest: str) -> None:
    raise Quit


GROUPS = (
    Group(
        "mode",
        "how prompts are used",
        "/chat Ann: Bob:",
        {
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
        },
    ),
    Group(
        "sampling",
        "how texts are sampled",
        "/set temperature 0.5",
        {
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
                one_of({"5": "the 5 most likely texts", "off": "samples again"}),
            ),
            "seed": Command(
                "/seed [N]",
                "repeat the same samples; off for new ones",
                seed,
                one_of({"1": "the same samples again", "off": "new ones"}),
            ),
        },
    ),
    Group(
        "text",
        "more text, another answer, a step back",
        "/variants 3",
        {
            "retry": Command("/retry", "another answer to the last prompt", retry),
            "continue": Command(
                "/continue",
                "continue the last text where it stopped",
                continue_text,
                more="If there is no text yet, a new one is sampled.",
            ),
            "undo": Command("/undo", "undo the last step", undo),
            "reset": Command(
                "/reset",
                "begin a new text; /reset settings: the defaults",
                reset,
                one_of({"settings": "all at their defaults"}),
                also=("clear",),
            ),
            "variants": Command(
                "/variants [N]",
                "N answers side by side",
                variants,
                one_of({"3": "answers side by side", "5": "answers side by side"}),
            ),
            "edit": Command("/edit [TEXT]", "write the next prompt in $EDITOR", edit, takes="text"),
        },
    ),
    Group(
        "insight",
        "how likely or surprising a text is",
        "/top The sky is",
        {
            "top": Command(
                "/top [words] [TEXT]",
                "the most likely next characters, or words",
                top,
                one_of({"words": "not characters"}),
                takes="text",
            ),
            "why": Command(
                "/why [N]",
                "how surprised the model was; with N others at each place",
                why,
                one_of({"4": "others at each place"}),
            ),
            "compare": Command(
                "/compare CHECKPOINT",
                "the last prompt and seed with two models",
                compare,
                checkpoint_names,
                takes="checkpoint",
            ),
        },
    ),
    Group(
        "model",
        "the model, and what it learns",
        "/load everyday",
        {
            "list": Command("/list", "list the checkpoints", list_all),
            "load": Command(
                "/load CHECKPOINT",
                "talk to another model",
                load,
                checkpoint_names,
                takes="checkpoint",
            ),
            "info": Command(
                "/info", "what the model is, how it is sampled, and the text", info, also=("show",)
            ),
            "learn": Command(
                "/learn on|off",
                "learn what you write, in memory only",
                learn,
                one_of({"on": "from now on", "off": "forget it all"}),
            ),
            "save-model": Command(
                "/save-model FOLDER",
                "keep what was learned as a new checkpoint",
                save_model,
                takes="file",
            ),
        },
    ),
    Group(
        "session",
        "saving, help, leaving",
        "/save talk.session",
        {
            "save": Command("/save FILE", "save this session", save, takes="file"),
            "open": Command("/open FILE", "continue a saved session", open_session, takes="file"),
            "log": Command(
                "/log FILE",
                "log the session to a Markdown file; off stops it",
                log,
                one_of({"off": "no longer"}),
                takes="file",
            ),
            "help": Command(
                "/help NAME",
                "explain a command or a setting; alone, list all commands",
                show_help,
                _help_words,
                also=("?",),
            ),
            "keys": Command(
                "/keys emacs|vi",
                "how lines are edited",
                use_keys,
                one_of({"emacs": "", "vi": ""}),
            ),
            "quit": Command("/quit", "leave", leave, also=("exit", "bye")),
        },
    ),
)
COMMANDS = {name: command for group in GROUPS for name, command in group.commands.items()}
# Commands by their names in other programs, which are not quite the same.
OTHER_COMMANDS = {"model": "load", "models": "list"}
ALIASES = {other: name for name, command in COMMANDS.items() for other in command.also}
