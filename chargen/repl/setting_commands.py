"""Commands that change how the session talks: modes, settings, keys, learning."""

from __future__ import annotations

from collections.abc import Callable

from chargen.config import SampleConfig
from chargen.display.tables import show_definitions
from chargen.errors import ConfigError
from chargen.options import choices_of, field_names, field_types, help_of, parse, unescape
from chargen.repl.arguments import words_in
from chargen.repl.host import Host
from chargen.suggestions import nearest


def enter_mode(mode: str, says: str) -> Callable[[Host, str], None]:
    def enter(host: Host, rest: str) -> None:
        host.session.enter(mode)
        host.say(says)

    return enter


def chat(host: Host, rest: str) -> None:
    if rest:
        # "Ann Bob" would stand before what they say without anything between.
        host.session.name_roles([f"{w}:" if w[-1:].isalnum() else w for w in words_in(rest)])
    host.session.enter("chat")
    user, bot = host.session.roles
    host.say(f"{user} is you, {bot} the model; /chat NAME NAME names them, /complete ends the talk")
    if not host.session.expects_turns:
        host.say(f"this model seems never to have read a dialogue of {user} and {bot}")


def set_option(host: Host, rest: str) -> None:
    settings = host.session.settings
    name, _, text = rest.partition(" ")
    name = name.replace("-", "_").lower()
    if not name:
        show_definitions((n, _spell(value), _about(n)) for n, value in settings.items())
        return
    if name not in settings:
        near = nearest(name, settings)
        hint = f"did you mean {near}?" if near else "/set shows all"
        raise ConfigError(f"there is no setting {name[:40]}", hint=hint)
    if text.strip():
        host.session.change(name, _value(name, text.strip()))
    host.say(f"{name} is {_spell(host.session.settings[name])}")
    if not text:
        host.say(f"  {_about(name)}")


def _about(name: str) -> str:
    """What a setting does, as it is said here."""
    several = field_types(SampleConfig)[name][0] is tuple
    words = help_of(SampleConfig, name, lambda mention: mention.option)
    return f'{words} (several in quotes: "a" "b")' if several else words


def _value(name: str, text: str) -> object:
    """What a text spells for a setting; in quotes it keeps its spaces, and there may be several."""
    kind, _ = field_types(SampleConfig)[name]
    if kind not in (str, tuple) or text[0] not in "\"'":
        return parse(SampleConfig, name, text)
    words = tuple(unescape(word) for word in words_in(text))
    if kind is tuple:
        return words
    if len(words) > 1:
        raise ConfigError(f"{name} is one text", hint="put it into one pair of quotes")
    return words[0]


def _spell(value: object) -> str:
    if value is None or value is False or value == ():
        return "off"
    if value is True:
        return "on"
    if isinstance(value, tuple):
        return " ".join(map(repr, value))
    return repr(value) if isinstance(value, str) and not value.isalpha() else str(value)


def shortcut(name: str, alone: str = "") -> Callable[[Host, str], None]:
    """`/beams 5` for `/set beams 5`; with nothing after it, as if `alone` stood there."""
    return lambda host, rest: set_option(host, f"{name} {rest or alone}".strip())


def seed(host: Host, rest: str) -> None:
    if rest:
        set_option(host, f"seed {rest}")
        return
    host.say(f"seed is {_spell(host.session.settings['seed'])}")
    if host.session.seed is not None:
        host.say(f"the last text was sampled with seed {host.session.seed}")


def learn(host: Host, rest: str) -> None:
    if not rest:
        host.say(f"learning is {'on' if host.session.learns else 'off'}: /learn on, /learn off")
        return
    if rest not in ("on", "off"):
        raise ConfigError("learning is on or off", hint="as in: /learn on")
    had_learnt = host.session.has_learned
    host.session.learn(rest == "on")
    if rest == "on":
        host.say("the model learns what you write, in memory alone; /learn off forgets it")
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
    host.say(f"keys are those of {rest}")


# -- completions ------------------------------------------------------------------------------


def setting_words(written: str) -> list[str]:
    name, space, _ = written.partition(" ")
    if not space:
        return field_names(SampleConfig)
    known = field_types(SampleConfig)
    if name not in known:
        return []
    kind, optional = known[name]
    values = [_spell(getattr(SampleConfig(), name))]
    if kind is bool:
        values = ["on", "off"]
    values += choices_of(SampleConfig, name)
    return list(dict.fromkeys([*values, *(["off"] if optional or kind is tuple else [])]))
