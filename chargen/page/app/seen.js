// What the engine has seen inside the network, kept as long as the text stays as it was. Asks for
// what is not known yet; draws nothing and decides nothing.

const KEPT_LOOKS = 16,
  KEPT_COLUMNS = 2000;

class Seen {
  #app;
  #looks = new Map(); // part -> what is in the network after it
  #columns = new Map(); // part -> (H,) values of one layer's gate
  #columnsOf = "";
  #changed = Infinity; // the first part that is another since the engine was asked

  constructor(app) {
    this.#app = app;
  }

  /** From a part on, the text is another. */
  forget(from) {
    this.#changed = Math.min(this.#changed, from);
    for (const kept of [this.#looks, this.#columns]) {
      for (const part of kept.keys()) if (part >= from) kept.delete(part);
    }
  }

  /** Whether a part is still what it was when `ask` was called last. */
  isAsItWas(part) {
    return part < this.#changed;
  }

  /** Whether all of the text is. */
  get isAllAsItWas() {
    return this.#changed === Infinity;
  }

  /** Have the looks of some parts, and the values of a layer's memory or gate after others. */
  async ask(looks, { layer, gate }, columns) {
    this.#changed = Infinity;
    if (this.#looks.size > KEPT_LOOKS) this.#looks.clear();
    const isOther = this.#columnsOf !== `${layer} ${gate}`;
    if (isOther || this.#columns.size > KEPT_COLUMNS) this.#columns.clear();
    this.#columnsOf = `${layer} ${gate}`;
    const unknown = columns.filter((part) => !this.#columns.has(part));
    await Promise.all([
      ...looks.filter((part) => !this.#looks.has(part)).map((part) => this.#look(part)),
      ...(unknown.length === 0 ? [] : [this.#strip(layer, gate, unknown[0], unknown.at(-1) + 1)]),
    ]);
  }

  async #look(part) {
    const seen = await this.#app.engine.call("look", { at: this.#app.parts[part].start });
    if (part < this.#changed) this.#looks.set(part, seen);
  }

  async #strip(layer, gate, from, to) {
    const { hiddenSize } = this.#app.about;
    const { values } = await this.#app.engine.call("strip", { layer, gate, from, to });
    for (let part = from; part < Math.min(to, this.#changed); part++) {
      const at = (part - from) * hiddenSize;
      this.#columns.set(part, values.subarray(at, at + hiddenSize));
    }
  }

  /** What is in the network after a part; undefined: not known. */
  after(part) {
    return this.#looks.get(part);
  }

  /** The (H,) values of a layer's memory or gate after a part; null: not known. */
  column(part, { layer, gate }) {
    return this.#columnsOf === `${layer} ${gate}` ? (this.#columns.get(part) ?? null) : null;
  }
}
