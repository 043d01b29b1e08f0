"use strict";
// One text that goes on from a place: tokens are sampled one by one, and what can be shown of them
// comes out in pieces of whole characters, cut exactly where the text ends. In Python these are the
// loop of generation/decoding.py and the builder of generation/completion.py.

class Continuation {
  /** After a place in a tree of states. `before` are the tokens of the text up to there, `stream`
   *  the random numbers; with `spellings` the text's last word is spelled anew from there. With
   *  `unprompted`, {state, unread}, what is sampled fits the prompt better: it is compared with
   *  what would follow without it, after that state (P * H) and those tokens. */
  constructor(model, tree, place, before, options, stream, spellings = null, unprompted = null) {
    this.network = model.network;
    this.unprompted = unprompted && { ...unprompted };
    this.tokenizer = model.tokenizer;
    this.tree = tree;
    this.place = place;
    this.before = before;
    this.options = options;
    this.sampler = new Sampler(options, model.tokenizer, model.network.seen, stream);
    this.spellings = spellings;
    this.decoder = new StreamDecoder(model.tokenizer);
    this.reason = null; // why it has ended: "length", "stop" or "end"
    this.logprob = 0; // of what was given, in nats, under the model itself
    this.count = 0; // tokens that show anything
    this.progress = UNIT_START;
    this.given = 0; // characters (code points) that are out
    this.held = ""; // and what is not yet
    this.waiting = []; // what spells it: {places, logprob, stop}, those of one character together
    this.inPrompt = { places: [], logprob: 0 }; // tokens that show nothing new
  }

  /** Sample one more token. Gives {text, places} where there is something to show, else null. */
  step() {
    if (this.spellings) return this.#spell();
    const unprompted = this.#readUnprompted();
    let logits = this.tree.logits(this.place);
    checkFinite(logits);
    if (unprompted !== null) logits = relevant(this.options.relevance, logits, unprompted);
    const token = this.sampler.choose(logits, this.before, this.#mayEnd);
    if (unprompted !== null) this.unprompted.unread = [token];
    const place = this.tree.follow(this.place, token);
    this.#moveTo(place);
    return this.#add([place], -place.bits * Math.LN2, 0);
  }

  /** The logits (V) of what would follow without the prompt; null where that is not asked for. */
  #readUnprompted() {
    if (this.unprompted === null) return null;
    let logits;
    let { state } = this.unprompted;
    for (const token of this.unprompted.unread) {
      ({ logits, state } = this.network.step(token, state));
    }
    this.unprompted.state = state;
    this.tree.forgetLogits();
    checkFinite(logits);
    return logits.slice(); // which the text's own step overwrites
  }

  /** Sample the end of the prompt and the first token, as one. */
  #spell() {
    const { tokens, parents, inside, logprobs, paths } = this.spellings;
    const way = this.sampler.chooseSpelling(this.spellings, this.tokenizer.pieces);
    const places = [];
    const spelled = [...paths[parents[way]], tokens[way]];
    if (this.unprompted !== null) this.unprompted.unread = [...this.unprompted.unread, ...spelled];
    for (const token of spelled) {
      places.push(this.tree.follow(places.at(-1) ?? this.place, token));
    }
    this.spellings = null;
    this.#moveTo(places.at(-1));
    return this.#add(places, logprobs[way], inside[way]);
  }

  #moveTo(place) {
    this.place = place;
    if (!this.sampler.looksBack) return;
    this.before = [...this.before, place.token].slice(-this.options.penalty_window);
  }

  /** Whether there is as much text as was asked for at least. */
  get #mayEnd() {
    return this.given + characters(this.held) >= (this.options.min_chars ?? 0);
  }

  /** Whether the limit is reached: one that was asked for, or else a text that is long enough. */
  get #isFull() {
    const { max_tokens: asked } = this.options;
    return this.count >= tokenLimit(this.options) && (asked !== null || this.#mayEnd);
  }

  /** What can be shown now that the last of these places is reached, of whose token the first
   *  `inside` bytes stand in the prompt. */
  #add(places, logprob, inside) {
    const { token } = places.at(-1);
    const piece = this.tokenizer.pieces[token];
    if (inside && inside === piece.length) {
      this.inPrompt = { places, logprob };
      return { text: "", places };
    }
    logprob += this.inPrompt.logprob;
    this.inPrompt = { places: [], logprob: 0 };
    this.count++;
    const ends = token === this.tokenizer.end;
    const goesOn = this.decoder.pending.length > 0 && !ends;
    let begun = this.held.length;
    this.held += this.decoder.feed(token, inside);
    if (goesOn) {
      const earlier = this.waiting.pop();
      if (String(this.decoder.pending) === String(piece)) {
        this.waiting.push({ ...earlier, stop: this.held.length }); // what was begun is no UTF-8
      } else {
        places = [...earlier.places, ...places];
        logprob += earlier.logprob;
      }
    }
    this.waiting.push({ places, logprob, stop: this.held.length });
    let cut = this.#findEnd(begun);
    if (this.reason === null && ends) {
      begun = this.held.length;
      this.held += this.decoder.flush();
      cut = this.#findEnd(begun);
      this.reason ??= "end";
    }
    if (this.reason === null && this.#isFull) {
      cut = this.held.length; // before a character that has only begun
      this.reason = "length";
    }
    if (this.reason !== null) {
      if (cut !== null) {
        const starts = [0, ...this.waiting.map(({ stop }) => stop)];
        this.waiting = this.waiting.filter((_, index) => starts[index] < cut);
        this.held = this.held.slice(0, cut);
      }
      return this.#give(this.waiting.length);
    }
    if (this.decoder.pending.length) return null;
    const safe = safeLength(this.held, this.options.stop, this.progress.pending);
    return this.#give(this.waiting.filter(({ stop }) => stop <= safe).length);
  }

  /** Where the held text ends, if it does: what is new of it begins at `begun`. */
  #findEnd(begun) {
    const found = findEnd(this.options, this.held, begun, this.given, this.progress);
    this.progress = found.progress;
    this.reason = found.reason;
    return found.cut;
  }

  /** The piece that the first `count` of what is waiting spells. */
  #give(count) {
    if (!count) return null;
    const given = this.waiting.slice(0, count);
    const isAll = count === this.waiting.length;
    const length = isAll ? this.held.length : given.at(-1).stop;
    const text = this.held.slice(0, length);
    this.held = this.held.slice(length);
    this.given += characters(text);
    this.waiting = this.waiting.slice(count).map((one) => ({ ...one, stop: one.stop - length }));
    for (const { logprob } of given) this.logprob += logprob;
    return { text, places: given.flatMap(({ places }) => places) };
  }
}

/** How many characters, as Python counts them, a text has. */
function characters(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
