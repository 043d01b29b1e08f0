"use strict";
// Where a text ends: at its length or a stop text. Pure: a text so far and what is new of it in, the
// end out. Knows no tokens.

const UNIT_START = { stage: "start", pending: 0 };

/** Where the `held` text ends, if it does, and for what. So many characters were `given` before it.
 *  The cut is in UTF-16 units, `given` and the options count characters. */
function findEnd({ stop, min_chars: least, max_chars: most }, held, newFrom, given, progress) {
  const skip = [...held].slice(0, Math.max(0, (least ?? 0) - given)).join("").length;
  const cuts = stop
    .map((text) => ({ cut: held.indexOf(text, skip), reason: "stop", progress }))
    .filter(({ cut }) => cut >= 0);
  const letters = [...held];
  if (most !== null && given + letters.length >= most) {
    cuts.push({ cut: letters.slice(0, most - given).join("").length, reason: "length", progress });
  }
  cuts.sort((one, two) => one.cut - two.cut);
  return cuts[0] ?? { cut: null, reason: null, progress };
}

/** How much of the held text is before anything that may turn out to be the beginning of a stop
 *  text. */
function safeLength(held, stops, pending) {
  for (let start = 0; start < held.length; start++) {
    if (stops.some((stop) => stop.startsWith(held.slice(start)))) {
      return Math.min(start, held.length - pending);
    }
  }
  return held.length - pending;
}
