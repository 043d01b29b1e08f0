"use strict";
// Which texts the network has read: a tree of tokens, so that what two texts begin with is read
// once. A place in it keeps what the network remembers there as long as there is room; what was
// given up is computed again from the nearest place above. Knows no text.

const MAX_STATE_BYTES = 1 << 26;
const KEPT_EVERY = 64; // tokens: how far such a place is, at most, where no states were left
const MAX_PLACES = 400_000;

/** A place in a text: after a token that came after the parent. `bits` are what it cost there. */
class Place {
  constructor(parent, token, bits) {
    this.parent = parent;
    this.token = token;
    this.bits = bits;
    this.depth = parent ? parent.depth + 1 : 0;
    this.state = null;
    this.child = null; // the first of those that follow; each has the next one as its sibling
    this.sibling = null;
  }
}

class StateTree {
  /** `end` is the token that stands before a document. */
  constructor(network, end) {
    this.network = network;
    this.root = new Place(null, end, 0);
    this.start = network.initialState();
    this.kept = []; // places whose state may be given up, the oldest first
    this.maxBytes = MAX_STATE_BYTES; // of their states; twice as many before some are given up
    this.size = 1;
    this.current = null; // the place that the network's logits are of
  }

  /** The logits (V) of what follows a place; they are overwritten when the next ones are asked. */
  logits(place) {
    if (this.current !== place) this.step(place);
    return this.network.logits;
  }

  /** What the network remembers at a place. */
  state(place) {
    if (!place.state) this.step(place);
    return place.state;
  }

  /** The network was used for something else. */
  forgetLogits() {
    this.current = null;
  }

  /** Read the token of a place; a `trace` gets what was in each layer. */
  step(place, trace) {
    const missing = []; // places above whose states are gone
    for (let above = place.parent; above && !above.state; above = above.parent) missing.push(above);
    const known = missing.length ? missing.at(-1).parent : place.parent;
    let state = known ? known.state : this.start;
    while (missing.length) ({ state } = this.network.step(missing.pop().token, state));
    ({ state } = this.network.step(place.token, state, trace));
    this.current = place;
    if (!place.state) this.#keep(place, state);
  }

  #keep(place, state) {
    place.state = state;
    if (place.depth % KEPT_EVERY === 0) return;
    this.kept.push(place);
    const most = Math.max(KEPT_EVERY, Math.floor(this.maxBytes / this.start.byteLength));
    if (this.kept.length < 2 * most) return;
    for (const old of this.kept.splice(0, this.kept.length - most)) old.state = null;
  }

  /** The place after one more token. */
  follow(place, token) {
    let child = place.child;
    while (child && child.token !== token) child = child.sibling;
    if (child) return child;
    const logits = this.logits(place);
    checkFinite(logits);
    child = new Place(place, token, (logSumExp(logits) - logits[token]) / Math.LN2);
    child.sibling = place.child;
    place.child = child;
    this.size++;
    return child;
  }

  /** Forget all that stands on no way to these places, of which each is the next one's parent,
   *  where there is too much. */
  keepOnly(path) {
    if (this.size < MAX_PLACES || this.size < 2 * path.length) return;
    let above = this.root;
    for (const place of path) {
      above.child = place;
      place.sibling = null;
      above = place;
    }
    above.child = null;
    this.size = path.length + 1;
    const there = new Set(path);
    this.kept = this.kept.filter((place) => there.has(place));
  }
}
