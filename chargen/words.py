"""What readers of any script call a word, the end of a sentence and the end of a line.

Pure, a character at a time. Words are told by letters, marks and digits (Unicode's categories), not
by a dictionary: where a script leaves no spaces between them, as Thai or Chinese, a row is one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Inside a word they are part of it: apostrophes, hyphens, the Hebrew and Catalan points.
JOINERS = "'\u2019\uff07\u055a-\u2010\u2011\u05f3\u05f4\u00b7\u2027"
HYPHENS = "-\u2010\u2011"  # those of them that join words of their own
# They end a sentence where a space or a closing quote follows: not in 3.14 or example.org.
SPACED_ENDS = ".!?\u2026"
# They always do: the rest of Unicode's Sentence_Terminal (UAX 44), and the Greek question mark.
SENTENCE_ENDS = (
    "\u037e\u0589\u061d\u061e\u061f\u06d4\u0700\u0701\u0702\u07f9\u0837\u0839\u083d\u083e"
    "\u0964\u0965\u104a\u104b\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809"
    "\u1944\u1945\u1aa8\u1aa9\u1aaa\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c"
    "\u1c7e\u1c7f\u203c\u203d\u2047\u2048\u2049\u2e2e\u2e3c\u2e53\u2e54\u3002\ua4ff\ua60e"
    "\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d\uaa5e\uaa5f\uaaf0"
    "\uaaf1\uabeb\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
ZERO_WIDTH_SPACE = "\u200b"
# Scripts that leave no spaces between words: first and last code point of their blocks.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x312F),  # Chinese radicals, kana, Bopomofo
    (0x31A0, 0xA4CF),  # kana, Chinese, Yi
    (0xA980, 0xA9FF),  # Javanese, Burmese
    (0xAA60, 0xAADF),  # Burmese, Tai Viet
    (0xF900, 0xFAFF),  # Chinese
    (0xFF66, 0xFF9F),  # kana of half width
    (0x1AFF0, 0x1B2FF),  # kana, Tangut, Nushu
    (0x20000, 0x3FFFF),  # Chinese
)

# A pattern of LF, CRLF or CR. No other line end begins between a CR and its LF.
LINE_END = "(?>\r\n|\r|(?<!\r)\n)"


def begins_word(character: str) -> bool:
    """Whether a word can begin with it: letters and digits."""
    return character.isalnum()


def in_word(character: str) -> bool:
    """Whether a word that has begun goes on with it: a letter, a digit, or what belongs to the
    letter before it, such as the vowel signs of Hindi, Hebrew points and a decomposed accent."""
    if character.isalnum() or character == "_":
        return True
    category = unicodedata.category(character)
    return category[0] == "M" or (category == "Cf" and character != ZERO_WIDTH_SPACE)


def leaves_no_spaces(character: str) -> bool:
    """Whether it belongs to a script that leaves no spaces between words, as Thai or Chinese."""
    return any(first <= ord(character) <= last for first, last in UNSPACED)


def word_end(text: str, at: int) -> int:
    """Where the word that reaches up to `at` ends; `at` itself where none goes on there."""
    start = min(at, len(text))
    while start and in_word(text[start - 1]) and not begins_word(text[start - 1]):
        start -= 1  # back from the marks of a letter to the letter
    if start and begins_word(text[start - 1]):
        while at < len(text) and in_word(text[at]):
            at += 1
    return at


def closes(character: str, *, spaced: bool) -> bool:
    """Whether it may stand between the end of a sentence and what follows: a closing quote or
    bracket. After a mark that wants a space, so may a quote that opens elsewhere, as in German."""
    kinds = ("Pe", "Pf", "Pi") if spaced else ("Pe", "Pf")
    return character in "\"'\uff02\uff07" or unicodedata.category(character) in kinds


def with_lf(text: str) -> str:
    """The text with LF for each of its line ends: LF, CRLF or CR."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@lru_cache(maxsize=64)
def matching_any_line_end(text: str) -> re.Pattern[str]:
    """Finds a text, whatever lines end with: LF, CRLF or CR."""
    return re.compile(re.escape(with_lf(text)).replace("\\\n", LINE_END))
