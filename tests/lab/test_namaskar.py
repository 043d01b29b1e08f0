"""Only memory can tell the last letter of NAMASKAR and GRANNY."""

from __future__ import annotations

from collections import Counter

from chargen.lab import namaskar, toy_texts


def test_the_words_do_not_give_their_last_letter_away() -> None:
    for word in namaskar.TARGETS:
        assert word in toy_texts.WORDS
        assert toy_texts.next_letters(word[:-1]) == {word[-1]: 1}
        # Other letters follow their last three, where less stands before.
        tail = word[-4:-1]
        follow = Counter(
            f"{other} "[at + 3]
            for other in toy_texts.WORDS
            for at in range(len(other) - 2)
            if other[at : at + 3] == tail
        )
        assert len(follow) > 1
    assert set(toy_texts.next_letters("NAMAS")) == {"K", "T"}


def test_namaskar_says_what_was_measured() -> None:
    shown = namaskar.summarize({"NAMASKAR": (0.99, 0.05), "GRANNY": (0.97, 0.1)}, 0.02)
    assert "continues after NAMASKA with R at 99.0% and GRANN with Y at 97.0%" in shown
    assert "how many words are still possible" in shown
    absent = namaskar.summarize({"NAMASKAR": (0.99, 0.05), "GRANNY": (0.3, 0.1)}, 0.2)
    assert "is not sure" in absent
    assert "not yet as sure" in absent
