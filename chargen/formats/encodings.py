"""What the bytes of a text mean: its byte order mark, whether it is text at all, and if it is no
UTF-8, what it may be. The only door to charset-normalizer.

Nothing is decided here that could be wrong: what is likely is for people to choose from.
"""

from __future__ import annotations

import codecs
import unicodedata

from charset_normalizer import from_bytes

SAMPLE_BYTES = 1 << 14  # of a text's beginning: enough to tell its encoding
SHOWN = 3  # characters, as an encoding would have them
CANDIDATES = 3

_MARKS = {  # and the codecs that take them off
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# What texts are in, but for UTF-8, as Python calls it and in the order of the web's use.
_NARROW = (
    "cp1252", "cp1251", "cp1250", "gb18030", "shift_jis", "euc_jp", "euc_kr", "big5", "koi8_r",
    "cp1253", "cp1254", "cp1255", "cp1256", "iso8859_2", "cp866", "cp850", "cp437", "mac_roman",
)  # fmt: skip
# In Windows-1252 signs that few texts have, in those of DOS and the older Macintosh letters.
_RARE = b"\x82\x83\x86\x87\x88\x89\x8a\x8b\x8e\x98\x9a\x9b\x9e\x9f"
_SEPARATORS = "\n \u3000\u3001\u3002"
_SAVE_AS_TEXT = "save it as plain text (.txt) in Word or LibreOffice"
_NO_TEXTS = {  # by the first bytes: what it is, and what to do about it
    b"%PDF-": ("a PDF", "print its text with pdftotext, or copy it from a viewer"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Office document", _SAVE_AS_TEXT),
    b"{\\rtf": ("an RTF document", _SAVE_AS_TEXT),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it first, and name the folder"),
    b"Rar!\x1a\x07": ("a RAR archive", "unpack it first, and name the folder"),
    b"\x1f\x9d": ("packed by compress", "unpack it first with uncompress"),
    b"\x89PNG\r\n\x1a\n": ("an image", None),
    b"\xff\xd8\xff": ("an image", None),
    b"GIF8": ("an image", None),
    b"SQLite format 3\0": ("a database", "export its texts as CSV, and name that"),
}
_OFFICE = {  # by what stands in the zip that such a document is
    "word/document.xml": ("a Word document", _SAVE_AS_TEXT),
    "xl/workbook.xml": ("a spreadsheet", "save it as CSV, and name that"),
    "ppt/presentation.xml": ("a presentation", "save its text from PowerPoint or LibreOffice"),
    "content.xml": ("an OpenDocument file", "save it as plain text (.txt) in LibreOffice"),
    "Index/Document.iwa": ("a Pages document", "export it as plain text"),
}
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\v\x1b")) + b"\x7f"


def marked_encoding(head: bytes) -> str | None:
    """The codec that a byte order mark asks for; it takes the mark off."""
    found = (encoding for mark, encoding in _MARKS.items() if head.startswith(mark))
    return next(found, None)


def no_text(head: bytes) -> tuple[str, str | None] | None:
    """Of a file that begins so, what it is, and what to do to have its text, if anything; None for
    what may be a text."""
    known = (what for magic, what in _NO_TEXTS.items() if head.startswith(magic))
    return next(known, None)


def office_document(names: list[str]) -> tuple[str, str] | None:
    """The same of a zip with members of these names."""
    listed = set(names)
    return next((what for name, what in _OFFICE.items() if name in listed), None)


def is_text(head: bytes) -> bool:
    """Whether what begins so is a text, in whatever encoding: no program, picture or archive."""
    if marked_encoding(head) or wide_encoding(head):
        return True
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return b"\0" not in head and no_text(head) is None and controls <= 0.02 * len(head)


def wide_encoding(beginning: bytes) -> str | None:
    """utf-16-le, utf-16-be, utf-32-le or utf-32-be where a text that begins so is in that, without
    a byte order mark; most such texts are UTF-8 as well, with control characters in between."""
    sample = beginning[:SAMPLE_BYTES]
    if b"\0" not in sample:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
        ambiguous = True
    except UnicodeDecodeError:
        ambiguous = False
    found: list[tuple[int, str]] = []
    for encoding in _WIDE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        likely = _is_alphabetic(text) if ambiguous else any(mark in text for mark in _SEPARATORS)
        if likely and _is_readable(text):
            found.append((sum(map(text.count, _SEPARATORS)), encoding))
    return max(found)[1] if found else None


def likely_encodings(data: bytes) -> list[str]:
    """What a text that is no UTF-8, with these bytes in it, may be in, the likeliest first."""
    if _is_western(data):
        return ["cp1252"]  # what a detector often takes for its neighbours
    found = from_bytes(data, cp_isolation=list(_NARROW), enable_fallback=False)
    # Encodings that read it alike are one, the most usual of them.
    by_text = {data.decode(_NARROW[0], errors="ignore"): _NARROW[0]}
    for match in sorted(found, key=lambda match: _NARROW.index(match.encoding)):
        by_text.setdefault(data.decode(match.encoding, errors="ignore"), match.encoding)
    texts = dict.fromkeys(data.decode(match.encoding, errors="ignore") for match in found)
    # Of two encodings of one alphabet, small letters of one are capitals of the other.
    return [by_text[text].replace("_", "-") for text in sorted(texts, key=_is_loud)][:CANDIDATES]


def _is_loud(text: str) -> bool:
    """Whether most of the letters beyond ASCII are capitals."""
    beyond = [c for c in text if not c.isascii() and c.isalpha() and c.lower() != c.upper()]
    return sum(map(str.isupper, beyond)) > 0.5 * len(beyond)


def reading(data: bytes, encoding: str) -> str:
    """How the first characters beyond ASCII would read in an encoding: bytes, and characters."""
    text = data.decode(encoding, errors="ignore")
    shown = dict.fromkeys(c for c in text if not c.isascii() and c.isprintable() and c != "\xa0")
    first = list(shown)[:SHOWN]
    spelled = " ".join(f"0x{character.encode(encoding).hex().upper()}" for character in first)
    return f"{spelled} would be {' '.join(first)}" if first else ""


def mistaken_for_latin1(head: bytes, encoding: str) -> str:
    """How the control characters of a text that is read as Latin-1 would read in Windows-1252,
    which often goes by that name; nothing where it has none."""
    if codecs.lookup(encoding).name != "iso8859-1":
        return ""
    return reading(bytes(byte for byte in head if 0x80 <= byte < 0xA0), "cp1252")


def is_mostly_utf8(data: bytes) -> bool:
    """Whether more characters beyond ASCII are well-formed than not."""
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    return sum(not character.isascii() for character in text) > 2 * bad


def _is_readable(text: str) -> bool:
    """Whether but few characters are such as stand in no text."""
    strange = sum(
        unicodedata.category(character) in ("Cc", "Cn", "Co") and not character.isspace()
        for character in text
    )
    return strange <= 0.01 * len(text)


def _is_alphabetic(text: str) -> bool:
    """Whether some characters are ASCII, and few of scripts of thousands of characters, for which
    pairs of ASCII letters are easily taken."""
    ascii_share = sum(map(str.isascii, text)) / max(1, len(text))
    return ascii_share >= 0.05 and sum(character >= "\u3000" for character in text) <= 0.1 * len(
        text
    )


def _is_western(data: bytes) -> bool:
    """Whether it is Windows-1252, which is Latin-1 but for the bytes 80 to 9F, where those stand
    for the quotes and dashes of its texts. Other encodings use a byte that this one lacks, have
    mostly letters that are none of ASCII's, or letters where this one has rare signs."""
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    printed = [byte for byte in data if byte > ord(" ")]
    beyond = [byte for byte in printed if byte >= 0x80]
    rare = sum(byte in _RARE for byte in beyond)
    return len(beyond) <= 0.3 * len(printed) and rare <= 0.3 * len(beyond)
