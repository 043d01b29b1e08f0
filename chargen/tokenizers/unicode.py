"""What a text is made of: its code points, and the bytes of its UTF-8. Knows nothing of tokenizers.

Text with a lone surrogate has no UTF-8: a TokenizerError says where the surrogate is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chargen.errors import TokenizerError

NUM_BYTES = 256
NUM_CODE_POINTS = 0x110000


def to_utf8(text: str) -> bytes:
    """The bytes of a text. Raises TokenizerError."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"the text has {_spelled(text[error.start])} at character {error.start}",
            hint="give text that is valid UTF-8",
        ) from None


def _spelled(half: str) -> str:
    """What a lone surrogate stands for: Python spells a byte that is not UTF-8 by one."""
    if "\udc80" <= half <= "\udcff":
        return f"a byte that is not UTF-8, {ord(half) - 0xDC00:02X},"
    return f"a lone surrogate, U+{ord(half):04X}, which is not a character,"


def to_byte_ids(text: str) -> npt.NDArray[np.int64]:
    """(N,) the bytes of a text as numbers. Raises TokenizerError."""
    return np.frombuffer(to_utf8(text), dtype=np.uint8).astype(np.int64)


def to_code_points(text: str) -> npt.NDArray[np.uint32]:
    """(N,) the characters of a text as numbers. Raises TokenizerError."""
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    except UnicodeEncodeError:
        to_utf8(text)  # raises the error that says where
        raise


def count_characters(text: str, counts: npt.NDArray[np.int64]) -> None:
    """Add to (NUM_CODE_POINTS,) `counts`, by code point, how often each character stands in a text.

    In a text of ASCII alone nothing is counted: CharTokenizer knows those anyway.
    """
    if not text.isascii():
        found = np.bincount(to_code_points(text))
        counts[: len(found)] += found
