"""Which columns of a table hold text: words, rather than numbers, dates, names of things or links.

Pure: a sample of each column's values in, names out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

# Of so many values, no more than a tenth that differ are labels.
LABELED = 20
LABEL_SHARE = 0.1
LOOKED_AT = 1000  # characters of a value

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_NOT_WORDS = re.compile(
    r"\w+://\S*|www\.\S+|\S+@\S+\.\w+"  # links and addresses
    r"|\S*[\\/]\S*[\\/]\S*"  # paths
    r"|[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"  # UUIDs
    r"|\S*\d\S*"  # numbers, times, versions, identifiers
)
# Scripts that put no blanks between words: so many letters are more than one.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{5}")
# Words of a date or time, which is no prose though it has two.
_DATE = re.compile(
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"|(?:mon|tue|wed|thu|fri|sat|sun)(?:day|nesday|rsday|urday)?s?|am|pm|utc|gmt|[ecmp][ds]t|t|z",
    re.IGNORECASE,
)


def text_columns(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of those whose values, not empty ones, are mostly of several words; where there is
    none, those of one word each. What has the same few values again and again is a label."""
    for is_text in (_is_prose, _is_word):
        found = [name for name, values in columns.items() if _are(is_text, values)]
        if found:
            return found
    return []


def _are(is_text: Callable[[str], bool], values: Sequence[str]) -> bool:
    if len(values) >= LABELED and len(set(values)) <= LABEL_SHARE * len(values):
        return False
    return 2 * sum(map(is_text, values)) > len(values)


def _words(value: str) -> list[str]:
    words = _WORD.findall(_NOT_WORDS.sub(" ", value[:LOOKED_AT]))
    return [word for word in words if not _DATE.fullmatch(word)]


def _is_prose(value: str) -> bool:
    """Two words and more, and not more numbers than words."""
    words = _words(value)
    if _UNSPACED.search(value[:LOOKED_AT]):
        return True
    return len(words) >= 2 and len(words) >= len(re.findall(r"\S*\d\S*", value[:LOOKED_AT]))


def _is_word(value: str) -> bool:
    return any(len(word) >= 2 for word in _words(value))
