// A cell's step as its equation, with the numbers that flowed. Knows the three cells; draws nothing.
//
// An equation is {name, symbols, factors, value}: "c", "f · c₋₁ + i · g", the same with numbers in
// it (strings and {symbol, value} in turn), and what comes of it.

const NO_FLOWS = { kept: null, written: null, output: null };

/** `now`: the values of the unit after the step, `before`: its memory before it, {hidden, cell}. */
function equationsOf(cell, nonlinearity, now, before) {
  const number = (symbol, value) => ({ symbol, value });
  if (cell === "lstm") {
    const squashed = Math.tanh(now.cell);
    return [
      {
        name: "c",
        symbols: "f · c₋₁ + i · g",
        factors: [
          number("f", now.forget),
          " · ",
          number("c₋₁", before.cell),
          " + ",
          number("i", now.input),
          " · ",
          number("g", now.candidate),
        ],
        value: now.cell,
      },
      {
        name: "h",
        symbols: "o · tanh(c)",
        factors: [number("o", now.output), " · ", number("tanh(c)", squashed)],
        value: now.hidden,
      },
    ];
  }
  if (cell === "gru") {
    return [
      {
        name: "h",
        symbols: "z · h₋₁ + (1 − z) · n",
        factors: [
          number("z", now.update),
          " · ",
          number("h₋₁", before.hidden),
          " + ",
          number("1 − z", 1 - now.update),
          " · ",
          number("n", now.candidate),
        ],
        value: now.hidden,
      },
    ];
  }
  // What went into tanh is known from what came out, unless that is 1 to the last digit.
  const squashed = nonlinearity === "relu" ? "max(0, W·x + U·h₋₁ + b)" : "tanh(W·x + U·h₋₁ + b)";
  const read = nonlinearity === "relu" ? now.hidden : Math.atanh(now.hidden);
  const known = Number.isFinite(read) && (nonlinearity !== "relu" || read > 0);
  const name = nonlinearity === "relu" ? "max(0, " : "tanh(";
  const factors = known ? [name, number("W·x + U·h₋₁ + b", read), ")"] : [];
  return [{ name: "h", symbols: squashed, factors, value: now.hidden }];
}

/** What the step did, in a sentence for a class. `what` names the unit. */
function stepInWords(cell, what, now) {
  if (cell === "lstm") {
    return (
      `${what} keeps ${percent(now.forget)} of what it held (forget gate), writes ` +
      `${percent(now.input)} of its new value (input gate) and outputs ` +
      `${percent(now.output)} (output gate).`
    );
  }
  if (cell === "gru") {
    return (
      `${what} keeps ${percent(now.update)} of what it held and takes ` +
      `${percent(1 - now.update)} of its new value (update gate), which was made from ` +
      `${percent(now.reset)} of the old state (reset gate).`
    );
  }
  return `${what} has no gates: at every step its whole memory is written anew.`;
}

/** What a gate is, for a class; the cells of each kind have others. */
const GATES_FOR_A_CLASS = {
  lstm:
    "A gate is a number from 0, shut, to 1, open, that a cell sets anew at every step; the forget " +
    "gate says how much of the old memory stays.",
  gru:
    "A gate is a number from 0, shut, to 1, open, that a cell sets anew at every step; the update " +
    "gate says how much of the old memory stays.",
  rnn: "These cells have no gates: nothing protects what they remember.",
};

/** What flows on the arrows of the drawing: {symbol, value} from the step before, from below, and
 * to above; null where a cell has no gate there. */
function flowsOf(cell, now) {
  if (cell === "lstm") {
    return {
      kept: { symbol: "f", value: now.forget },
      written: { symbol: "i", value: now.input },
      output: { symbol: "o", value: now.output },
    };
  }
  if (cell === "gru") {
    return {
      kept: { symbol: "z", value: now.update },
      written: { symbol: "1−z", value: 1 - now.update },
      output: null,
    };
  }
  return NO_FLOWS;
}

/** One unit's values out of a layer's (or the means over the layer, where `unit` is null). */
function unitOf(layer, unit) {
  const pick = ([name, values]) => [name, unit === null ? meanOf(values) : values[unit]];
  return Object.fromEntries(Object.entries(layer).map(pick));
}
