"""What an option is: a field of a config, with its default, its limits and one line of help.

The name of a field is its flag (`hidden_size`, `--hidden-size`), its JSON key and its Python
argument. A config is frozen, flat and JSON-able, and checks itself at birth, so deeper code
trusts it. `None` is the only "off". Which options there are stands in `config`.
"""

from __future__ import annotations

import dataclasses
import inspect
import numbers
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from chargen.errors import ESCAPES, ConfigError, Spelling, Wording, in_python
from chargen.suggestions import nearest

WIDTH = 96  # columns of a docstring
_CHARACTERS = {typed: character for character, typed in ESCAPES.items()}
MAX_VALUE = 1e12  # of anything that has no lower limit of its own


def option(
    default: Any,
    help: str | Wording,
    *,
    choices: tuple[str, ...] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    planned: bool = False,
    escapes: bool = False,
) -> Any:
    """A config field: its default, its help in one line with the unit, and its limits.

    What is `planned` is chosen for the text, the device and the time where it is not given; the
    default stands for it in configs that are made by hand. What `escapes` may be typed with \\n
    for a newline.
    """
    limits = {"at least": at_least, "at most": at_most, "above": above, "below": below}
    limits = {words: bound for words, bound in limits.items() if bound is not None}
    marks = {"planned": planned, "escapes": escapes}
    metadata = {"help": help, "choices": choices, "limits": limits, **marks}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What all configs share: they check their own fields when they are made. One text, a list or
    None is taken where texts are wanted, a number of numpy's where a number is, and a choice in
    capitals."""

    def __post_init__(self) -> None:
        known = field_types(type(self))
        for name, field in self.__dataclass_fields__.items():
            given = getattr(self, name)
            if given is field.default:  # as most are, of every config that a server makes
                continue
            kind, optional = known[name]
            value = _plain(kind, given, field.metadata["choices"])
            if value is not given:
                object.__setattr__(self, name, value)
            _check(field, kind, optional, value)
        self.check_together()

    def check_together(self) -> None:
        """Refuse options that are right one by one but cannot go together."""


ConfigType = TypeVar("ConfigType", bound=Config)
Function = TypeVar("Function", bound=Callable[..., Any])


def field_types(config_type: type[Config]) -> Mapping[str, tuple[Any, bool]]:
    """Of each option, by name: its type without None, and whether it may be None."""
    one: Any = config_type  # mypy takes the hash of a config for that of its class
    return _field_types(one)


@cache  # a config of twenty options is made in 0.06 ms, not in 0.7
def _field_types(config_type: type[Config]) -> Mapping[str, tuple[Any, bool]]:
    return {name: _type_of(hint) for name, hint in typing.get_type_hints(config_type).items()}


def field_names(config_type: type[Config]) -> list[str]:
    """The names of a config's options, in order."""
    return list(config_type.__dataclass_fields__)


def help_of(config_type: type[Config], name: str, spell: Spelling = in_python) -> str:
    """What the option of this name does, with others that it names spelled so."""
    words: str | Wording = config_type.__dataclass_fields__[name].metadata["help"]
    return words if isinstance(words, str) else words.spelled(spell)


def choices_of(config_type: type[Config], name: str) -> tuple[str, ...]:
    """The values that the option of this name may have; none where any will do."""
    fields = config_type.__dataclass_fields__
    return tuple(fields[name].metadata["choices"] or ())


def limits_of(config_type: type[Config], name: str) -> str:
    """The numbers that the option of this name may be, in words; nothing where any will do."""
    limits = config_type.__dataclass_fields__[name].metadata["limits"]
    return ", ".join(f"{words} {_written(bound)}" for words, bound in limits.items())


def build_config(config_type: type[ConfigType], options: Mapping[str, Any]) -> ConfigType:
    """The config with the given options, all others at their defaults.

    Raises ConfigError for a name that the config does not have, or a value it refuses.
    """
    check_names(options, field_names(config_type))
    return config_type(**options)


def check_names(names: Iterable[str], known: Sequence[str]) -> None:
    """Raises ConfigError for a name that is not among the known ones, and suggests one that is."""
    for name in names:
        if name not in known:
            near = nearest(name.replace("-", "_"), known)
            hint = f"did you mean {near}?" if near else f"the options are {', '.join(known)}"
            raise ConfigError(f"there is no option {name!r}", hint=hint)


