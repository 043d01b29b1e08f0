// Numbers of a network as colours, words and marks. Knows the style's variables and what a gate is;
// nothing of the page, the text or the engine.
//
// A gate is between 0, shut, and 1, open: more or less of the accent. Memory is between -1 and 1,
// or beyond where ReLU has no bound: two hues, and none at 0.

const GATES_IN_WORDS = {
  input: "how much of the new value is written",
  forget: "how much of the old memory stays: 1 keeps it all, 0 erases it",
  output: "how much of the memory is output to the layer above",
  reset: "how much of the old state the new value is made from",
  update: "how much of the old state stays: 1 keeps it all, 0 replaces it",
};
const MEMORY_IN_WORDS = "what each unit remembers, tanh(c) of an LSTM, from −1 to 1";

/** What a layer remembers, (H,): tanh(c) of an LSTM, otherwise h. */
function memoryOf(layer) {
  return layer.cell ? layer.cell.map(Math.tanh) : layer.hidden;
}

/** A gate of a layer after a step, (H,), or its memory where `gate` is null. */
function valuesOf(layer, gate) {
  return gate === null ? memoryOf(layer) : layer[gate];
}

function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Two decimals, of large numbers fewer; a minus sign as long as a plus. */
function inDecimals(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** As Python's Probe: "cell 0:17", "forget gate of layer 1". */
function probeName({ layer, unit, gate }) {
  const where = unit === null ? `layer ${layer}` : `cell ${layer}:${unit}`;
  return (gate ?? null) === null ? where : `${gate} gate of ${where}`;
}

class Shades {
  /** The colours that the style gives an element now: read anew where the theme may have changed. */
  constructor(element) {
    const style = getComputedStyle(element);
    const numbers = (name) =>
      style
        .getPropertyValue(name)
        .match(/[\d.]+/g)
        .slice(0, 3)
        .map(Number);
    this.high = numbers("--accent-rgb");
    this.low = numbers("--low-rgb");
    this.ink = style.getPropertyValue("--ink").trim();
    this.dim = style.getPropertyValue("--dim").trim();
    this.line = style.getPropertyValue("--line").trim();
    this.soft = style.getPropertyValue("--soft").trim();
  }

  /** A number from -1 to 1 as a colour of CSS, `full` being its opacity at 1. */
  css(value, full = 1) {
    const opacity = Math.min(1, Math.abs(value)) * full;
    return `rgba(${(value < 0 ? this.low : this.high).join(",")},${opacity.toFixed(3)})`;
  }

  /** The same as four bytes of an image. */
  paint(pixels, at, value) {
    const [red, green, blue] = value < 0 ? this.low : this.high;
    pixels[at] = red;
    pixels[at + 1] = green;
    pixels[at + 2] = blue;
    pixels[at + 3] = Math.min(255, Math.round(255 * Math.abs(value)));
  }
}
