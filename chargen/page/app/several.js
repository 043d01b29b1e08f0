// Continuations side by side, each as it is written; one that is clicked becomes the text's.

const SHOWN_BEFORE = 60; // characters of the text that stand above

class Several {
  #app;
  #panel = byId("several");
  #ways = [];

  constructor(app) {
    this.#app = app;
    this.#panel.addEventListener("keydown", (event) => {
      const way = this.#ways["123456789".indexOf(event.key)];
      if (way === undefined || event.key.length !== 1 || event.ctrlKey) return;
      event.preventDefault(); // the field that has the focus next would take it, too
      this.#choose(way);
    });
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  /** Have so many written. */
  async show(count, options) {
    if (this.#app.busy !== null) return;
    const { text } = this.#app;
    const before = oneLine(text.slice(-SHOWN_BEFORE).replace(/^[\udc00-\udfff]/, ""));
    this.#ways = [];
    const columns = make("div", { className: "columns" });
    for (let row = 0; row < count; row++) {
      const text = make("span", { className: "continuation", dir: "auto" });
      const note = make("span", { className: "dim" });
      const button = make(
        "button",
        { type: "button" },
        make("span", { className: "number" }, String(row + 1)),
        text,
        note,
      );
      const way = { button, text, note, written: "" };
      button.addEventListener("click", () => this.#choose(way));
      this.#ways.push(way);
      columns.append(button);
    }
    const back = make("button", { type: "button", className: "plain" }, "back");
    back.addEventListener("click", () => this.close());
    this.#panel.replaceChildren(
      make(
        "p",
        { className: "dim before" },
        make("span", { dir: "auto" }, (text.length > SHOWN_BEFORE ? "…" : "") + before),
        back,
      ),
      columns,
    );
    this.#panel.hidden = false;
    byId("paper").inert = true;
    this.#ways[0].button.focus();
    const found = await this.#app.several(count, options, ({ row, text }) => {
      this.#ways[row].written = text;
      this.#ways[row].text.textContent = text;
    });
    if (!Array.isArray(found)) return;
    found.forEach(({ text, logprob }, row) => {
      const way = this.#ways[row];
      way.written = way.text.textContent = text;
      const bits = -logprob / Math.LN2 / Math.max(1, [...text].length);
      way.note.textContent = `${bits.toFixed(2)} bits a character`;
    });
  }

  close() {
    if (!this.isOpen) return;
    if (this.#app.busy === "several") this.#app.stop();
    this.#panel.hidden = true;
    byId("paper").inert = false;
    const { caret } = this.#app; // a field that was inert begins anew
    byId("text").focus({ preventScroll: true });
    byId("text").setSelectionRange(caret, caret);
  }

  async #choose(way) {
    if (this.#app.busy === "several") {
      await this.#app.stop();
      await this.#app.idle();
    }
    if (way.written === "" || !this.isOpen) return;
    this.close();
    this.#app.choose(way.written);
  }
}
