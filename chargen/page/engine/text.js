"use strict";
// The text that a person writes in and a model goes on in: its tokens, what each of them cost, and
// what the network remembers at each. Line ends are \n here, whatever the model knows.
//
// A part is the tokens that spell whole characters together; the texts of all parts joined are the
// text. Offsets are UTF-16, as JavaScript counts. Shapes: H hidden, V vocabulary.

const ENCODED_AT_ONCE = 1 << 13; // characters
const MAX_COMPLETING = 3; // tokens that a character can still need
const LF = 10;

class Text {
  /** Of a model as `openModel` gives it. */
  constructor(model) {
    this.model = model;
    this.tree = new StateTree(model.network, model.tokenizer.end);
    this.parts = []; // {text, bits, start, end}: where it starts, and tokens up to its end
    this.path = []; // the place of each token
    this.isIntact = true; // whether the model itself wrote the end, so that it knows how it goes on
    this.hasEnded = false; // whether the model has ended the document there
    this.told = 0; // so many of the parts are as they were when somebody was told last
    this.isNews = false; // whether what came after those is another now
    this.view = { key: "", values: new WeakMap() };
    this.spelled = { place: null, found: null, from: null, known: null }; // see #respelled
    this.#begin();
  }

  /** In UTF-16 units. */
  get length() {
    const last = this.parts.at(-1);
    return last ? last.start + last.text.length : 0;
  }

  get place() {
    return this.path.at(-1) ?? this.tree.root;
  }

  /** What is new since this was asked last: parts from one on, as messages have them. */
  news() {
    const from = this.told;
    this.told = this.parts.length;
    this.isNews = false;
    return { from, parts: this.parts.slice(from).map(({ text, bits }) => ({ text, bits })) };
  }

  toString() {
    return this.parts.map(({ text }) => text).join("");
  }

  // -- reading --------------------------------------------------------------------------------

  /** Become this text; what is common with the one before is not read again. */
  async read(wanted, job = new Job(), onShare = () => {}) {
    const text = withLf(wellFormed(wanted));
    const from = this.#commonParts(text);
    if (from === this.parts.length && this.length === text.length) return;
    this.#truncate(from);
    this.isIntact = false;
    this.hasEnded = false;
    const rest = text.slice(this.length);
    let read = 0;
    for (const { token, text: shown } of this.model.tokensOf(rest, from > 0)) {
      read += this.#append(this.tree.follow(this.place, token), shown);
      if (job.isDue) {
        onShare(Math.min(1, read / rest.length));
        await job.rest();
        if (job.stopped) {
          this.#truncate(this.parts.length);
          return;
        }
      }
    }
    this.#close();
  }

  /** How many of the parts stay as they are in another text. */
  #commonParts(text) {
    let count = 0;
    for (const part of this.parts) {
      if (!text.startsWith(part.text, part.start)) break;
      count++;
    }
    if (count === this.parts.length && this.length === text.length) return count;
    while (count && !this.#canCut(count, text)) count--;
    return count;
  }

