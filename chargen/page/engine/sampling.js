"use strict";
// Turn next-token logits into a token: options, the processors in their one order, and the draw.
// The same as chargen/generation/logits.py and sampling.py, ties included: float32 stays float32.
//
// Shapes: V vocabulary, N tokens before.

const PROCESSOR_ORDER = [
  "relevance",
  "repetition_penalty",
  "presence_penalty",
  "frequency_penalty",
  "no_repeat_ngram",
  "ban",
  "top_k",
  "top_p",
  "min_p",
  "typical_p",
  "temperature",
];
const LOOKING_BACK = PROCESSOR_ORDER.slice(1, 5);
const PLAUSIBLE = 0.1; // of the likeliest: only from there on relevance raises
const COLD = 0.1; // below it products with the logits may be too large to keep their last digits
const MIN_TEMPERATURE = 1e-30;
const DEFAULT_TOKENS = 200;
const WHOLE_TOKENS = 5000; // in which a unit should have ended
const CHARACTER_BYTES = 4;
const UNITS = ["word", "sentence", "line", "paragraph"];
const MAX_SEED = 2n ** 63n - 1n;
const MAX_COUNT = 1e6;

// [default, least, most, whether whole numbers only]; null is off.
const NUMBER_OPTIONS = {
  max_tokens: [null, 1, MAX_COUNT, true],
  max_chars: [null, 1, MAX_COUNT, true],
  min_chars: [null, 1, MAX_COUNT, true],
  relevance: [0, 0, 1],
  repetition_penalty: [null, 0.01, 100],
  presence_penalty: [null, -1e6, 1e6],
  frequency_penalty: [null, -1e6, 1e6],
  no_repeat_ngram: [null, 1, MAX_COUNT, true],
  penalty_window: [256, 1, 1e6, true],
  top_k: [null, 1, MAX_COUNT, true],
  top_p: [null, Number.MIN_VALUE, 1],
  min_p: [null, 0, 1],
  typical_p: [null, Number.MIN_VALUE, 1],
  temperature: [1, 0, 1e6],
  row: [0, 0, MAX_COUNT, true],
};

/** What a page asks for -> all options, checked, as SampleConfig has them; `seed` as BigInt. */
function sampleOptions(given) {
  const options = { heal: given.heal ?? true };
  for (const [name, [usual, least, most, isWhole]] of Object.entries(NUMBER_OPTIONS)) {
    const value = given[name] ?? usual;
    const isSound = value >= least && value <= most && (!isWhole || Number.isInteger(value));
    if (value !== null && (typeof value !== "number" || !isSound)) {
      const range = least === Number.MIN_VALUE ? "above 0 and at most" : `${least} to`;
      throw new PageError(`${spaced(name)} must be ${range} ${most}, not ${value}`);
    }
    options[name] = value;
  }
  if (options.relevance === 1) throw new PageError("relevance must be below 1");
  options.prompt = given.prompt ?? null;
  for (const name of ["stop", "ban"]) {
    options[name] = given[name] ?? [];
    const isList = Array.isArray(options[name]);
    if (!isList || options[name].some((text) => typeof text !== "string" || text === "")) {
      throw new PageError(`${name} must be texts, none of them empty`);
    }
  }
  options.until = given.until ?? null;
  if (options.until !== null && !UNITS.includes(options.until)) {
    throw new PageError(`until must be one of ${UNITS.join(", ")}, not ${options.until}`);
  }
  if (options.no_repeat_ngram > options.penalty_window) {
    throw new PageError("no repeat ngram must not be more than penalty window");
  }
  if (options.max_chars !== null && options.min_chars > options.max_chars) {
    throw new PageError("min chars must not be more than max chars");
  }
  options.seed = checkedSeed(given.seed ?? null);
  return options;
}

