"use strict";
// What readers of any script call a word, the end of a sentence and the end of a line: words.py
// once more. Pure, a character (a string of one code point) at a time.

// Inside a word they are part of it: apostrophes, hyphens, the Hebrew and Catalan points.
const JOINERS = "'\u2019\uff07\u055a-\u2010\u2011\u05f3\u05f4\u00b7\u2027";
const HYPHENS = "-\u2010\u2011"; // those of them that join words of their own
// They end a sentence where a space or a closing quote follows: not in 3.14 or example.org.
const SPACED_ENDS = ".!?\u2026";
// They always do: the rest of Unicode's Sentence_Terminal (UAX 44), and the Greek question mark.
const SENTENCE_ENDS =
  "\u037e\u0589\u061d\u061e\u061f\u06d4\u0700\u0701\u0702\u07f9\u0837\u0839\u083d\u083e" +
  "\u0964\u0965\u104a\u104b\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809" +
  "\u1944\u1945\u1aa8\u1aa9\u1aaa\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c" +
  "\u1c7e\u1c7f\u203c\u203d\u2047\u2048\u2049\u2e2e\u2e3c\u2e53\u2e54\u3002\ua4ff\ua60e" +
  "\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d\uaa5e\uaa5f\uaaf0" +
  "\uaaf1\uabeb\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61";

// Blank, as Python's str.isspace has it: JavaScript's \s leaves out some, and adds U+FEFF.
const BLANK =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const BLANK_CHARACTER = new RegExp(`^[${BLANK}]$`, "u");
const BLANKS_AT_END = new RegExp(`(?<![${BLANK}])[${BLANK}]*$`, "u");

// LF, CRLF or CR. No other line end begins between a CR and its LF.
const LINE_END = "(?:\\r\\n|\\r(?!\\n)|(?<!\\r)\\n)";

/** Whether a word can begin with it: letters and digits. */
function beginsWord(character) {
  return /^[\p{L}\p{N}]/u.test(character);
}

/** Whether a word that has begun goes on with it: a letter, a digit, or what belongs to the letter
 * before it, such as the vowel signs of Hindi, Hebrew points and a decomposed accent. */
function inWord(character) {
  return /^[\p{L}\p{N}\p{M}\p{Cf}_]/u.test(character) && character !== "\u200b";
}

function isBlank(character) {
  return BLANK_CHARACTER.test(character);
}

/** Whether it may stand between the end of a sentence and what follows: a closing quote or bracket.
 * After a mark that wants a space, so may a quote that opens elsewhere, as in German. */
function closes(character, spaced) {
  return (spaced ? /^["'\uff02\uff07\p{Pe}\p{Pf}\p{Pi}]/u : /^["'\uff02\uff07\p{Pe}\p{Pf}]/u).test(
    character,
  );
}

/** The text with LF for each of its line ends: LF, CRLF or CR. */
function withLf(text) {
  return text.replace(/\r\n?/g, "\n");
}
