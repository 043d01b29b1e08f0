"""Who is who in a chat: whose turns a model will answer, and as whom.

The text of a chat is the same whoever is the user, since turns begin with names. So the roles are
found once it is read, and become the options `user` and `bot`. Asks somebody only by what it is
given to ask with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chargen.config import CorpusConfig
from chargen.data.sources import Source, SourceReader
from chargen.errors import CorpusError, named, setting
from chargen.formats.chats import head_lines, name_of

# Asks who of these people the user is; the second is the one to suggest.
AskMe = Callable[[Sequence[str], str], str]

SHOWN = 12  # names in a message
ALIKE = ">"  # begins all lines of a dialogue whose sides are alike, as chatbot-rnn's data has them
ALIKE_SHARE = 0.98  # of lines that begin so
MIN_LINES = 10  # of such a dialogue
LOOK_BYTES = 1 << 16  # at its beginning


@dataclass(frozen=True)
class RoleChoice:
    """How to choose roles: which options somebody has `given`, and how to `ask` who he is. An
    option that nobody has given is a default, or what a model was trained with before: it gives way
    where the text knows no such name."""

    given: frozenset[str] = frozenset()
    ask: AskMe | None = None


ANY_ROLES = RoleChoice()


@dataclass(frozen=True)
class Cast:
    """What the texts say of roles: the turns of each speaker in all chats, and whether there are
    roles that a reader has found."""

    speakers: Mapping[str, int] = field(default_factory=dict)
    has_roles: bool = False

    @property
    def most_active(self) -> list[str]:
        """The speakers, who speaks most first."""
        return sorted(self.speakers, key=lambda name: -self.speakers[name])


def label_of(name: str) -> str:
    """How the turns of somebody begin."""
    return f"{name}:"


def find_roles(
    sources: Sequence[Source], config: CorpusConfig, choice: RoleChoice
) -> tuple[CorpusConfig, Cast]:
    """The config with the roles of the texts, and with what counts in the loss. Raises
    CorpusError."""
    speakers: Counter[str] = Counter()
    for source in sources:
        speakers.update(source.speakers)
    has_dialogues = any(source.roles for source in sources)
    if config.me is not None and "me" in choice.given and not speakers:
        raise CorpusError(
            named("me") + " needs a chat that was exported, and no text here is one",
            hint="how turns begin in other texts is said by " + named("user", "bot"),
        )
    # Records with roles are written with the labels that are given.
    if speakers and not has_dialogues:
        config = _Chat(sources, speakers, config, choice).config()
    elif not speakers and not {"user", "bot"} & choice.given and _are_alike(sources):
        config = replace(config, user=ALIKE, bot=ALIKE)
    cast = Cast(speakers, has_dialogues or len(speakers) > 1)
    if config.loss is None and config.loss_after is None:
        is_turns = cast.has_roles and config.user != config.bot
        loss = "turns" if is_turns and config.documents != "line" else "all"
        config = replace(config, loss=loss)
    return config, cast


def _are_alike(sources: Sequence[Source]) -> bool:
    """Whether all texts are dialogues, each line of which is a turn and begins alike."""
    return bool(sources) and all(map(_is_alike, sources))


def _is_alike(source: Source) -> bool:
    if source.kind is not None:
        return False
    stop = min(source.start + LOOK_BYTES, source.stop)
    text = SourceReader(source).read(source.start, stop).decode(errors="ignore")
    lines = [line for line in head_lines(text) if line.strip()]
    turns = sum(line.startswith(f"{ALIKE} ") for line in lines)
    return turns >= MIN_LINES and turns >= ALIKE_SHARE * len(lines)


class _Chat:
    """The people of chats, and what is asked for of their roles."""

    def __init__(
        self,
        sources: Sequence[Source],
        speakers: Mapping[str, int],
        config: CorpusConfig,
        choice: RoleChoice,
    ) -> None:
        self._chats = [source for source in sources if source.speakers]
        self._speakers = speakers
        # Who speaks most comes first; of two who speak as often, who spoke later.
        self._names = sorted(reversed(list(speakers)), key=lambda name: -speakers[name])
        self._config = config
        self._choice = choice

    def config(self) -> CorpusConfig:
        """Raises CorpusError."""
        bot = self._given_label("bot")
        me = self._me(bot)
        if len(self._names) == 1:  # nobody answers
            return replace(self._config, me=me)
        if me == bot:
            raise CorpusError(
                f"{me} cannot be both the user and who the model answers as",
                hint="name another one; there are " + _listed(self._names),
            )
        others = [name for name in self._names if name != me]
        kept = self._config.bot.removesuffix(":")
        bot = bot or (kept if kept in others else others[0])
        return replace(self._config, me=me, user=label_of(me), bot=label_of(bot))

    def _me(self, bot: str | None) -> str:
        config, given = self._config, self._choice.given
        if config.me is not None and "me" in given:
            return self._named("me", config.me)
        user = self._given_label("user")
        if user is not None:
            return user
        kept = config.user.removesuffix(":")
        if kept in self._speakers and kept != bot:
            return kept
        if config.me is not None and config.me in self._speakers and config.me != bot:
            return config.me
        owners = {source.owner for source in self._chats if source.owner is not None}
        known = [name for name in owners or self._in_all_chats() if name != bot]
        if len(known) == 1:
            return known[0]
        names = [name for name in self._names if name != bot]
        suggested = self._suggested(names)
        if self._choice.ask is None or len(names) == 1:
            return suggested
        return self._named("me", self._choice.ask(names, suggested))

    def _in_all_chats(self) -> set[str]:
        """Who takes part in each of several chats."""
        if len(self._chats) < 2:
            return set()
        return set.intersection(*(set(source.speakers) for source in self._chats))

    def _suggested(self, names: Sequence[str]) -> str:
        """One who may be the user: who a chat of two is not named after, or who speaks less than
        the one who speaks most."""
        if len(self._names) == 2 and len(self._chats) == 1:
            title = self._chats[0].name.casefold()
            others = [name for name in self._names if name.casefold() not in title]
            if len(others) == 1 and others[0] in names:
                return others[0]
        return names[1] if len(names) == len(self._names) > 1 else names[0]

    def _given_label(self, option: str) -> str | None:
        """Whose turns begin as an option says, where somebody gave it."""
        if option not in self._choice.given:
            return None
        label: str = getattr(self._config, option)
        return self._named(option, label)

    def _named(self, option: str, wanted: str) -> str:
        """The one who is meant by a name, or by its beginning. Raises CorpusError."""
        name = name_of(wanted).casefold()
        exact = [speaker for speaker in self._names if speaker.casefold() == name]
        beginning = [speaker for speaker in self._names if speaker.casefold().startswith(name)]
        found = exact if len(exact) == 1 else [s for s in exact if s == wanted] or beginning
        if len(found) == 1:
            return found[0]
        if found:
            raise CorpusError(
                setting(option, wanted) + f" may be {_listed(found, 'or')}",
                hint="write more of the name",
            )
        raise CorpusError(
            f"nobody in the chat is called {wanted!r}",
            hint=named(option) + " takes one of " + _listed(self._names),
        )


def _listed(names: Sequence[str], last: str = "and") -> str:
    """Some names, and how many more there are."""
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} {last} {len(names) - SHOWN:,} more"
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
