"""Who is who in a chat."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chargen.config import CorpusConfig
from chargen.data.corpus import open_corpus
from chargen.data.roles import AskMe, Cast, RoleChoice, find_roles
from chargen.data.sources import Source
from chargen.errors import CorpusError, in_flags

TWO = {"Ana": 5, "Ben": 5}
FOUR = {"Ana": 3, "Ben": 9, "Cy": 7, "Anton": 1}


def chat(speakers: Mapping[str, int], name: str = "chat.txt", owner: str | None = None) -> Source:
    return Source(Path(name), name, 1, "", 0, None, None, None, speakers, owner)


def roles(
    *sources: Source, ask: AskMe | None = None, kept: Mapping[str, str] | None = None, **given: str
) -> tuple[str, str]:
    """The user's and the bot's names, where these options are given, and those were kept."""
    config = CorpusConfig(**(kept or {}), **given)  # type: ignore[arg-type]
    found, _ = find_roles(sources, config, RoleChoice(frozenset(given), ask))
    assert found.user == f"{found.me}:"
    return found.user.removesuffix(":"), found.bot.removesuffix(":")


def answering(name: str) -> Callable[[Sequence[str], str], str]:
    return lambda names, suggested: name


@pytest.mark.parametrize(
    ("speakers", "given", "expected"),
    [
        (TWO, {}, ("Ana", "Ben")),
        ({"Ana": 6, "Ben": 5}, {}, ("Ben", "Ana")),  # who says more has more to be learned
        (TWO, {"me": "Ben"}, ("Ben", "Ana")),
        (TWO, {"me": "b"}, ("Ben", "Ana")),
        (TWO, {"user": "Ben:"}, ("Ben", "Ana")),
        (TWO, {"bot": "ana:"}, ("Ben", "Ana")),
        (FOUR, {}, ("Cy", "Ben")),
        (FOUR, {"me": "ana"}, ("Ana", "Ben")),
        (FOUR, {"me": "Ben"}, ("Ben", "Cy")),
        (FOUR, {"me": "Ben", "bot": "Anton"}, ("Ben", "Anton")),
        (FOUR, {"bot": "Cy"}, ("Ben", "Cy")),
    ],
)
def test_roles(
    speakers: Mapping[str, int], given: Mapping[str, Any], expected: tuple[str, str]
) -> None:
    assert roles(chat(speakers), **given) == expected


def test_whose_export_it_is_and_who_is_in_all_of_several() -> None:
    assert roles(chat(TWO, owner="Ben")) == ("Ben", "Ana")
    assert roles(chat(TWO), chat({"Ben": 1, "Cy": 2})) == ("Ben", "Ana")
    assert roles(chat(TWO, owner="Ben"), bot="Ben") == ("Ana", "Ben")
    assert roles(chat(TWO, "WhatsApp Chat with Ana.txt")) == ("Ben", "Ana")


def test_somebody_is_asked_where_it_is_not_known() -> None:
    assert roles(chat(TWO), ask=answering("Ben")) == ("Ben", "Ana")
    assert roles(chat(FOUR), ask=answering("ant")) == ("Anton", "Ben")

    def never(names: Sequence[str], suggested: str) -> str:
        raise AssertionError

    assert roles(chat(TWO), ask=never, me="Ana") == ("Ana", "Ben")
    assert roles(chat(TWO, owner="Ana"), ask=never) == ("Ana", "Ben")
    assert roles(chat(TWO), ask=never, bot="Ben") == ("Ana", "Ben")
    assert roles(chat(TWO), ask=never, kept={"user": "Ben:", "bot": "Ana:"}) == ("Ben", "Ana")


def test_what_a_model_was_trained_with_gives_way_to_others() -> None:
    assert roles(chat(TWO), kept={"user": "Cy:", "bot": "Di:", "me": "Cy"}) == ("Ana", "Ben")
    assert roles(chat(FOUR), kept={"user": "Ana:", "bot": "Cy:"}) == ("Ana", "Cy")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"me": "Zoe"},
            "nobody in the chat is called 'Zoe'; --me takes one of Ben, Cy, Ana and Anton",
        ),
        ({"user": "You:"}, "nobody in the chat is called 'You:'; --user takes one of"),
        ({"me": "an"}, "--me an may be Ana or Anton; write more of the name"),
        ({"me": "Ana", "bot": "Ana"}, "Ana cannot be both the user and who the model answers as"),
    ],
)
def test_nobody_is_taken_for_another(given: Mapping[str, Any], message: str) -> None:
    with pytest.raises(CorpusError) as caught:
        roles(chat(FOUR), **given)
    assert message in caught.value.spelled(in_flags)


def test_names_without_an_end_are_counted() -> None:
    many = {f"person {number}": 1 for number in range(50)}
    with pytest.raises(CorpusError, match="and 38 more"):
        roles(chat(many), me="Zoe")


def test_a_plain_text_has_nobody_to_be(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("x")
    plain = Source(path, "plain.txt", 1, "", 0, None)
    assert find_roles([plain], CorpusConfig(me="Ana"), RoleChoice())[0].user == "You:"
    with pytest.raises(CorpusError, match="needs a chat"):
        find_roles([plain], CorpusConfig(me="Ana"), RoleChoice(frozenset(["me"])))


def test_one_person_has_no_roles() -> None:
    config, cast = find_roles([chat({"Ana": 3})], CorpusConfig(), RoleChoice())
    assert (config.user, config.bot, config.loss) == ("You:", "Bot:", "all")
    assert cast == Cast({"Ana": 3}, False)


def test_records_with_roles_keep_their_labels() -> None:
    records = Source(Path("x"), "x", 1, "", 0, None, roles=True)
    config, cast = find_roles([chat(TWO), records], CorpusConfig(), RoleChoice())
    assert (config.user, config.bot, config.loss) == ("You:", "Bot:", "turns")
    assert cast.has_roles


@pytest.mark.parametrize(
    ("options", "loss"),
    [
        ({}, "turns"),
        ({"loss": "all"}, "all"),
        ({"loss_after": "=>"}, None),
        ({"documents": "line"}, "all"),
        ({"documents": "line", "loss": "turns"}, "turns"),
    ],
)
def test_the_model_s_turns_count_in_the_loss(options: Mapping[str, str], loss: str | None) -> None:
    config = CorpusConfig(**options)  # type: ignore[arg-type]
    assert find_roles([chat(TWO)], config, RoleChoice())[0].loss == loss


def test_a_chat_becomes_a_corpus(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    lines = [
        f"12/31/23, 9:{n:02} PM - {name}: hi {n}" for n in range(30) for name in ("Ana", "Ben")
    ]
    path.write_text("\n".join(lines))
    corpus = open_corpus(path, CorpusConfig(), roles=RoleChoice(frozenset(), answering("Ben")))
    assert (corpus.config.user, corpus.config.bot, corpus.config.me) == ("Ben:", "Ana:", "Ben")
    assert corpus.cast == Cast({"Ana": 30, "Ben": 30}, True)
    again = open_corpus(path, corpus.config)
    assert again.config == corpus.config


ALIKE = "> hi\n> hello\n\n> who is it?\n> me\n" * 10


def test_dialogues_whose_sides_are_alike(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text(ALIKE)
    corpus = open_corpus(path, CorpusConfig())
    assert (corpus.config.user, corpus.config.bot, corpus.config.loss) == (">", ">", "all")
    path.write_text(ALIKE + "But that is not all.\n" * 5)
    assert open_corpus(path, CorpusConfig()).config.user == "You:"
    path.write_text(ALIKE)
    given = RoleChoice(frozenset(["user"]))
    assert open_corpus(path, CorpusConfig(user="Me:"), roles=given).config.user == "Me:"
