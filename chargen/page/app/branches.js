// The texts that there were: back and forth, and as a tree where one goes on otherwise than another.
// Pure: knows neither the page nor the model. Offsets are UTF-16; `written` lists the stretches
// [from, to) of a text that the model wrote.

/** How many characters two texts begin with in common, of which `at` are known; no pair of
 * surrogates is cut. */
function commonPrefix(one, other, at = 0) {
  const limit = Math.min(one.length, other.length);
  while (at < limit && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  return at > 0 && at < one.length && isHighSurrogate(one.charCodeAt(at - 1)) ? at - 1 : at;
}

/** How many characters they end with in common, after the first `prefix` of each. */
function commonSuffix(one, other, prefix) {
  const limit = Math.min(one.length, other.length) - prefix;
  let count = 0;
  while (
    count < limit &&
    one.charCodeAt(one.length - 1 - count) === other.charCodeAt(other.length - 1 - count)
  ) {
    count++;
  }
  return count > 0 && isLowSurrogate(one.charCodeAt(one.length - count)) ? count - 1 : count;
}

const isHighSurrogate = (code) => code >= 0xd800 && code < 0xdc00;
const isLowSurrogate = (code) => code >= 0xdc00 && code < 0xe000;

/** The stretches that are still the model's after a text was edited by hand. */
function writtenAfter(written, before, after) {
  const prefix = commonPrefix(before, after);
  const suffix = commonSuffix(before, after, prefix);
  const shift = after.length - before.length;
  const kept = [];
  for (const [from, to] of written) {
    if (from < prefix) kept.push([from, Math.min(to, prefix)]);
    if (to > before.length - suffix) {
      kept.push([Math.max(from, before.length - suffix) + shift, to + shift]);
    }
  }
  return kept;
}

const HISTORY_CHARACTERS = 8e6;

/** Undo and redo. A state is any object with a `text`. */
class UndoHistory {
  #states;
  #at = 0;

  constructor(state) {
    this.#states = [state];
  }

  get canUndo() {
    return this.#at > 0;
  }
  get canRedo() {
    return this.#at + 1 < this.#states.length;
  }

  /** A new state, in the place of the last one where it `joins` that: a word is undone at once. */
  record(state, joins = false) {
    this.#states.length = this.#at + 1;
    if (joins && this.#at > 0) this.#states.pop();
    this.#states.push(state);
    let characters = this.#states.reduce((sum, { text }) => sum + text.length, 0);
    while (characters > HISTORY_CHARACTERS && this.#states.length > 2) {
      characters -= this.#states.shift().text.length;
    }
    this.#at = this.#states.length - 1;
  }

  undo() {
    return this.#states[this.canUndo ? --this.#at : this.#at];
  }
  redo() {
    return this.#states[this.canRedo ? ++this.#at : this.#at];
  }
}

const MAX_BRANCHES = 40;

/** The ends of the tree: each text that is no beginning of another, the one that is there among
 * them. */
class Branches {
  #states = new Map(); // text -> state, the oldest first
  current;

  constructor(state) {
    this.visit(state);
  }

  get states() {
    return [...this.#states.values()];
  }

  /** The text becomes that of `state`. The one before stays as a branch where it has something
   * that the model wrote and the new one has not. */
  visit(state) {
    const old = this.current;
    if (old !== undefined) {
      const shared = commonPrefix(old.text, state.text);
      const isLost = old.written.some(([, to]) => to > shared);
      const isElsewhere = this.states.some(
        (other) => other !== old && other.text.startsWith(old.text),
      );
      if (!isLost || isElsewhere) this.#states.delete(old.text);
    }
    this.#states.delete(state.text);
    this.#states.set(state.text, state);
    this.current = state;
    for (const text of this.#states.keys()) {
      if (this.#states.size <= MAX_BRANCHES) break;
      if (text !== state.text) this.#states.delete(text);
    }
  }
}

/** The texts as a tree, each edge as long as all below it agree: {from, to, text, state, children},
 * where `text` is the whole up to `to`, and `state` what ends there, or null. */
function treeOf(states, from = 0) {
  const texts = states.map((state) => state.text);
  const to = Math.min(...texts.map((text) => commonPrefix(texts[0], text, from)));
  const groups = new Map(); // by the code point that they go on with
  let ending = null;
  for (const state of states) {
    if (state.text.length === to) {
      ending = state;
      continue;
    }
    const next = state.text.codePointAt(to);
    groups.set(next, [...(groups.get(next) ?? []), state]);
  }
  const children = [...groups.values()].map((group) => treeOf(group, to));
  return { from, to, text: texts[0].slice(0, to), state: ending, children };
}
