"use strict";
// Which cells of a network follow something of a text that people can read, as Karpathy, Johnson
// and Fei-Fei (2015) found by eye: chargen/insight/followers.py once more. Reads nothing by itself.
//
// Shapes: N characters, K features, U units of all layers, P parts of the state, H hidden.

const MIN_TO_SEARCH = 1000; // characters from which cells are looked for
const FEATURES = [
  "position in line",
  "position in word",
  "position in sentence",
  "inside quotes",
  "inside brackets",
  "after a capital",
  "inside capitals",
];

/** What is so after each character of a text, {name: (N)}: counts of characters, or 1 and 0. */
function features(text) {
  const letters = [...text];
  const found = FEATURES.map(() => new Float64Array(letters.length));
  let [line, word, sentence, capitals, depth] = [0, 0, 0, 0, 0];
  let [quoted, before] = [false, ""];
  letters.forEach((letter, at) => {
    line = letter === "\n" || letter === "\r" ? 0 : line + 1;
    word = (word ? inWord(letter) : beginsWord(letter)) ? word + 1 : 0;
    sentence = (SPACED_ENDS + SENTENCE_ENDS).includes(letter) ? 0 : sentence + 1;
    capitals = /^\p{Uppercase}/u.test(letter) ? capitals + 1 : 0;
    if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter)) depth = Math.max(0, depth - 1);
    if (letter === '"') quoted = !quoted;
    else if ("\u201c\u201d".includes(letter)) quoted = letter === "\u201c"; // they say which
    if (before + letter === "\n\n") {
      [quoted, depth] = [false, 0]; // what was left open ends with the paragraph
    }
    before = letter;
    const row = [line, word, sentence, quoted, depth > 0, capitals > 0, capitals > 1];
    row.forEach((value, feature) => (found[feature][at] = value));
  });
  return Object.fromEntries(FEATURES.map((name, feature) => [name, found[feature]]));
}

/**
 * For each feature that a text has, the cell that follows it most closely by Pearson's correlation,
 * the closest first: [{feature, layer, unit, correlation, chosenBy}]. It is chosen on the first
 * half of the tokens, where its correlation is `chosenBy`; `correlation` is that on the second.
 *
 * The text is given by its `parts`, {text, end: tokens up to its end}, and what the network of this
 * config remembers after each, `stateAfter(index)`, (P * H). A generator, as this takes long: it
 * yields the share that is done after each part.
 */
function* findFollowers(config, parts, stateAfter) {
  const text = parts.map((part) => part.text).join("");
  const wanted = Object.values(features(text)); // (K, N)
  const { cell, hidden_size: size, num_layers: count } = config;
  const halves = [0, 1].map(() => new CorrelationSums(FEATURES.length, count * size));
  const middle = Math.floor((parts.at(-1)?.end ?? 0) / 2);
  let last = -1; // character of the parts so far
  for (const [index, part] of parts.entries()) {
    last += [...part.text].length;
    const state = stateAfter(index);
    const memory = cell === "lstm" ? state.subarray(count * size).map(Math.tanh) : state; // (U)
    halves[part.end > middle ? 1 : 0].add(
      wanted.map((values) => values[last]),
      memory,
    );
    yield (index + 1) / parts.length;
  }
  const [first, second] = halves.map((sums) => sums.correlations()); // (K, U)
  const followers = [];
  FEATURES.forEach((feature, row) => {
    if (first[row] === null || second[row] === null) return;
    const unit = indexOfMost(first[row].map(Math.abs));
    const [layer, place] = [Math.floor(unit / size), unit % size];
    const [correlation, chosenBy] = [second[row][unit], first[row][unit]];
    followers.push({ feature, layer, unit: place, correlation, chosenBy });
  });
  return followers.sort((one, two) => Math.abs(two.correlation) - Math.abs(one.correlation));
}

/** Of what correlations are made, between K features and U units, in one pass. */
class CorrelationSums {
  constructor(features, units) {
    this.count = 0;
    const sums = (size) => new Float64Array(size); // in float32 a saturated unit has no variance
    [this.x, this.xx, this.y, this.yy] = [features, features, units, units].map(sums);
    this.xy = Array.from({ length: features }, () => sums(units));
  }

  /** Take in (K) features and the (U) units beside them. */
  add(x, y) {
    this.count++;
    for (let unit = 0; unit < y.length; unit++) {
      this.y[unit] += y[unit];
      this.yy[unit] += y[unit] * y[unit];
    }
    x.forEach((value, feature) => {
      this.x[feature] += value;
      this.xx[feature] += value * value;
      const sums = this.xy[feature];
      for (let unit = 0; value && unit < y.length; unit++) sums[unit] += value * y[unit];
    });
  }

  /** Pearson's, (K, U); 0 for a unit that never moves, null for a feature that never does. */
  correlations() {
    const count = Math.max(1, this.count);
    const deviation = (sum, squares) =>
      Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0));
    const ofUnits = this.y.map((sum, unit) => deviation(sum, this.yy[unit]));
    return this.xy.map((sums, feature) => {
      const ofFeature = deviation(this.x[feature], this.xx[feature]);
      if (ofFeature < 1e-9) return null;
      return sums.map((sum, unit) => {
        const covariance = sum / count - (this.x[feature] * this.y[unit]) / count ** 2;
        return ofUnits[unit] > 1e-9 ? covariance / (ofFeature * ofUnits[unit]) : 0;
      });
    });
  }
}
