// The ten likeliest at the place that is looked at: what each would be, and how likely. One of them
// taken, the text goes on from there.

const CHOICES = 10;
const PAUSE = 150; // milliseconds between two questions while it writes, which has the engine to do
const BEFORE = 9; // characters that are shown of what stands before them
const SPOKEN = { "": "end of the text", " ": "space", "\n": "new line", "\t": "tab" };

class Choices {
  #app;
  #take;
  #list = byId("choices-list");
  #place = byId("choices-place");
  #rows = [];
  #found = null; // {at, choices, actual}, and the text it is of
  #isAsking = false;
  #isStale = false;
  #focus = 0;

  /** `take(at, token)` goes on with a token; `reveal()` shows the place that is looked at. */
  constructor(app, take, reveal) {
    this.#app = app;
    this.#take = take;
    for (let index = 0; index < CHOICES; index++) this.#addRow(index);
    for (const event of ["caret", "parts", "model", "busy"]) app.on(event, () => this.#ask());
    this.#list.addEventListener("keydown", (event) => this.#pressed(event, reveal));
    this.#show();
  }

  #addRow(index) {
    const row = {
      token: make("span", { className: "token" }),
      bar: make("span", { className: "bar" }),
      share: make("span", { className: "share" }),
    };
    row.button = make(
      "button",
      { type: "button", tabIndex: index === 0 ? 0 : -1 },
      make("span", { className: "number", ariaHidden: "true" }, String((index + 1) % 10)),
      row.token,
      make("span", { className: "track", ariaHidden: "true" }, row.bar),
      row.share,
    );
    row.button.addEventListener("click", () => this.#choose(index));
    row.button.addEventListener("focus", () => this.#point(index));
    this.#rows.push(row);
    this.#list.append(make("li", {}, row.button));
  }

  /** Ask the engine, one question at a time: where the place moves on, the last one counts. */
  async #ask() {
    const app = this.#app;
    if (app.about === null || !app.isRead) return;
    if (this.#isAsking) {
      this.#isStale = true;
      return;
    }
    this.#isAsking = true;
    try {
      do {
        if (app.busy === "write") await new Promise((resolve) => setTimeout(resolve, PAUSE));
        this.#isStale = false;
        const { text, caret } = app;
        const found = await app.engine.call("likeliest", { at: caret, count: CHOICES });
        this.#found = { ...found, text };
        this.#show();
      } while (this.#isStale && app.isRead);
    } catch (error) {
      app.emit("problem", error);
    } finally {
      this.#isAsking = false;
    }
  }

  #show() {
    const { at, choices, actual, text } = this.#found ?? {
      at: 0,
      choices: [],
      actual: null,
      text: "",
    };
    const before = text.slice(Math.max(0, at - BEFORE), at).replace(/^[\udc00-\udfff]/, "");
    this.#place.replaceChildren(
      make("span", { className: "dim" }, (at > BEFORE ? "…" : "") + visibleInLine(before)),
      make("mark", {}, actual === null ? "\u00a0" : visible(actual.text)),
      make(
        "span",
        { className: "dim bits" },
        actual === null ? "" : `${percent(actual.probability)}, ${bitsOf(actual.probability)} bits`,
      ),
    );
    this.#rows.forEach(({ button, token, bar, share }, index) => {
      const choice = choices[index];
      button.parentElement.classList.toggle("none", choice === undefined);
      button.disabled = choice === undefined;
      if (choice === undefined) return;
      const shown = visible(choice.text);
      token.textContent = shown;
      bar.style.transform = `scaleX(${Math.max(0.004, choice.probability)})`;
      share.textContent = percent(choice.probability);
      const isActual = actual !== null && choice.text === actual.text;
      button.classList.toggle("actual", isActual);
      button.ariaLabel =
        `${SPOKEN[choice.text] ?? choice.text}, ${percent(choice.probability)}` +
        (isActual ? ", as in the text" : "");
    });
  }

  #choose(index) {
    const choice = this.#found?.choices[index];
    if (
      choice === undefined ||
      this.#found.text.slice(0, this.#found.at) !== this.#app.text.slice(0, this.#found.at)
    )
      return;
    this.#take(this.#found.at, choice.token);
  }

  #point(index) {
    this.#rows[this.#focus].button.tabIndex = -1;
    this.#focus = index;
    this.#rows[index].button.tabIndex = 0;
  }

  #pressed(event, reveal) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { caret, text } = this.#app;
    const digit = "1234567890".indexOf(event.key);
    if (digit >= 0 && event.key.length === 1) {
      this.#choose(digit);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#rows[Math.max(0, Math.min(CHOICES - 1, this.#focus + step))].button.focus();
    } else if (event.key === "ArrowLeft") {
      this.#app.setCaret(beginningOfCharacter(text, caret));
      reveal();
    } else if (event.key === "ArrowRight") {
      this.#app.setCaret(Math.min(text.length, caret + (text.codePointAt(caret) > 0xffff ? 2 : 1)));
      reveal();
    } else {
      return;
    }
    event.preventDefault();
  }
}

const visibleInLine = (text) => (text === "" ? "" : visible(text).replaceAll("␣", "\u00a0"));
const bitsOf = (probability) =>
  (-Math.log2(Math.max(probability, 1e-30))).toFixed(1).replace("-", "");
