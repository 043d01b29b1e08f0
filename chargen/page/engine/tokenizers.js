"use strict";
// Text <-> tokens, exactly, as chargen/tokenizers has it. Knows no network.
//
// Every token stands for some bytes, so decoding is one law for all tokenizers: join the bytes,
// read them as UTF-8. A lone surrogate, which has no UTF-8, is read as U+FFFD.

const NUM_BYTES = 256;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true }); // bytes that are none: U+FFFD
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** What all tokenizers share: a table of the bytes that each token stands for. */
class Tokenizer {
  /** `pieces`: the bytes of each token; `end`: the id that stands between documents; `split`: the
   * ids that spell a text. */
  constructor(kind, pieces, end, split) {
    this.kind = kind;
    this.pieces = pieces;
    this.end = end;
    this.split = split;
    // The text of each token by itself; null where its bytes are a part of a character.
    this.texts = pieces.map(textOf);
    // The ids of the tokens that begin with each of the 256 bytes.
    this.byFirstByte = Array.from({ length: NUM_BYTES }, () => []);
    pieces.forEach((piece, token) => {
      if (piece.length) this.byFirstByte[piece[0]].push(token);
    });
  }

  get vocabSize() {
    return this.pieces.length;
  }

  /** Whether the tokens of a text depend on what follows it: it may end inside one. */
  get looksAhead() {
    return this.kind === "subword" || this.kind === "word";
  }

  /** The ids that spell `text`. */
  encode(text) {
    return this.split(wellFormed(text));
  }

  /** The text that the ids spell; bytes that are no UTF-8 show as U+FFFD. */
  decode(tokens) {
    return fromUtf8.decode(joinBytes(tokens.map((token) => this.pieces[token])));
  }
}

/** The tokenizer of a checkpoint: its kind, as config.json has it, and the bytes of its file. */
function openTokenizer(kind, bytes) {
  if (kind === "byte") return openByte(bytes);
  if (kind === "char") return openChar(bytes);
  if (kind === "subword") return openSubword(bytes);
  if (kind === "word") return openWord(bytes);
  throw new PageError(`there is no tokenizer of kind “${kind}”`);
}

/** One token a byte of UTF-8. */
function openByte(bytes) {
  readTokenizerFile("byte", bytes);
  return new Tokenizer("byte", bytePieces(), NUM_BYTES, (text) => [...utf8.encode(text)]);
}

/** One token a character that is known, one a byte of any other; ASCII characters are their own
 * bytes. */
function openChar(bytes) {
  const { characters } = readTokenizerFile("char", bytes);
  const { pieces, spell } = characterTokens(characters);
  return new Tokenizer("char", pieces, NUM_BYTES, spell);
}

/** The tokens of characters beyond ASCII, after those of bytes: the `pieces`, and what gives the
 * ids that `spell` a text. */
function characterTokens(characters) {
  const known = new Map(); // character -> id
  for (const character of typeof characters === "string" ? characters : "") {
    known.set(character, NUM_BYTES + 1 + known.size);
  }
  const isList = typeof characters === "string" && known.size === [...characters].length;
  if (!isList || /[\0-\x7f\p{Cs}]/u.test(characters)) {
    throw new PageError("the tokenizer file has no list of characters");
  }
  const pieces = [...bytePieces(), ...[...known.keys()].map((character) => utf8.encode(character))];
  const spell = (text) => {
    const tokens = [];
    for (const character of text) {
      const token = known.get(character);
      if (token !== undefined) tokens.push(token);
      else if (character < "\x80") tokens.push(character.charCodeAt(0));
      else tokens.push(...utf8.encode(character));
    }
    return tokens;
  };
  return { pieces, spell };
}

const ASCII_LETTERS = "0-9A-Za-z_";
const MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~";
const APOSTROPHES = [...JOINERS].filter((mark) => !HYPHENS.includes(mark)).join("");
const MAX_WORD_LENGTH = 64; // characters
const MAX_WORDS = 1_000_000;

/** One token a word that is known, with the space before it or without, else as by characters: see
 * chargen/tokenizers/word.py. */
function openWord(bytes) {
  const { letters, others, words } = readTokenizerFile("word", bytes);
  if (typeof letters !== "string" || typeof others !== "string") {
    throw new PageError("the tokenizer file has no lists of characters");
  }
  const { pieces, spell } = characterTokens(letters + others);
  const { whole, parts } = wordPatterns(letters);
  const ids = new Map(); // word -> id
  for (const word of Array.isArray(words) && words.length <= MAX_WORDS ? words : []) {
    ids.set(word, pieces.length + ids.size);
  }
  const isWord = (word) =>
    typeof word === "string" &&
    [...word].length > 1 &&
    [...word].length <= MAX_WORD_LENGTH &&
    word.match(whole)[0] === word &&
    !/\p{Cs}/u.test(word);
  if (!Array.isArray(words) || ids.size !== words.length || !words.every(isWord)) {
    throw new PageError("the tokenizer file has no list of words");
  }
  for (const word of words) pieces.push(utf8.encode(word));
  const spellPart = (part) => {
    if (ids.has(part)) return [ids.get(part)];
    const rest = part.slice(1);
    return part[0] === " " && ids.has(rest) ? [32, ids.get(rest)] : spell(part);
  };
  return new Tokenizer("word", pieces, NUM_BYTES, (text) => {
    const tokens = [];
    for (const word of text.match(whole) ?? []) {
      if (ids.has(word)) tokens.push(ids.get(word));
      else for (const part of word.match(parts)) extend(tokens, spellPart(part));
    }
    return tokens;
  });
}

