// A dialogue as the text that a model has learned: before each turn stands whose it is. The same
// text as in a session of chargen.

/** The text with one more turn of the user, at whose end it is the model's. */
function withTurn(text, said, [user, bot]) {
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${before}${user} ${said}\n${bot}`;
}

/** Where the user's last turn stands, [from, to], before the turn of the model that the text ends
 *  with; null where there is none. */
function lastTurn(text, [user, bot]) {
  const lines = `\n${text}`;
  const answer = lines.lastIndexOf(`\n${bot}`);
  const turn = answer < 1 ? -1 : lines.lastIndexOf(`\n${user}`, answer - 1);
  return turn < 0 ? null : [turn, answer];
}

/** Where the last words stand, [from, to], that the model did not write; null where it wrote all.
 *  What it wrote are stretches [from, to], in order. */
function lastPrompt(text, written) {
  let end = text.length;
  for (const [from, to] of [...written].reverse()) {
    if (to < end) return [to, end];
    end = from;
  }
  return end > 0 ? [0, end] : null;
}

/** The texts before which a turn ends: the next one of any role, and a blank line. */
const turnStops = (roles) => [...roles.map((role) => `\n${role}`), "\n\n"];