function checkedSeed(seed) {
  if (seed === null || seed === "") return newSeed();
  const isNumber = /^\s*\d+\s*$/.test(String(seed)); // a number past 2^53 comes as a string
  if (!isNumber || BigInt(seed) > MAX_SEED) {
    throw new PageError(`seed must be a whole number from 0 to ${MAX_SEED}, not ${seed}`);
  }
  return BigInt(seed);
}

function spaced(name) {
  return name.replaceAll("_", " ");
}

/** Tokens to write at most; a default never cuts off what is asked for. */
function tokenLimit({ max_tokens: tokens, max_chars: chars, until }) {
  if (tokens !== null) return tokens;
  if (chars !== null) return CHARACTER_BYTES * chars;
  return until === null ? DEFAULT_TOKENS : WHOLE_TOKENS;
}

/** Samples tokens as the options say; what training never saw is not among them. */
class Sampler {
  /** `stream` is a RandomStream. */
  constructor(options, tokenizer, seen, stream) {
    this.options = options;
    this.stream = stream;
    this.end = tokenizer.end;
    this.banned = bannedTokens(options.ban, tokenizer, seen);
    this.looksBack = LOOKING_BACK.some((name) => options[name] !== null);
    // The only tokens to look at, where they are the same in each step and no processor asks which
    // they are: a vocabulary has all the bytes, a training text few of them.
    const isSteady = options.min_chars === null && !this.looksBack;
    const allowed = (token) => seen[token] && !(isSteady && this.banned?.[token]);
    this.tokens = isSteady ? [...seen.keys()].filter(allowed) : null;
    this.chain = processors(options, isSteady ? null : this.banned);
    this.seen = seen;
  }

  /** (V) logits of a network, the tokens before, and whether the text is long enough to end ->
   *  the next token. */
  choose(logits, before, mayEnd) {
    if (this.tokens) {
      const listed = Float32Array.from(this.tokens, (token) => logits[token]);
      return this.tokens[this.#draw(listed, before)];
    }
    let allowed = logits.map((logit, token) => (this.seen[token] ? logit : -Infinity));
    if (!mayEnd) allowed = maskLogits(allowed, (token) => token === this.end);
    return this.#draw(allowed, before);
  }

  /** The ways to spell the end of a prompt, Spellings -> which of them. What looks at tokens does
   *  not apply to those; one that goes beyond the prompt by a banned token is not among them. */
  chooseSpelling({ logprobs, tokens, inside }, pieces) {
    const isBanned = (way) =>
      inside[way] < pieces[tokens[way]].length && this.banned !== null && this.banned[tokens[way]];
    const off = Object.fromEntries(LOOKING_BACK.map((name) => [name, null]));
    const chain = processors({ ...this.options, ...off }, null);
    return this.#draw(maskLogits(Float64Array.from(logprobs), isBanned), [], chain);
  }

  #draw(logits, before, chain = this.chain) {
    for (const process of chain) logits = process(logits, before);
    if (this.options.temperature === 0) return indexOfMost(logits);
    return sampleToken(logits, this.stream.next());
  }
}

/** (V) which tokens hold a text that is banned; null where none is. */
function bannedTokens(ban, tokenizer, seen) {
  if (!ban.length) return null;
  const banned = new Uint8Array(tokenizer.vocabSize);
  for (const text of ban) {
    const bytes = new TextEncoder().encode(text);
    const holding = tokenizer.pieces.map((piece) => holds(piece, bytes));
    if (!holding.includes(true)) {
      throw new PageError(
        `no token of this model contains “${text}”, so it cannot be banned`,
        "ban something shorter, or let the text stop before it",
      );
    }
    holding.forEach((is, token) => is && (banned[token] = 1));
  }
  if (!seen.some((is, token) => is && !banned[token])) {
    throw new PageError("what is banned leaves nothing to sample", "ban less");
  }
  return banned;
}

function holds(piece, bytes) {
  for (let at = 0; at + bytes.length <= piece.length; at++) {
    if (bytes.every((byte, index) => piece[at + index] === byte)) return true;
  }
  return false;
}

