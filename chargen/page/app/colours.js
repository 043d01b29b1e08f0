// What a number looks like behind the text: surprise in bits, a gate from 0 to 1, memory from -1 to
// 1. Pure, but for the theme's colours, which it names.

const MOST_BITS = 8; // as strong as a colour gets
const SHADES = 24; // so few that neighbours often share one, and with it an element
const STRONGEST = 0.62; // ink stays readable on it

/** What is shown, from -1 (the low colour) to 1. `values` are a view's, one a part. */
function shadeOf(view, part, value) {
  const share = view.kind === "surprise" ? part.bits / MOST_BITS : value;
  if (!(Math.abs(share) >= 0)) return 0;
  return Math.round(Math.max(-1, Math.min(1, share)) * SHADES) / SHADES;
}

/** A shade as a CSS colour; "" of none. */
function colourOf(shade) {
  if (shade === 0) return "";
  const strength = (Math.abs(shade) * STRONGEST).toFixed(3);
  return `rgb(var(--${shade < 0 ? "low" : "accent"}-rgb) / ${strength})`;
}

/** The legend of a view: [shade, what it says] from low to high. */
function scaleOf(view) {
  if (view.kind === "surprise") return [0, 2, 4, 6, 8].map(bits => [bits / MOST_BITS, String(bits)]);
  if (view.kind === "none") return [];
  const values = view.gate === null || view.gate === undefined ? [-1, -0.5, 0, 0.5, 1] : [0, 0.5, 1];
  return values.map(value => [value, String(value).replace("-", "−")]);
}