/** What finds the tokens of a text, words with their apostrophes as one; and the parts of those. */
function wordPatterns(letters) {
  const word = `[${ASCII_LETTERS}${letters}]+`;
  const mark = [...MARKS].map((mark) => `\\x${mark.charCodeAt(0).toString(16)}+`).join("|");
  const pattern = (word) => new RegExp(` ?(?:${word}|${mark}|[^\\x00-\\x7f])|[^]`, "gu");
  return { whole: pattern(`${word}(?:[${APOSTROPHES}]${word})*`), parts: pattern(word) };
}

/** The 256 bytes, then the end of a document, which spells nothing. */
function bytePieces() {
  const bytes = Array.from({ length: NUM_BYTES }, (_, byte) => Uint8Array.of(byte));
  return [...bytes, new Uint8Array(0)];
}

function readTokenizerFile(kind, bytes) {
  let content = null;
  try {
    content = JSON.parse(strictUtf8.decode(bytes));
  } catch {
    throw new PageError("the tokenizer file is not JSON");
  }
  if (content?.kind !== kind) {
    throw new PageError(`the tokenizer file is not that of a ${kind} tokenizer`);
  }
  return content;
}

/**
 * Token ids to text as they come: whole characters only. The texts of all `feed`s and the final
 * `flush` joined are what the tokenizer decodes the ids to.
 */
class StreamDecoder {
  #tokenizer;
  #pending = new Uint8Array(0);

  constructor(tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The characters that this token, its first `skip` bytes left out, completes: often one,
   * sometimes none. */
  feed(token, skip = 0) {
    const text = this.#tokenizer.texts[token];
    if (text !== null && !skip && !this.#pending.length) return text;
    const bytes = joinBytes([this.#pending, this.#tokenizer.pieces[token].subarray(skip)]);
    const whole = bytes.length - begunLength(bytes);
    this.#pending = bytes.slice(whole);
    return fromUtf8.decode(bytes.subarray(0, whole));
  }

  /** One that stands at the same place and goes on by itself. */
  copy() {
    const twin = new StreamDecoder(this.#tokenizer);
    twin.#pending = this.#pending;
    return twin;
  }

  /** The bytes, the last ones, that begin a character. */
  get pending() {
    return this.#pending;
  }

  /** U+FFFD where the last character was cut off, else nothing. */
  flush() {
    const text = fromUtf8.decode(this.#pending);
    this.#pending = new Uint8Array(0);
    return text;
  }
}

/** How many of the last bytes begin a character that more bytes may complete. */
function begunLength(bytes) {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const lead = bytes[bytes.length - length];
    if ((lead & 0xc0) === 0x80) continue;
    const size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    if (length >= size) return 0;
    // What no character begins with (overlong, above U+10FFFF) is wrong at once; as in Python, a
    // surrogate is not until it is whole.
    const seconds = { 0xe0: [0xa0, 0xbf], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] };
    const [least, most] = seconds[lead] ?? [0x80, 0xbf];
    const second = length > 1 ? bytes[bytes.length - length + 1] : least;
    return second >= least && second <= most ? length : 0;
  }
  return 0;
}

// What stands between documents, by what they are; and the blank lines before the first.
const SEPARATORS = {
  line: /(?:\r?\n)+|\r$/g,
  paragraph: new RegExp(`${LINE_END}(?:[ \\t]*${LINE_END})+(?:[ \\t]*$)?|${LINE_END}[ \\t]*$`, "g"),
};
const BLANK_LINES = new RegExp(`^(?:[ \\t]*${LINE_END})+`);

/** The documents of a text, and what separates each from the next: [{text, separator}], "" after
 * the last. Where blank lines stand before the first, an empty one ends there; `isRest` says that
 * something stands before. */
function splitDocuments(text, documents, isRest = false) {
  const separator = SEPARATORS[documents];
  if (!separator) return [{ text, separator: "" }];
  const inked = text.search(BLANKS_AT_END);
  const first = inked ? text.slice(0, inked) : text; // the blanks at the end are read by themselves
  const split = [];
  const blank = isRest ? "" : (first.match(BLANK_LINES)?.[0] ?? "");
  if (blank) split.push({ text: "", separator: blank });
  let at = blank.length;
  for (const part of [first, text.slice(first.length)]) {
    separator.lastIndex = at;
    for (let found; (found = separator.exec(part)); at = separator.lastIndex) {
      split.push({ text: part.slice(at, found.index), separator: found[0] });
    }
    split.push({ text: part.slice(at), separator: "" });
    at = 0;
  }
  return split;
}

/** The text with U+FFFD for each lone surrogate. */
function wellFormed(text) {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

function textOf(bytes) {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

function joinBytes(parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Append many, where `push(...)` would take all as arguments. */
function extend(list, more) {
  for (const item of more) list.push(item);
}
