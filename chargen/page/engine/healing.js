"use strict";
// Go on from a text that ends inside a token, as if the model had been asked by characters: see
// chargen/generation/healing.py. The last word is taken back, and all the ways are followed in
// which tokens can spell it; the last token of each may go beyond the text.
//
// Shapes: W ways to have spelled the word short of one token, N ways with that token, P parts of
// the state, H hidden, V vocabulary.

const MAX_WORD_BYTES = 64; // that are taken back at most
const MAX_WAYS = 32; // that are followed from one place in the word
const MAX_KNOWN_FLOATS = 1 << 22; // of logits: a word that grows is spelled again with each letter
const BLANK_BYTES = new Set([9, 10, 11, 12, 13, 32]);

/** The tokens of a text without its last word, and the bytes of that word; no bytes where no token
 *  of the vocabulary could go beyond any end of it. */
function takeBack(tokenizer, tokens) {
  const isInside = (bytes) => bytes.length > 0 && (bytes[0] & 0xc0) === 0x80; // a character
  let kept = tokens.length;
  let word = new Uint8Array(0);
  while (kept && !BLANK_BYTES.has(word[0])) {
    const piece = tokenizer.pieces[tokens[kept - 1]]; // a word begins with the space before it
    if (word.length + piece.length > MAX_WORD_BYTES && !isInside(word)) break;
    kept--;
    word = joinBytes([piece, word]);
  }
  const goesBeyond = (_, at) => {
    const left = word.subarray(at);
    const isLonger = (token) =>
      tokenizer.pieces[token].length > left.length && startsWith(tokenizer.pieces[token], left);
    return tokenizer.byFirstByte[left[0]].some(isLonger);
  };
  if (!word.some(goesBeyond)) return { kept: tokens, word: new Uint8Array(0) };
  return { kept: tokens.slice(0, kept), word };
}

/**
 * All likely ways to spell `word` from a state (P * H) and its logits (V) on, as Spellings: way n
 * is `tokens[n]`, whose first `inside[n]` bytes stand in the word, after `states[parents[n]]`, to
 * which the tokens `paths[parents[n]]` lead; `logprobs[n]` is that of the way, given the word, and
 * `logprob` that of the word. A token beyond the word is one that was seen in training.
 * `known` holds what the network was asked for when other words were spelled from the same state.
 */
function spell(network, tokenizer, word, logits, state, known = new Map()) {
  const states = [];
  const paths = [];
  // By how many bytes are spelled: {logprob, parent, token}, and the same that end with the word.
  const begun = Array.from(word, () => []);
  const ended = [];
  begun[0].push({ logprob: 0 });
  for (let at = 0; at < word.length; at++) {
    const left = word.subarray(at);
    const ways = begun[at].sort(byLikelihood).slice(0, MAX_WAYS);
    const mayFollow = (token) => {
      const piece = tokenizer.pieces[token];
      if (piece.length > left.length) return network.seen[token] && startsWith(piece, left);
      return startsWith(left, piece);
    };
    const next = ways.length ? tokenizer.byFirstByte[left[0]].filter(mayFollow) : [];
    const first = states.length;
    const logprobs = ways.map(({ logprob, parent, token }) => {
      const path = at ? [...paths[parent], token] : [];
      if (at) ({ logits, state } = stepOnce(network, path, states[parent], known));
      states.push(state);
      paths.push(path);
      const total = logSumExp(logits);
      return next.map((following) => logprob + (logits[following] - total));
    }); // (ways, next)
    next.forEach((token, column) => {
      const stop = at + tokenizer.pieces[token].length;
      const inside = left.length;
      ways.forEach((_, row) => {
        const way = { logprob: logprobs[row][column], parent: first + row, token, inside };
        (stop < word.length ? begun[stop] : ended).push(way);
      });
    });
  }
  const total = ended.map(({ logprob }) => logprob);
  return {
    states,
    paths,
    parents: ended.map(({ parent }) => parent),
    tokens: ended.map(({ token }) => token),
    inside: ended.map(({ inside }) => inside),
    logprobs: logProbabilities(total),
    logprob: logSumExp(total),
  };
}

/** A step with the last token of a path after a state, unless what it gives is known. */
function stepOnce(network, path, state, known) {
  const key = path.join();
  if (known.has(key)) return known.get(key);
  const { logits, state: after } = network.step(path.at(-1), state);
  const found = { logits, state: after };
  if ((known.size + 1) * logits.length <= MAX_KNOWN_FLOATS) {
    known.set(key, { logits: logits.slice(), state: after });
  }
  return found;
}

/** The likeliest first; of equals, those that come later. */
function byLikelihood(one, two) {
  return two.logprob - one.logprob || two.parent - one.parent || two.token - one.token;
}

function startsWith(bytes, start) {
  return bytes.length >= start.length && start.every((byte, at) => bytes[at] === byte);
}
