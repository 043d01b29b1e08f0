"use strict";
// Pieces of words as tokens: the models of sentencepiece (Kudo and Richardson 2018) that chargen
// trains, read and used as sentencepiece itself does, to the last id. Knows no other models: one
// that would change the text is refused.

// Fields and types of sentencepiece_model.proto.
const PIECES = 1,
  TRAINER_SPEC = 2,
  NORMALIZER_SPEC = 3;
const PIECE = 1,
  SCORE = 2,
  TYPE = 3;
const MODEL_TYPE = 3,
  BYTE_FALLBACK = 35,
  EOS_PIECE = 47;
const CHARSMAP = 2,
  ADD_DUMMY_PREFIX = 3,
  REMOVE_EXTRA_WHITESPACES = 4,
  ESCAPE_WHITESPACES = 5;
const UNIGRAM = 1,
  BPE = 2;
const NORMAL = 1,
  UNKNOWN = 2,
  CONTROL = 3,
  USER_DEFINED = 4,
  BYTE = 6;

const SPACE = "\u2581"; // what sentencepiece writes for a space
const WORD_STARTS = /(?=[\u2581\n])|(?<=\n)/;
const MAX_KNOWN_WORDS = 20_000;
const UNKNOWN_PENALTY = 10; // nats below the least likely piece
const FARTHEST_SCORE = 100_000; // beyond, float32 has few digits left: scores begin at 0 again
const FOREIGN = "only models made by chargen can be read";

/** The tokenizer of a `tokenizer.model`. */
function openSubword(bytes) {
  const model = readSentencepiece(bytes);
  const { pieces, byteIds, end, vocabulary } = model;
  const cut =
    model.type === BPE
      ? byWords(vocabulary, cutByMerging(vocabulary))
      : cutByLikelihood(vocabulary);
  // A true U+2581 would come back as a space, so it is spelled in bytes. So is a space where the
  // vocabulary has none.
  const separator = vocabulary.has(SPACE) ? /(\u2581)/ : /([\u2581 ])/;
  const spelled = (character) => [...utf8.encode(character)].map((byte) => byteIds[byte]);
  return new Tokenizer("subword", pieces, end, (text) => {
    const tokens = [];
    text.split(separator).forEach((part, place) => {
      if (place % 2) return extend(tokens, spelled(part)); // the separator itself
      for (const found of cut(part.replaceAll(" ", SPACE))) {
        if (typeof found === "number") tokens.push(found);
        else extend(tokens, spelled(found)); // a character that is no piece
      }
    });
    return tokens;
  });
}