/** The chain of processors that the options ask for; `banned` (V) says which tokens are. Each takes
 *  logits (V) and the tokens before (N), and gives logits in which what may not be sampled is minus
 *  infinity. */
function processors(options, banned) {
  const chain = [];
  for (const name of PROCESSOR_ORDER.slice(1)) {
    let value = options[name] ?? null;
    if (name === "ban") value = banned;
    if (name === "temperature" && (value === 0 || value === 1)) value = null;
    if (value !== null) chain.push(PROCESSORS[name](value));
  }
  return chain;
}

/** Prefer what is likelier after the prompt than without it: from logits (V) and those of the same
 *  network without the prompt, (V), to logits (V). See chargen/generation/logits.py. */
function relevant(share, logits, unprompted) {
  const strength = share / (1 - share);
  const [own, others] = [logProbabilities(logits), logProbabilities(unprompted)];
  const round = rounding(logits);
  const least = round(logits[indexOfMost(logits)] + round(Math.log(PLAUSIBLE)));
  return logits.map((logit, token) => {
    const gained = own[token] - others[token];
    const counted = logit < least ? Math.min(gained, 0) : gained;
    return logit + round(strength * counted);
  });
}

const PROCESSORS = {
  /** Divide the logits of tokens before, or multiply where they are negative (Keskar 2019). */
  repetition_penalty: (value) => (logits, before) => {
    const by = rounding(logits)(value);
    const left = logits.slice();
    for (const token of before) {
      left[token] = logits[token] > 0 ? logits[token] / by : logits[token] * by;
    }
    return left;
  },

  /** Take so much from each token that stands before, once. */
  presence_penalty: (nats) => (logits, before) => {
    const by = rounding(logits)(nats);
    const left = logits.slice();
    for (const token of before) left[token] = logits[token] - by;
    return left;
  },

  /** Take so much from a token for each time that it stands before. */
  frequency_penalty: (nats) => (logits, before) => {
    const by = rounding(logits)(nats);
    const left = logits.slice();
    for (const token of before) left[token] -= by;
    return left;
  },

  /** Drop tokens that would end a run of `size` tokens that stands before as a whole. */
  no_repeat_ngram: (size) => (logits, before) => {
    const ended = new Set();
    const last = before.slice(before.length - size + 1);
    for (let at = 0; at + size <= before.length; at++) {
      const isAgain = last.every((token, index) => before[at + index] === token);
      if (isAgain) ended.add(before[at + size - 1]);
    }
    return ended.size ? maskLogits(logits, (token) => ended.has(token)) : logits;
  },

  ban: (banned) => (logits) => maskLogits(logits, (token) => banned[token]),

  /** Keep exactly the k most likely; of equals at the edge, those with the smaller id. */
  top_k: (k) => (logits) => {
    if (k >= logits.length) return logits;
    const sorted = logits.slice().sort();
    return keepFirst(logits, sorted[logits.length - k], k);
  },

  /** Keep the fewest most likely that together hold `share` (Holtzman et al. 2020); the one that
   *  crosses the mark is kept; of equals there, those with the smaller id. */
  top_p: (share) => (logits) => {
    const sorted = logits.slice().sort().reverse();
    const round = rounding(logits);
    const held = [];
    let total = 0;
    for (const logit of sorted) {
      total += round(Math.exp(round(logit - sorted[0])));
      held.push(total);
    }
    let count = 1;
    while (count < held.length && held[count - 1] < share * total) count++;
    return keepFirst(logits, sorted[count - 1], count);
  },

  /** Drop tokens less likely than `share` of the most likely (Nguyen et al. 2024). */
  min_p: (share) => {
    const floor = share > 0 ? Math.log(share) : -Infinity;
    return (logits) => {
      const round = rounding(logits);
      const least = round(logits[indexOfMost(logits)] + round(floor));
      return logits.map((logit) => (logit < least ? -Infinity : logit));
    };
  },

  /** Keep the tokens whose surprise is nearest to the expected one, the fewest that together hold
   *  `share` (Meister et al. 2023); the one that crosses the mark is kept. */
  typical_p: (share) => (logits) => {
    const logprobs = logProbabilities(logits);
    const probabilities = logprobs.map(Math.exp);
    let entropy = 0;
    probabilities.forEach((p, token) => p > 0 && (entropy -= p * logprobs[token]));
    const distances = logprobs.map((logprob) => Math.abs(-logprob - entropy));
    const nearer = (one, two) => byNumber(distances[one], distances[two]);
    const order = [...distances.keys()].sort(nearer);
    const left = logits.map(() => -Infinity);
    let held = 0;
    for (const [place, token] of order.entries()) {
      if (place > 0 && held >= share) break;
      left[token] = logits[token];
      held += probabilities[token];
    }
    return left;
  },

  /** Divide: below 1 the likely become likelier, above 1 all become alike. */
  temperature: (value) => {
    const factor = Math.fround(1 / Math.max(value, MIN_TEMPERATURE));
    return (logits) => {
      const most = value < COLD ? logits[indexOfMost(logits)] : 0;
      const round = rounding(logits);
      return logits.map((logit) => round(logit - most) * factor);
    };
  },
};