  /** Whether a text that begins with so many parts is cut into tokens there whatever follows. */
  #canCut(count, text) {
    const at = count < this.parts.length ? this.parts[count].start : this.length;
    if (this.model.documents !== "file") {
      // What separates documents may be longer now, and at the end of a text is less.
      const isEnd = this.parts[count]?.text.startsWith("\n");
      return (
        isEnd &&
        this.parts.length > count + 1 &&
        text.startsWith(this.parts[count].text, at) &&
        !/\s/.test(text[at + this.parts[count].text.length] ?? " ")
      );
    }
    if (!this.model.tokenizer.looksAhead) return true;
    const isWordEnd = (character) => character === " " || character === "\n";
    const before = this.parts[count]?.text[0];
    return isWordEnd(text[at]) && (before === undefined || isWordEnd(before));
  }

  /** Cut off all but so many parts. */
  #truncate(count) {
    this.isNews ||= count < this.parts.length;
    this.told = Math.min(this.told, count);
    this.parts.length = count;
    this.path.length = count ? this.parts[count - 1].end : 0;
    this.#begin();
    this.tree.keepOnly(this.path);
  }

  #begin() {
    this.decoder = new StreamDecoder(this.model.tokenizer);
    this.open = { text: "", bits: 0 }; // the part that is being spelled
  }

  /** Take up the next token, which shows this text or what it spells. Gives how many characters of
   *  the text are complete with it. */
  #append(place, shown) {
    const { tokenizer, lineEnd, endText } = this.model;
    const before = this.length;
    const piece = tokenizer.pieces[place.token];
    const isEnd = place.token === tokenizer.end;
    const hadBegun = this.decoder.pending.length > 0;
    let text = isEnd ? this.decoder.flush() + (shown ?? endText) : this.decoder.feed(place.token);
    if (hadBegun && String(this.decoder.pending) === String(piece)) {
      this.open.text += text; // what was begun is no UTF-8
      text = "";
      this.#close();
    } else if (this.open.text.endsWith("\r") && piece[0] !== LF) {
      this.#close();
    }
    this.path.push(place);
    this.open.text += text;
    this.open.bits += place.bits;
    const mayGoOn = this.open.text.endsWith("\r") && lineEnd !== "\r"; // with an LF
    if (!this.decoder.pending.length && !mayGoOn) this.#close();
    return this.length - before;
  }

  /** What was begun of a character is all that comes of it. */
  #endCharacter() {
    if (!this.decoder.pending.length) return;
    this.open.text += this.decoder.flush();
    this.#close();
  }

  /** The part that is being spelled is whole, if there is anything of it. */
  #close() {
    const { text, bits } = this.open;
    if (!text) return;
    this.parts.push({ text: withLf(text), bits, start: this.length, end: this.path.length });
    this.isNews = true;
    this.open = { text: "", bits: 0 };
  }

  // -- writing --------------------------------------------------------------------------------

  /** Go on at the end. `onParts` gets {from, parts} as they come. Gives the Continuation, which
   *  knows why it has ended; where it has not, the job was stopped. */
  async write(options, job = new Job(), onParts = () => {}) {
    if (this.hasEnded) this.#append(this.tree.follow(this.place, this.model.tokenizer.end));
    this.hasEnded = false;
    const before = this.toString();
    const { kept, start } = this.#start(options);
    const continuation = start(new RandomStream(options.seed, options.row));
    let respells = kept < this.path.length;
    let shown = "";
    const tell = () => this.isNews && onParts(this.news());
    while (continuation.reason === null && !job.stopped) {
      const piece = continuation.step();
      if (piece !== null) {
        if (respells) this.#keepTokens(kept);
        respells = false;
        shown += piece.text;
        for (const place of piece.places) {
          if (place.token !== this.model.tokenizer.end) this.#append(place);
        }
        this.#endCharacter();
      }
      if (job.isDue) {
        tell();
        await job.rest();
      }
    }
    this.#truncate(this.parts.length); // before a character that has only begun
    this.hasEnded = continuation.reason === "end";
    this.isIntact = true;
    const wanted = before + withLf(shown);
    if (this.toString() !== wanted) {
      // The text ends within its last token: what is left of that is read as any other text.
      const { hasEnded } = this;
      await this.read(wanted);
      this.hasEnded = hasEnded;
    }
    tell();
    return continuation;
  }

  /** Continuations side by side, row i by the random numbers of row i; the text stays. `onText`
   *  gets {row, text} as it comes. Gives {text, reason, logprob} of each. */
  async several(count, options, job = new Job(), onText = () => {}) {
    const { start } = this.#start(options);
    const rows = Array.from({ length: count }, (_, row) => ({
      continuation: start(new RandomStream(options.seed, options.row + row)),
      text: "",
      told: 0,
    }));
    const going = () => rows.filter(({ continuation }) => continuation.reason === null);
    while (going().length && !job.stopped) {
      for (const row of going()) {
        row.text += row.continuation.step()?.text ?? "";
        if (job.isDue) {
          this.#tellTexts(rows, onText);
          await job.rest();
          if (job.stopped) break;
        }
      }
    }
    this.#tellTexts(rows, onText);
    return rows.map(({ continuation, text }) => ({
      text: withLf(text),
      reason: continuation.reason ?? "stopped",
      logprob: continuation.logprob,
    }));
  }

  #tellTexts(rows, onText) {
    for (const [number, row] of rows.entries()) {
      const text = withLf(row.text.replace(/\r$/, "")); // an LF may follow
      if (text.length > row.told) onText({ row: number, text });
      row.told = text.length;
    }
  }

  /** How a last word that the model did not write itself can be spelled anew, after how many of the
   *  tokens: {kept, spellings}; null where that is the word as it is. */
  #respelled() {
    const { tokenizer, network } = this.model;
    if (this.isIntact || !tokenizer.looksAhead) return null;
    if (this.spelled.place === this.place) return this.spelled.found;
    this.spelled = { ...this.spelled, place: this.place, found: null };
    const tokens = this.path.map(({ token }) => token);
    const first = tokens.lastIndexOf(tokenizer.end) + 1;
    const { kept: rest, word } = takeBack(tokenizer, tokens.slice(first));
    if (!word.length) return null;
    const kept = first + rest.length;
    const place = this.#placeAfter(kept);
    const logits = this.tree.logits(place).slice();
    const state = this.tree.state(place);
    if (this.spelled.from !== place) Object.assign(this.spelled, { from: place, known: new Map() });
    const spellings = spell(network, tokenizer, word, logits, state, this.spelled.known);
    this.tree.forgetLogits();
    this.spelled.found = { kept, spellings };
    return this.spelled.found;
  }

  /** The place after so many tokens. */
  #placeAfter(tokens) {
    return tokens ? this.path[tokens - 1] : this.tree.root;
  }

  /** How texts go on from here: after how many of its tokens, and what makes the Continuation by a
   *  RandomStream. A last word that the model did not write itself is spelled anew. */
  #start(options) {
    const { kept, spellings } = (options.heal ? this.#respelled() : null) ?? {
      kept: this.path.length,
      spellings: null,
    };
    const place = this.#placeAfter(kept);
    const recent = this.path.slice(Math.max(0, kept - options.penalty_window), kept);
    const before = recent.map(({ token }) => token);
    const unprompted = this.#unprompted(options, kept);
    const start = (stream) =>
      new Continuation(
        this.model,
        this.tree,
        place,
        before,
        options,
        stream,
        spellings,
        unprompted,
      );
    return { kept, start };
  }

  /** Where the network would stand after so many tokens of the text without its prompt, as
   *  {state, unread}; null where that makes no difference, or is not asked for. The prompt is
   *  between two offsets, or all of the text. */
  #unprompted({ relevance, prompt }, kept) {
    const text = this.toString();
    const [from, to] = prompt ?? [0, text.length];
    if (!relevance || from >= Math.min(to, text.length)) return null;
    const index = this.partAt(from);
    const place = this.placeBefore(index);
    const state = place.parent ? this.tree.state(place.parent) : this.tree.start;
    const respelled = this.parts.find(({ end }) => end > kept)?.start ?? text.length;
    // What is spelled anew of the text's end is read there once it is.
    const rest = withoutTail(text.slice(to), text.slice(respelled));
    const left = text.slice(this.parts[index].start, from) + rest;
    const unread = [place.token];
    for (const { token } of this.model.tokensOf(left, index > 0)) unread.push(token);
    return { state, unread };
  }

  /** Cut off all but so many tokens. */
  #keepTokens(kept) {
    const path = this.path.slice(0, kept);
    const first = this.parts.findIndex(({ end }) => end > kept);
    this.#truncate(first < 0 ? this.parts.length : first);
    for (const place of path.slice(this.path.length)) this.#append(place);
  }

  // -- choosing -------------------------------------------------------------------------------

  /** The part that an offset is in; at the end of the text, one more than there are. */
  partAt(offset) {
    let low = 0;
    let high = this.parts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { start, text } = this.parts[middle];
      if (offset < start + text.length) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The place before a part. */
  placeBefore(index) {
    if (index >= this.parts.length) return this.place;
    const tokens = index ? this.parts[index - 1].end : 0;
    return this.#placeAfter(tokens);
  }

  /** What was likely at an offset, and what stands there. */
  likeliest(offset, count) {
    const index = this.partAt(offset);
    const part = this.parts[index];
    const respelled = part ? null : this.#respelled();
    return {
      at: part ? part.start : this.length,
      choices: respelled
        ? this.#choicesBeyond(respelled.spellings, count)
        : this.choicesAfter(this.placeBefore(index), count),
      actual: part ? { text: part.text, probability: 2 ** -part.bits } : null,
    };
  }

  /** The most likely tokens after a place: [{token, text, probability}]. */
  choicesAfter(place, count) {
    const logprobs = logProbabilities(this.tree.logits(place));
    return [...logprobs.keys()]
      .sort((one, two) => byNumber(logprobs[two], logprobs[one]))
      .slice(0, count)
      .map((token) => ({
        token,
        text: this.model.textOf(token),
        probability: Math.exp(logprobs[token]),
      }));
  }

  /** The most likely that can come where the last word is spelled anew: each way that goes beyond
   *  it, by its token; those that show the same count together. */
  #choicesBeyond({ tokens, inside, logprobs }, count) {
    const { pieces } = this.model.tokenizer;
    const found = new Map(); // by text
    for (const [way, token] of tokens.entries()) {
      const beyond = pieces[token].subarray(inside[way]);
      if (!beyond.length) continue;
      const text = this.model.textOfBytes(beyond);
      const probability = Math.exp(logprobs[way]);
      const known = found.get(text) ?? { token, text, probability: 0, best: 0 };
      const best = Math.max(known.best, probability);
      if (probability === best) known.token = token;
      found.set(text, { ...known, best, probability: known.probability + probability });
    }
    return [...found.values()]
      .sort((one, two) => two.probability - one.probability)
      .slice(0, count)
      .map(({ token, text, probability }) => ({ token, text, probability }));
  }

  /** Cut the text at an offset and go on with a token, and with what most likely completes it to
   *  whole characters. */
  take(offset, token) {
    const { tokenizer, network } = this.model;
    if (!(Number.isInteger(token) && token >= 0 && token < tokenizer.vocabSize)) {
      throw new PageError(`there is no token ${token}`);
    }
    const from = this.partAt(offset);
    const respelled = from < this.parts.length ? null : this.#respelled();
    const way = respelled ? likeliestWay(respelled.spellings, token) : -1;
    if (way >= 0) {
      const { paths, parents } = respelled.spellings;
      this.#keepTokens(respelled.kept);
      for (const before of paths[parents[way]]) this.#append(this.tree.follow(this.place, before));
      this.#append(this.tree.follow(this.place, token));
    } else {
      const place = this.tree.follow(this.placeBefore(from), token);
      this.#truncate(from);
      this.#append(place);
    }
    for (let step = 0; this.decoder.pending.length && step < MAX_COMPLETING; step++) {
      const goesOn = (next) => network.seen[next] && (tokenizer.pieces[next][0] & 0xc0) === 0x80;
      const logits = this.tree.logits(this.place);
      const left = maskLogits(logits, (next) => !goesOn(next));
      this.#append(this.tree.follow(this.place, indexOfMost(left)));
    }
    this.#endCharacter();
    this.#close();
    this.isIntact = true;
    this.hasEnded = false;
  }
}

/** A text without the end that it has in common with a tail. */
function withoutTail(text, tail) {
  let common = 0;
  while (common < Math.min(text.length, tail.length) && text.at(-1 - common) === tail.at(-1 - common))
    common++;
  return text.slice(0, text.length - common);
}

/** The likeliest of the ways to spell a word that end with a token; -1 where none does. */
function likeliestWay({ tokens, logprobs }, token) {
  let best = -1;
  for (const [way, ends] of tokens.entries()) {
    if (ends === token && (best < 0 || logprobs[way] > logprobs[best])) best = way;
  }
  return best;
}
