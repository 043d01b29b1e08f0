// What a number looks like behind the text: surprise in bits, a gate from 0 to 1, memory from -1 to
// 1. Pure, but for the theme's colours, which it names.

const MOST_BITS = { char: 8, byte: 8, subword: 16, word: 16 }; // of a token, as strong as a colour gets
const NARROW = 0.5; // a memory that moves less, on one side of 0, has the colours for itself
const SHADES = 24; // so few that neighbours often share one, and with it an element
const STRONGEST = 0.62; // ink stays readable on it

/** What the numbers of a view reach: {low, high} get the strongest colours. Memory has both sides,
 * and goes beyond 1 only in a network that lets it; the mean of a gate over a layer moves little.
 * `kind` is that of the model's tokens. */
function rangeOf(view, values, kind = "char") {
  if (view.kind === "surprise") return { low: 0, high: MOST_BITS[kind] };
  const isMean = typeof view.gate === "string" && view.unit === null;
  if (typeof view.gate === "string" && !isMean) return { low: 0, high: 1 };
  let least = Infinity,
    most = -Infinity;
  for (const value of values ?? []) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (isMean) return most > least ? { low: least, high: most } : { low: 0, high: 1 };
  const isNarrow = least < most && most - least < NARROW && (least > 0 || most < 0);
  if (isNarrow) return { low: least, high: most };
  const reach = Math.max(1, Math.abs(least), Math.abs(most));
  return { low: -reach, high: reach < Infinity ? reach : 1 };
}

/** A number as a shade, from -1 (the low colour) to 1. */
function shadeOf(value, { low, high }) {
  const share = low === -high ? value / high : (value - low) / (high - low);
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
function scaleOf(view, range) {
  if (view.kind === "none") return [];
  const steps = view.kind === "surprise" || range.low === -range.high ? 5 : 3;
  // So many decimals that no two of them read alike.
  const digits = Math.max(0, Math.min(6, 1 - Math.floor(Math.log10((range.high - range.low) / 2))));
  return Array.from({ length: steps }, (_, step) => {
    const value = range.low + ((range.high - range.low) * step) / (steps - 1);
    return [shadeOf(value, range), String(Number(value.toFixed(digits))).replace("-", "−")];
  });
}
