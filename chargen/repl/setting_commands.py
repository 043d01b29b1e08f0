"""Commands that change how the session talks: modes, settings, keys, learning."""

from __future__ import annotations

import re
from collections.abc import Callable

from chargen.config import SampleConfig
from chargen.display.tables import show_definitions
from chargen.errors import ConfigError, in_repl
from chargen.keywords import Mode
from chargen.options import choices_of, field_types, help_of, limits_of, parse, unescape
from chargen.repl.arguments import Settings, Word, words_in
from chargen.repl.host import Host
from chargen.suggestions import nearest
from chargen.words import in_word

# A value that somebody may want, for each setting.
EXAMPLES = {
    "max_tokens": "500",
    "max_chars": "280",
    "min_chars": "100",
    "stop": r'"You:" "\n\n"',
    "until": "line",
    "relevance": "0.4",
    "repetition_penalty": "1.2",
    "presence_penalty": "0.5",
    "frequency_penalty": "0.5",
    "no_repeat_ngram": "8",
    "penalty_window": "512",
    "ban": '"("',
    "top_k": "40",
    "top_p": "0.9",
    "min_p": "0.05",
    "typical_p": "0.95",
    "temperature": "0.5",
    "charset": "a-zA-Z",
    "regex": "[a-z]+",
    "heal": "off",
    "num_samples": "3",
    "batch_size": "64",
    "beams": "5",
    "length_penalty": "1",
    "early_stopping": "on",
    "seed": "1",
}


def enter_mode(mode: Mode, says: str) -> Callable[[Host, str], None]:
    def enter(host: Host, rest: str) -> None:
        host.session.enter(mode)
        host.say(says)

    return enter


def chat(host: Host, rest: str) -> None:
    if rest:
        # "Ann Bob" would stand before what they say without anything between.
        host.session.name_roles([f"{w}:" if w and in_word(w[-1]) else w for w in words_in(rest)])
    host.session.enter("chat")
    user, bot = host.session.roles
    host.say(f"{user} is you, {bot} the model; /chat NAME NAME names them, /complete ends the chat")
    host.doubt_turns()


def set_option(host: Host, rest: str) -> None:
    settings = host.session.settings
    name, text = _name_and_value(rest)
    if not rest:
        show_definitions((n, spell(value), about(n)) for n, value in settings.items())
        return
    check_setting(name)
    if text:
        host.session.change(name, _value(name, text))
    host.say(f"{name} is {spell(host.session.settings[name])}")
    if not text:
        host.say(f"  {about(name)}")


def _name_and_value(rest: str) -> tuple[str, str]:
    """As in `temperature 0.5`, `temperature=0.5` or, as ollama has it, `parameter temperature
    0.5`."""
    rest = rest.removeprefix("parameter ")
    name = re.split(r"[\s=]", rest, maxsplit=1)[0]
    text = rest.removeprefix(name).strip()
    if len(text) > 1:  # alone it is a value, of `stop` for one
        text = text.removeprefix("=").strip()
    return name.replace("-", "_").lower(), text


def check_setting(name: str) -> None:
    """Raises ConfigError, which suggests the nearest."""
    if name not in EXAMPLES:
        near = nearest(name, EXAMPLES)
        hint = f"did you mean {near}?" if near else "/set shows all"
        raise ConfigError(f"there is no setting {name[:40]}", hint=hint)


def explain_setting(host: Host, name: str) -> None:
    """What a setting does, what it may be, what it is."""
    host.say(f"/set {name}: {about(name)}")
    if choices := choices_of(SampleConfig, name):
        host.say(f"one of {', '.join(choices)}")
    if limits := limits_of(SampleConfig, name):
        host.say(limits)
    host.say(f"it is {spell(host.session.settings[name])}; as in: /set {name} {EXAMPLES[name]}")


def about(name: str) -> str:
    """What a setting does, as it is said here."""
    several = field_types(SampleConfig)[name][0] is tuple
    words = help_of(SampleConfig, name, in_repl)
    return f'{words} (or several: "a" "b")' if several else words


def _value(name: str, text: str) -> object:
    """What a text spells for a setting; in quotes it keeps its spaces, and there may be several."""
    kind, _ = field_types(SampleConfig)[name]
    if kind not in (str, tuple) or text[0] not in "\"'":
        return parse(SampleConfig, name, text)
    words = words_in(text)
    if kind is tuple:
        return tuple(map(unescape, words))
    if len(words) > 1:
        raise ConfigError(f"{name} is one text", hint="put it into one pair of quotes")
    return words[0]


def spell(value: object) -> str:
    if value is None or value is False or value == ():
        return "off"
    if value is True:
        return "on"
    if isinstance(value, tuple):
        return " ".join(map(repr, value))
    return repr(value) if isinstance(value, str) and not value.isalpha() else str(value)


def changed_settings(given: Settings) -> str:
    """Those that the user has set."""
    changed = [f"{name} {spell(value)}" for name, value in given.items()]
    return f"{', '.join(changed) or 'all settings at their defaults'}; /set shows all"


def shortcut(name: str, alone: str = "") -> Callable[[Host, str], None]:
    """`/beams 5` for `/set beams 5`; with nothing after it, as if `alone` stood there."""
    return lambda host, rest: set_option(host, f"{name} {rest or alone}".strip())


def seed(host: Host, rest: str) -> None:
    if rest:
        set_option(host, f"seed {rest}")
        return
    host.say(f"seed is {spell(host.session.settings['seed'])}")
    if host.session.seed is not None:
        host.say(f"the last text was sampled with seed {host.session.seed}")


def learn(host: Host, rest: str) -> None:
    if not rest:
        host.say(f"learning is {'on' if host.session.learns else 'off'}: /learn on, /learn off")
        return
    if rest not in ("on", "off"):
        raise ConfigError("learning is on or off", hint="as in: /learn on")
    had_learnt = host.session.has_learned
    if rest == "on":
        host.printer.status("importing torch")  # the first time, for a second or two
    host.session.learn(rest == "on")
    host.printer.status("")
    if rest == "on":
        host.say("the model learns what you write, in memory only; /learn off forgets it")
    else:
        host.say("all that was learned is forgotten" if had_learnt else "learning is off")


def reset(host: Host, rest: str) -> None:
    if rest == "settings":
        host.session.reset_settings()
        host.say("all settings are at their defaults")
    else:
        host.session.reset()
        host.say("a new text begins; the settings stay")


def use_keys(host: Host, rest: str) -> None:
    if rest not in ("emacs", "vi"):
        raise ConfigError("keys are emacs or vi", hint="as in: /keys vi")
    host.keys = rest
    host.say(f"key bindings are those of {rest}")


# -- completions ------------------------------------------------------------------------------


def setting_words(written: str, settings: Settings) -> list[Word]:
    """Names of settings, as they are and what they do; then values."""
    name, space, _ = written.partition(" ")
    if not space:
        return [Word(n, spell(value), about(n)) for n, value in settings.items()]
    if name not in EXAMPLES:
        return []
    kind, optional = field_types(SampleConfig)[name]
    values = ["on", "off"] if kind is bool else list(choices_of(SampleConfig, name))
    now = spell(settings[name])
    values += [now, spell(getattr(SampleConfig(), name)), EXAMPLES[name]]
    if optional or kind is tuple:
        values.append("off")
    return [Word(value, "now" if value == now else "") for value in dict.fromkeys(values)]
