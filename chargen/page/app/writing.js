// The text and what happens to it: it is read, gone on with, taken back. One object, `app`, that
// the parts of the page look at and listen to. Knows no elements.

const BEGINNING = { temperature: 0, max_chars: 32, seed: 0 }; // the likeliest words

class App {
  engine;
  about = null;
  parts = []; // {text, bits, start}: what the engine has read
  text = "";
  caret = 0; // the place that is looked at
  written = []; // stretches [from, to) of the text that the model wrote
  answer = null; // where the model's answer to a prompt begins, while it is one
  known = 0; // so much of the text is what `parts` say
  view = { kind: "surprise" };
  values = null; // Float32Array of what the view shows, one a part; null of surprise and none
  busy = null; // "open", "write" or "several"
  history;
  branches;
  #listeners = new Map();
  #proposed = ""; // what a model began with, which is nobody's yet
  #reading = null;
  #isTyped = false; // what came last: it can be joined by more of that
  #isStopped = false;
  #stopping = Promise.resolve(); // until somebody stops what is being done
  #stopNow = () => {};
  #running = Promise.resolve();

  constructor(engine) {
    this.engine = engine;
    this.#begin();
  }

  /** Events: "model", "text", "parts" (from), "caret", "view", "values" (range), "busy", "branches",
   * "problem" (error), "loading" (share of a model), "progress" (share of what is read), "written"
   * (result). */
  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  emit(name, ...what) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...what);
  }

  setView(view) {
    this.view = view;
    this.emit("view");
  }

  setCaret(at) {
    if (at === this.caret) return;
    this.caret = at;
    this.emit("caret");
  }

  // -- a model --------------------------------------------------------------------------------

  /** Open a model's files, {name: ArrayBuffer}, under a name, or the one that they say. What was there stays where it fails, which this
   * tells by false. The text stays in any case, if it is more than what the last model began with. */
  async open(files, name = null) {
    await this.stop();
    await this.idle();
    return this.#during("open", async () => {
      const isUntouched = () => this.text === this.#proposed; // somebody may be typing meanwhile
      if (this.#reading !== null) await this.#giveUpReading();
      try {
        this.about = await this.engine.call("open", { files });
      } catch (error) {
        if (this.known < this.text.length) this.#read();
        throw error;
      }
      if (name !== null) this.about.name = name;
      this.parts = [];
      this.known = 0;
      const proposed = isUntouched() ? (this.about.text ?? (await this.#beginning())) : null;
      if (proposed !== null && isUntouched()) {
        this.#proposed = proposed;
        this.#replace(proposed, []);
        this.caret = this.text.length;
        this.#begin();
      }
      this.emit("model");
      this.emit("parts", 0);
      this.#read();
    });
  }

  /** How a text of the model may begin, in its own words; a dialogue begins with its user. */
  async #beginning() {
    if (this.about.sampling.mode === "chat") return "";
    const [{ text }] = await this.engine.call("several", { count: 1, options: BEGINNING });
    const line = text.trimStart().split("\n")[0];
    return line.length < text.length ? line : line.replace(/\s+\S*$/, "");
  }

  // -- reading --------------------------------------------------------------------------------

  /** The text is now this one, by somebody's hand. `joins`: to be undone together with the edit
   * before. */
  edit(text, { joins = false } = {}) {
    if (text === this.text) return;
    this.#replace(text, writtenAfter(this.written, this.text, text));
    this.answer = null;
    this.#record(joins && this.#isTyped);
    this.#isTyped = true;
    this.#read();
  }

  /** Another text comes in place of this one, which undo brings back. */
  replaceText(text) {
    if (this.busy !== null) return;
    this.#keepBranch();
    this.edit(text.replace(/\r\n?/g, "\n"));
  }

  /** The part that contains an offset, the last one at the end; -1 where nothing is read. */
  partAt(offset) {
    let low = 0,
      high = this.parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.parts[middle].start <= offset) low = middle;
      else high = middle - 1;
    }
    return high < 0 ? -1 : low;
  }

  /** Whether the text is only how the model would begin one, which nobody has taken up. */
  get isProposed() {
    return this.text === this.#proposed && this.about?.text === null;
  }

  /** Whether the engine knows the text as it is. */
  get isRead() {
    return this.#reading === null && this.about !== null;
  }

  #replace(text, written) {
    this.known = Math.min(this.known, commonPrefix(this.text, text));
    this.text = text;
    this.written = written;
    this.caret = Math.min(this.caret, text.length);
    this.emit("text");
  }

  #read() {
    if (this.about === null) return;
    const text = this.text;
    const reading = this.engine
      .call("read", { text }, ({ share }) => this.emit("progress", share))
      .then((value) => {
        const isLast = this.#reading === reading;
        if (isLast) this.#reading = null;
        // What was read of a text that has changed since is told once, so it is taken, too.
        if (!value.superseded) this.#take(value, text);
        if (isLast) this.emit("progress", 1);
      })
      .catch((error) => {
        if (this.#reading === reading) this.#reading = null;
        this.emit("problem", error);
      });
    this.#reading = reading;
  }

  /** Parts of the engine, from one on, of a text. */
  #take({ from, parts }, text) {
    this.parts.length = from;
    const last = this.parts.at(-1);
    let start = last === undefined ? 0 : last.start + last.text.length;
    for (const { text, bits } of parts) {
      this.parts.push({ text, bits, start });
      start += text.length;
    }
    this.known = text === this.text ? start : commonPrefix(text, this.text);
    this.emit("parts", from);
  }

  /** Once all is read, or nobody waits for it any more. */
  async #settled() {
    while (this.#reading !== null && !this.#isStopped) {
      await Promise.race([this.#reading, this.#stopping]);
    }
  }

  /** A text that is not wanted as a whole is read no further: a newer one ends it. */
  async #giveUpReading() {
    this.#reading = null;
    this.#take(await this.engine.call("read", { text: "" }), "");
  }

  // -- writing --------------------------------------------------------------------------------

  /** The model goes on with the text; in a story all of that is the next prompt. */
  write(options, { isStory = false } = {}) {
    return this.#during("write", async () => {
      await this.#settled();
      if (isStory) this.answer = null;
      await this.#stream(options);
    });
  }

  /** Another answer to the prompt that the text begins with. */
  writeAgain(options) {
    return this.#during("write", async () => {
      const prompt = this.answer;
      this.#dropAnswer();
      await this.#settled();
      this.answer = prompt;
      await this.#stream(options);
    });
  }

  /** The text ends with its prompt again; the answer to that stays as a branch. */
  takeAnswerBack() {
    this.#dropAnswer();
    this.setCaret(this.text.length);
    this.#record();
  }

  #dropAnswer() {
    const prompt = this.answer;
    this.#keepBranch();
    this.#replace(
      this.text.slice(0, prompt),
      this.written.filter(([, to]) => to <= prompt),
    );
    this.#read();
  }

  /** Go on with one of the likeliest tokens at a place, and write on from there. */
  take(at, token, options) {
    return this.#during("write", async () => {
      await this.#settled();
      if (this.#isStopped) return;
      this.#keepBranch();
      this.answer = Math.min(at, this.answer ?? at);
      this.#adopt(await this.engine.call("take", { at, token }), at);
      this.setCaret(this.text.length);
      await this.#stream(options);
    });
  }

  /** The text ends at a place, and is written on from there. */
  writeFrom(at, options) {
    this.edit(this.text.slice(0, at));
    this.setCaret(this.text.length);
    return this.write(options);
  }

  /** One of several continuations becomes that of the text. */
  choose(continuation) {
    const start = this.text.length;
    this.#keepBranch();
    this.#replace(this.text + continuation, [
      ...this.written,
      [start, start + continuation.length],
    ]);
    this.answer = start;
    this.setCaret(this.text.length);
    this.#record();
    this.#read();
  }

  several(count, options, onText) {
    return this.#during("several", async () => {
      await this.#settled();
      const given = { count, options: this.#withPrompt(options) };
      return this.#isStopped ? [] : this.engine.call("several", given, onText);
    });
  }

  async stop() {
    this.#isStopped = true;
    this.#stopNow(); // also before it has begun, while the text is being read
    if (this.busy === "write" || this.busy === "several") await this.engine.call("stop");
  }

  /** The options with where the prompt stands in the text, which relevance needs to know. */
  #withPrompt({ mode, ...options }) {
    if (!options.relevance) return options;
    const nothing = [0, 0];
    if (mode === "chat") {
      return { ...options, prompt: lastTurn(this.text, this.about.roles) ?? nothing };
    }
    if (mode === "complete") return { ...options, prompt: [0, this.answer ?? this.text.length] };
    return { ...options, prompt: lastPrompt(this.text, this.written) ?? nothing };
  }

  async #stream(options) {
    if (this.#isStopped) return;
    const start = this.text.length;
    this.answer ??= start;
    let news = null; // {from, parts} since the last frame: a small model is faster than a screen
    let frame = null;
    const show = () => {
      frame = null;
      if (news !== null) this.#adopt(news, start);
      news = null;
    };
    const hear = ({ from, parts }) => {
      if (news === null || from < news.from) news = { from, parts: [...parts] };
      else news.parts.splice(from - news.from, Infinity, ...parts);
      frame ??= requestAnimationFrame(show);
    };
    try {
      const given = { options: this.#withPrompt(options) };
      const result = await this.engine.call("write", given, hear);
      show();
      this.emit("written", { ...result, row: options.row ?? 0, text: this.text.slice(start) });
    } finally {
      if (frame !== null) cancelAnimationFrame(frame);
      show();
      this.#record();
    }
  }

  /** Parts that the model wrote, from the offset `start` on, become those of the text. */
  #adopt(event, start) {
    const isAtEnd = this.caret === this.text.length;
    const { from } = event;
    const kept = from === 0 ? 0 : this.parts[from - 1].start + this.parts[from - 1].text.length;
    const text = this.text.slice(0, kept) + event.parts.map((part) => part.text).join("");
    const written = this.written
      .filter(([from]) => from < start)
      .map(([from, to]) => [from, Math.min(to, start)]);
    if (text.length > start) written.push([start, text.length]);
    this.text = text;
    this.written = written;
    this.caret = isAtEnd ? text.length : Math.min(this.caret, text.length);
    this.#take(event, text);
    this.emit("text");
    if (isAtEnd) this.emit("caret");
  }

  /** Once nothing is being done. */
  async idle() {
    while (this.busy !== null) await this.#running;
  }

  /** Do something that nothing else may be done beside; what came of it, false where it failed. */
  #during(what, work) {
    if (this.busy !== null) return Promise.resolve(false);
    this.busy = what;
    this.#isStopped = false;
    this.#stopping = new Promise((resolve) => {
      this.#stopNow = resolve;
    });
    this.emit("busy");
    this.#running = this.#done(work);
    return this.#running;
  }

  async #done(work) {
    try {
      return (await work()) ?? true;
    } catch (error) {
      this.emit("problem", error);
      return false;
    } finally {
      this.busy = null;
      this.emit("busy");
    }
  }

  // -- back and forth -------------------------------------------------------------------------

  undo() {
    if (this.busy === null) this.goTo(this.history.undo());
  }
  redo() {
    if (this.busy === null) this.goTo(this.history.redo());
  }

  /** A branch becomes the text. */
  visit(state) {
    if (this.busy !== null || state.text === this.text) return;
    this.goTo(state);
    this.#record();
  }

  goTo(state) {
    if (state.text === this.text) return;
    this.#replace(state.text, state.written);
    this.answer = state.answer;
    this.setCaret(Math.min(state.caret, state.text.length));
    this.#isTyped = false;
    this.branches.visit(this.#state());
    this.emit("branches");
    this.#read();
  }

  #state() {
    const { text, written, answer, caret } = this;
    return { text, written, answer, caret };
  }

  #begin() {
    this.history = new UndoHistory(this.#state());
    this.branches = new Branches(this.#state());
    this.emit("branches");
  }

  #record(joins = false) {
    this.history.record(this.#state(), joins);
    this.#isTyped = false;
    this.branches.visit(this.#state());
    this.emit("branches");
  }

  /** The text as it is stays reachable, whatever comes in its place. */
  #keepBranch() {
    this.branches.visit(this.#state());
  }
}
