"use strict";
// Where a text ends: at its length, a stop text, or the end of a word, sentence, line or paragraph:
// chargen/generation/stopping.py once more. Pure: a text so far and what is new of it in, the end
// out. Knows no tokens.
//
// Places are in UTF-16 units; options, and what was given before, count characters (code points).

// How far a text has come with what `until` asks for. `pending` counts the characters, the last
// ones, that are no part of it should it end now: none of them takes two units.
const UNIT_START = { stage: "start", pending: 0 };
const BETWEEN_UNITS = { stage: "before", pending: 0 }; // after one that has ended

/** The progress after one more character, or null where the unit ended before it. */
function advanceUnit(unit, progress, character) {
  const { stage, pending } = progress;
  const reach = (stage, pending = 0) => ({ stage, pending });
  const isLineEnd = character === "\n" || character === "\r";
  if (stage === "start" || stage === "before") {
    // whatever leads up to it, blank lines among it
    // The first word of all may go on with a letter that the prompt ends with.
    const begins =
      unit !== "word"
        ? !isBlank(character)
        : beginsWord(character) || (stage === "start" && inWord(character));
    return reach(begins ? "inside" : "before");
  }
  if (unit === "word") {
    if (stage === "inside" ? inWord(character) : beginsWord(character)) return reach("inside");
    return stage === "inside" && JOINERS.includes(character) ? reach("joined", 1) : null;
  }
  if (unit === "line") return isLineEnd ? null : progress;
  if (stage === "returned" || stage === "broken") {
    // after a CR, or any line end
    const isSecond = character === "\n" && stage === "returned"; // of a CRLF
    if (isLineEnd && !isSecond) return null;
    return isBlank(character) ? reach("broken", pending + 1) : reach("inside");
  }
  if (stage === "marked" || stage === "closed") {
    if (SENTENCE_ENDS.includes(character)) return reach("closed");
    if (SPACED_ENDS.includes(character) || closes(character, stage === "marked")) return progress;
    return isBlank(character) || stage === "closed" ? null : reach("inside"); // as in 3.14
  }
  if (isLineEnd) return reach(character === "\n" ? "broken" : "returned", 1);
  if (unit === "sentence" && SPACED_ENDS.includes(character)) return reach("marked");
  if (unit === "sentence" && SENTENCE_ENDS.includes(character)) return reach("closed");
  return reach("inside");
}

/** Where the `held` text ends, for what, and the progress of its unit after it: {cut, reason,
 *  progress}, the first two null where it does not. So many characters were `given` before it, and
 *  it is new from `newFrom` on. */
function findEnd(options, held, newFrom, given, progress) {
  const { stop, until, min_chars: least, max_chars: most } = options;
  const cuts = [];
  const from = placeOf(held, (least ?? 0) - given);
  for (const text of stop) {
    const cut = findStop(held, text, from);
    if (cut >= 0) cuts.push({ cut, reason: "stop" });
  }
  if (until !== null) {
    let cut = null;
    [cut, progress] = findUnitEnd(until, held, newFrom, from, progress);
    if (cut !== null) cuts.push({ cut, reason: "stop" });
  }
  const full = most === null ? Infinity : placeOf(held, most - given);
  if (full <= held.length) cuts.push({ cut: full, reason: "length" });
  const first = cuts.reduce((one, two) => (two.cut < one.cut ? two : one), cuts[0]);
  return { cut: null, reason: null, ...first, progress };
}

/** Where the word, line, ... ends that is asked for, not before a place, or null; and the progress
 *  after it. */
function findUnitEnd(unit, held, newFrom, from, progress) {
  let at = newFrom;
  for (const character of held.slice(newFrom)) {
    const after = advanceUnit(unit, progress, character);
    const cut = at - progress.pending;
    if (after === null && cut >= from) return [cut, progress];
    progress = after ?? advanceUnit(unit, BETWEEN_UNITS, character) ?? BETWEEN_UNITS;
    at += character.length;
  }
  return [null, progress];
}

/** Where so many characters of a text end; Infinity where it has fewer. */
function placeOf(text, count) {
  let place = 0;
  for (; count > 0; count--) {
    if (place >= text.length) return Infinity;
    place += text.codePointAt(place) > 0xffff ? 2 : 1;
  }
  return place;
}

/** Where a stop text stands first, from a place on; -1 where it does not. A line end in it is any
 *  of the text's: LF, CRLF or CR. */
function findStop(text, stop, from) {
  if (!/[\n\r]/.test(stop)) return text.indexOf(stop, from);
  const escaped = withLf(stop).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const pattern = new RegExp(escaped.replaceAll("\n", LINE_END), "g");
  pattern.lastIndex = Math.min(from, text.length + 1);
  return pattern.exec(text)?.index ?? -1;
}

/** How much of the held text is before anything that may turn out to be no part of it: the
 *  beginning of a stop text, and the last `pending` characters. */
function safeLength(held, stops, pending) {
  const texts = stops.map(withLf);
  for (let start = 0; texts.length && start < held.length; start++) {
    const left = withLf(held.slice(start));
    if (texts.some((stop) => stop.startsWith(left))) return Math.min(start, held.length - pending);
  }
  return held.length - pending;
}
