// A dialogue as the text that a model has learned: before each turn stands whose it is. The same
// text as in a session of chargen.

/** The text with one more turn of the user, at whose end it is the model's. */
function withTurn(text, said, [user, bot]) {
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${before}${user} ${said}\n${bot}`;
}

/** The texts before which a turn ends: the next one of any role, and a blank line. */
const turnStops = (roles) => [...roles.map((role) => `\n${role}`), "\n\n"];