/** `{ type, pieces, byteIds, end, vocabulary }`: the last by text, { token, score, isWhole }. */
function readSentencepiece(bytes) {
  const model = readMessage(bytes);
  const trainer = readMessage(lastOf(model, TRAINER_SPEC, new Uint8Array(0)));
  const normalizer = readMessage(lastOf(model, NORMALIZER_SPEC, new Uint8Array(0)));
  const type = lastOf(trainer, MODEL_TYPE, UNIGRAM);
  const keepsText =
    !lastOf(normalizer, CHARSMAP, []).length &&
    !lastOf(normalizer, ADD_DUMMY_PREFIX, 1) &&
    !lastOf(normalizer, REMOVE_EXTRA_WHITESPACES, 1) &&
    lastOf(normalizer, ESCAPE_WHITESPACES, 1);
  if (!keepsText) {
    throw new PageError("the sentencepiece model changes the text that it reads", FOREIGN);
  }
  if (![UNIGRAM, BPE].includes(type) || !lastOf(trainer, BYTE_FALLBACK, 0)) {
    throw new PageError("the sentencepiece model is neither of unigrams nor of pairs", FOREIGN);
  }
  const endPiece = trainer.has(EOS_PIECE) ? readText(lastOf(trainer, EOS_PIECE)) : "</s>";
  const byteIds = new Array(NUM_BYTES);
  const vocabulary = new Map();
  let end = -1;
  const pieces = (model.get(PIECES) ?? []).map((field, token) => {
    const message = readMessage(field);
    const text = readText(lastOf(message, PIECE, new Uint8Array(0)));
    const score = readFloat(lastOf(message, SCORE, new Uint8Array(4)));
    const kind = lastOf(message, TYPE, NORMAL);
    if (kind === BYTE) {
      const byte = /^<0x[0-9A-F]{2}>$/.test(text) ? parseInt(text.slice(3, 5), 16) : -1;
      if (byte < 0) throw damagedSentencepiece();
      byteIds[byte] = token;
      return Uint8Array.of(byte);
    }
    if (kind === CONTROL && text === endPiece) end = token;
    if (kind === CONTROL || kind === UNKNOWN) return new Uint8Array(0);
    if (!text || !Number.isFinite(score) || vocabulary.has(text)) throw damagedSentencepiece();
    if (text === "\0") return utf8.encode(text); // never used: its byte is
    const isWhole = kind === USER_DEFINED; // the newline, which is merged with nothing
    if ((!isWhole && kind !== NORMAL) || (isWhole && [...text].length > 1) || text.includes("\0")) {
      throw new PageError("the sentencepiece model has pieces of a foreign kind", FOREIGN);
    }
    vocabulary.set(text, { token, score: isWhole ? 0 : score, isWhole });
    return utf8.encode(text.replaceAll(SPACE, " "));
  });
  if (end < 0 || byteIds.includes(undefined)) {
    throw new PageError("the sentencepiece model has no bytes or no end of document", FOREIGN);
  }
  return { type, pieces, byteIds, end, vocabulary };
}

/**
 * Unigrams: the most likely of all ways to cut a text (Viterbi), as `EncodeOptimized` of
 * unigram_model.cc finds it: sums in float32, and of ways that are equally likely the one whose
 * last piece is longest. Gives the tokens of a text, and each character that is none as itself.
 */
function cutByLikelihood(vocabulary) {
  const root = { next: new Map(), piece: null };
  let least = Infinity;
  for (const [text, piece] of vocabulary) {
    let node = root;
    for (const character of text) {
      if (!node.next.has(character)) node.next.set(character, { next: new Map(), piece: null });
      node = node.next.get(character);
    }
    node.piece = piece;
    if (!piece.isWhole) least = Math.min(least, piece.score);
  }
  const unknownScore = Math.fround(least - UNKNOWN_PENALTY);

  return (text) => {
    const characters = [...text];
    const size = characters.length;
    // Of the best way to cut all before a place: its score, and where its last piece begins.
    const scores = new Float32Array(size + 1);
    const starts = new Int32Array(size + 1).fill(-1);
    const tokens = new Int32Array(size + 1);
    let farthest = 0;
    const offer = (start, stop, score, token) => {
      const total = Math.fround(score + scores[start]);
      farthest = Math.max(farthest, stop);
      if (starts[stop] >= 0 && total <= scores[stop]) return;
      scores[stop] = total;
      starts[stop] = start;
      tokens[stop] = token;
    };
    for (let start = 0; start < size; start++) {
      const offset = scores[start];
      if (Math.abs(offset) > FARTHEST_SCORE) {
        for (let at = start; at <= farthest; at++) {
          if (at === start || starts[at] >= 0) scores[at] -= offset;
        }
      }
      let stop = start + 1;
      let node = root.next.get(characters[start]);
      if (!node?.piece) offer(start, stop, unknownScore, -1);
      for (; node; node = node.next.get(characters[stop++])) {
        if (node.piece) offer(start, stop, node.piece.score, node.piece.token);
      }
    }
    const found = [];
    for (let stop = size; stop; stop = starts[stop]) {
      found.push(tokens[stop] < 0 ? characters[starts[stop]] : tokens[stop]);
    }
    return found.reverse();
  };
}

/**
 * BPE: neighbours are merged as long as any two of them are a piece, those of the best score first,
 * of equal ones the leftmost, as `SampleEncode` of bpe_model.cc does. Gives what `cutByLikelihood`
 * gives.
 */