def takes_options(*config_types: type[Config]) -> Callable[[Function], Function]:
    """For a function whose `**options` are the fields of these configs: its signature, which
    completion reads, names them, and its docstring says what each does. Type checkers and editors
    read `Unpack` of what stands in `keywords`."""

    def document(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
        names = {parameter.name for parameter in own}
        fields = [
            (config_type, field)
            for config_type in config_types
            for field in dataclasses.fields(config_type)
            if field.name not in names
        ]
        added = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=PLANNED if field.metadata["planned"] else field.default,
            )
            for _, field in fields
        ]
        lines = [
            textwrap.fill(
                f"{field.name}: {help_of(config_type, field.name)}{_default_of(field)}",
                WIDTH,
                initial_indent="    ",
                subsequent_indent="        ",
            )
            for config_type, field in fields
        ]
        setattr(function, "__signature__", signature.replace(parameters=own + added))  # noqa: B010
        function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Options:", *lines])
        return function

    return document


class _Planned:
    """Stands in signatures for a default that is chosen for the text, the device and the time."""

    def __repr__(self) -> str:
        return "planned"


PLANNED = _Planned()


def _default_of(field: dataclasses.Field[Any]) -> str:
    """What a docstring says of an option's choices and default."""
    said = []
    if field.metadata["choices"]:
        said.append("one of " + ", ".join(map(repr, field.metadata["choices"])))
    if field.metadata["planned"]:
        said.append("default: planned")
    elif field.default not in (None, ()):
        said.append(f"default: {field.default!r}")
    return f" ({'; '.join(said)})" if said else ""


def parse(config_type: type[Config], name: str, text: str) -> Any:
    """The value that `text` spells for the option `name`; `off` or `none` is None.

    Raises ConfigError where there is no such option or the text is not of its type.
    """
    check_names([name], field_names(config_type))
    kind, optional = field_types(config_type)[name]
    if optional and text.lower() in ("off", "none"):
        return None
    if kind is bool:
        if text.lower() not in ("true", "false", "on", "off"):
            raise ConfigError(f"must be on or off, not {text!r}", option=name)
        return text.lower() in ("true", "on")
    if kind is tuple:
        return () if text.lower() in ("off", "none") else (unescape(text),)
    try:
        return kind(text)
    except ValueError:
        noun = {int: "a whole number", float: "a number"}.get(kind, "a text")
        raise ConfigError(f"must be {noun}, not {text!r}", option=name) from None


def unescape(text: str) -> str:
    """The text that `escape` writes so; other backslashes are themselves."""
    return re.sub(r"\\[\\nrt]", lambda typed: _CHARACTERS[typed[0]], text)


def _type_of(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType):
        return next(arm for arm in hint.__args__ if arm is not types.NoneType), True
    return typing.get_origin(hint) or hint, False


def _plain(kind: Any, value: Any, choices: Sequence[str] | None = None) -> Any:
    """The value as configs and JSON have it, where it is one that Python people write otherwise."""
    if kind is tuple:
        texts = () if value is None else (value,) if isinstance(value, str) else value
        return tuple(_plain(str, t) for t in texts) if isinstance(texts, list | tuple) else value
    # Subclasses too, as np.float64 and np.str_ are: JSON takes none of them.
    if kind is str and isinstance(value, str):
        return str.__str__(value).lower() if choices else str.__str__(value)
    if kind in (int, float) and type(value) not in (bool, int, float):
        if isinstance(value, numbers.Integral):
            return int(value)
        if kind is float and isinstance(value, numbers.Real):
            return float(value)
    return value


def _check(field: dataclasses.Field[Any], kind: Any, optional: bool, value: Any) -> None:
    if value is None and optional:
        return
    if kind in (int, float):
        accepted = (int, float) if kind is float else (int,)
        if isinstance(value, bool) or not isinstance(value, accepted):
            noun = "a whole number" if kind is int else "a number"
            raise ConfigError(f"must be {noun}, not {value!r}", option=field.name)
        if value != value:
            raise ConfigError("must be a number, not nan", option=field.name)
        for words, bound in ({"at most": MAX_VALUE} | field.metadata["limits"]).items():
            if not _within(value, words, bound):
                shown = str(value)[:20]
                raise ConfigError(
                    f"must be {words} {_written(bound)}, not {shown}", option=field.name
                )
    elif kind in (str, bool):
        if not isinstance(value, kind):
            raise ConfigError(f"must be a {kind.__name__}, not {value!r}", option=field.name)
        choices = field.metadata["choices"]
        if choices and value not in choices:
            near = nearest(value, choices)
            raise ConfigError(
                f"must be one of {', '.join(choices)}, not {value!r}",
                option=field.name,
                hint=f"did you mean {near}?" if near else None,
            )
    elif not isinstance(value, tuple) or not all(isinstance(text, str) for text in value):
        raise ConfigError(f"must be a text or a list of texts, not {value!r}", option=field.name)


def _written(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) and abs(bound) >= 1e6 else f"{bound:g}"


def _within(value: float, words: str, bound: float) -> bool:
    match words:
        case "at least":
            return value >= bound
        case "at most":
            return value <= bound
        case "above":
            return value > bound
        case _:
            return value < bound