/** Stable, and infinities equal each other, where a difference would be NaN. */
function byNumber(one, two) {
  return one < two ? -1 : one > two ? 1 : 0;
}

/** What makes a number one of the array's: logits of a network are float32. */
function rounding(array) {
  return array instanceof Float32Array ? Math.fround : Number;
}

/** The logits without those tokens; where that would drop all, as they were. */
function maskLogits(logits, isDropped) {
  const left = logits.map((logit, token) => (isDropped(token) ? -Infinity : logit));
  return left[indexOfMost(left)] === -Infinity ? logits : left;
}

/** Keep the `count` most likely tokens, of which the last has the logit `least`; of the tokens with
 *  that logit those with the smaller id. */
function keepFirst(logits, least, count) {
  let room = count;
  for (const logit of logits) if (logit > least) room--;
  return logits.map((logit) => {
    if (logit > least) return logit;
    return logit === least && room-- > 0 ? logit : -Infinity;
  });
}

/** The first of the largest. */
function indexOfMost(numbers) {
  let best = 0;
  for (let at = 1; at < numbers.length; at++) if (numbers[at] > numbers[best]) best = at;
  return best;
}

/** Logits (V) and a number from 0 to 1 -> a token, by inverting the cumulative distribution. */
function sampleToken(logits, uniform) {
  const round = rounding(logits);
  const most = logits[indexOfMost(logits)];
  const cumulative = new Float64Array(logits.length);
  let total = 0;
  for (let token = 0; token < logits.length; token++) {
    total += round(Math.exp(round(logits[token] - most)));
    cumulative[token] = total;
  }
  const mark = uniform * total;
  return cumulative.findIndex((held) => held > mark);
}

/** The log of the sum of what these are the logs of. */
function logSumExp(logits) {
  const most = logits[indexOfMost(logits)];
  if (most === -Infinity) return most;
  let total = 0;
  for (let at = 0; at < logits.length; at++) total += Math.exp(logits[at] - most);
  return most + Math.log(total);
}

/** Logits -> log-probabilities, Float64Array (V). */
function logProbabilities(logits) {
  const total = logSumExp(logits);
  return Float64Array.from(logits, (logit) => logit - total);
}

/** Raises PageError where the logits of a network are no numbers, as after a state that has grown
 *  without end. */
function checkFinite(logits) {
  for (let token = 0; token < logits.length; token++) {
    if (!Number.isFinite(logits[token])) {
      throw new PageError(
        "the network's state has diverged (inf or NaN), so nothing can be sampled",
        "start over, or use another model",
      );
    }
  }
}