function cutByMerging(vocabulary) {
  return (text) => {
    const symbols = [...text]; // merged into the left one, the right one empty
    const size = symbols.length;
    const before = Int32Array.from(symbols, (_, at) => at - 1);
    const after = Int32Array.from(symbols, (_, at) => at + 1);
    const agenda = new Heap(
      (one, two) => one.score > two.score || (one.score === two.score && one.left < two.left),
    );
    const consider = (left, right) => {
      if (left < 0 || right >= size) return;
      const whole = symbols[left] + symbols[right];
      const piece = vocabulary.get(whole);
      const isFrozen = (at) => vocabulary.get(symbols[at])?.isWhole;
      if (!piece || isFrozen(left) || isFrozen(right)) return;
      agenda.push({ score: piece.score, left, right, whole });
    };
    for (let right = 1; right < size; right++) consider(right - 1, right);
    for (let pair; (pair = agenda.pop());) {
      const { left, right, whole } = pair;
      // One of the two may have been merged in the meantime.
      if (!symbols[right] || symbols[left] + symbols[right] !== whole) continue;
      symbols[left] = whole;
      symbols[right] = "";
      after[left] = after[right];
      if (after[left] < size) before[after[left]] = left;
      consider(before[left], left);
      consider(left, after[left]);
    }
    return symbols.filter(Boolean).map((symbol) => vocabulary.get(symbol)?.token ?? symbol);
  };
}

/** The same, word by word, each cut once: where no piece has the space before a word, or a line
 * end, within it, nothing is merged across those. */
function byWords(vocabulary, cut) {
  const spans = (piece) => piece.includes(SPACE, 1) || (piece.length > 1 && piece.includes("\n"));
  if ([...vocabulary.keys()].some(spans)) return cut;
  const known = new Map();
  return (text) =>
    text.split(WORD_STARTS).flatMap((word) => {
      if (known.size > MAX_KNOWN_WORDS) known.clear();
      if (!known.has(word)) known.set(word, cut(word));
      return known.get(word);
    });
}

/** Gives the first of its items, by an order that says whether one comes before another. */
class Heap {
  #items = [];
  #isBefore;

  constructor(isBefore) {
    this.#isBefore = isBefore;
  }

  push(item) {
    const items = this.#items;
    let at = items.push(item) - 1;
    for (let above; at && this.#isBefore(item, items[(above = (at - 1) >> 1)]); at = above) {
      items[at] = items[above];
    }
    items[at] = item;
  }

  /** undefined where it is empty. */
  pop() {
    const items = this.#items;
    const [first, last] = [items[0], items.pop()];
    if (!items.length) return first;
    let at = 0;
    for (let below; (below = 2 * at + 1) < items.length; at = below) {
      if (below + 1 < items.length && this.#isBefore(items[below + 1], items[below])) below++;
      if (!this.#isBefore(items[below], last)) break;
      items[at] = items[below];
    }
    items[at] = last;
    return first;
  }
}

/** A message of Protocol Buffers: field number -> its values in order, numbers or bytes. */
function readMessage(bytes) {
  const fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 63) throw damagedSentencepiece();
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale; // above 2^53 not exact: no field that is used is so large
      if (byte < 0x80) return value;
    }
  };
  const take = (size) => {
    if (at + size > bytes.length) throw damagedSentencepiece();
    at += size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, wire] = [Math.floor(key / 8), key % 8];
    const read = { 0: varint, 1: () => take(8), 2: () => take(varint()), 5: () => take(4) }[wire];
    if (!read) throw damagedSentencepiece();
    if (!fields.has(number)) fields.set(number, []);
    fields.get(number).push(read());
  }
  return fields;
}

function lastOf(message, field, missing) {
  return message.get(field)?.at(-1) ?? missing;
}

function readText(bytes) {
  const text = bytes instanceof Uint8Array ? textOf(bytes) : null;
  if (text === null) throw damagedSentencepiece();
  return text;
}

function readFloat(bytes) {
  if (bytes.length !== 4) throw damagedSentencepiece();
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

function damagedSentencepiece() {
  return new PageError("the sentencepiece model is damaged");
}
