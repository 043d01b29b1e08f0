// The cells that follow something that people can read, and how the gates were used: two lists of
// numbers over a whole text, which the engine measures when it is asked. Draws nothing else.

const FOLLOWS = 0.3; // the correlation from which a cell is said to follow something

const FEATURES_IN_WORDS = {
  "position in line": "how far the line has got",
  "position in word": "how far the word has got",
  "position in sentence": "how far the sentence has got",
  "inside quotes": "whether a quotation is open",
  "inside brackets": "whether a bracket is open",
  "after a capital": "whether a capital letter came last",
  "inside capitals": "whether several capitals came last",
};

const SEARCHED = {
  text: "Measured on the second half of this text, chosen on the first.",
  written: "Measured on a text that the model wrote, since this one is too short.",
};

class FoundCells {
  #app;
  #onChoose;
  #rows = []; // {cell, value: element}
  #list = make("ul", { className: "found" });
  #where = make("p", { className: "what" });
  #button = make("button", { type: "button", className: "ask" }, "find them");

  /** `onChoose(cell)` is called where one is chosen. */
  constructor(app, onChoose) {
    this.#app = app;
    this.#onChoose = onChoose;
    this.#button.onclick = () => this.#find();
    this.element = make(
      "section",
      { className: "found-cells" },
      make("h3", {}, "Cells that follow something"),
      make(
        "p",
        { className: "what" },
        "Nobody told a cell what to do. Some came to follow something of the text all the same: " +
          "the first number is the correlation, ±1 is perfect; the second is what the cell " +
          "remembers at this place. Choose one to color the text by it.",
      ),
      this.#list,
      this.#where,
      this.#button,
    );
  }

  setModel({ cells }) {
    this.#where.textContent = cells?.length
      ? "Measured when the page was made."
      : "Not measured yet for this model.";
    this.#show(cells ?? []);
  }

  /** What each remembers now; `layers` as the engine gives them. */
  showValues(layers) {
    for (const { cell, value } of this.#rows) {
      value.textContent =
        layers === null ? "" : inDecimals(memoryOf(layers[cell.layer])[cell.unit]);
    }
  }

  #show(cells) {
    this.#rows = [];
    this.#list.replaceChildren(
      ...cells.map((cell) => {
        const follows = Math.abs(cell.correlation) >= FOLLOWS;
        const words = make("span", { className: "feature" }, make("b", {}, cell.feature));
        const correlation = make("span", { className: "number" }, signed(cell.correlation));
        if (!follows) return make("li", { className: "none" }, words, "no cell", correlation);
        words.append(make("small", {}, FEATURES_IN_WORDS[cell.feature] ?? ""));
        const value = make("span", { className: "number now", title: "what it remembers now" });
        this.#rows.push({ cell, value });
        const button = make(
          "button",
          { type: "button" },
          words,
          make("span", { className: "name" }, `${cell.layer}:${cell.unit}`),
          correlation,
          value,
        );
        button.onclick = () => this.#onChoose({ layer: cell.layer, unit: cell.unit, gate: null });
        return make("li", {}, button);
      }),
    );
  }

  async #find() {
    await measured(this.#app, this.#button, "find", ({ cells, searched }) => {
      this.#where.textContent = SEARCHED[searched];
      this.#show(cells);
    });
  }
}

class GateUse {
  #app;
  #rows = make("tbody");
  #table;
  #over = make("p", { className: "what" });
  #button = make("button", { type: "button", className: "ask" }, "measure over this text");

  constructor(app) {
    this.#app = app;
    this.#button.onclick = () => this.measure();
    const head = ["gate", "layer", "mean", "over 0.9", "under 0.1"];
    this.#table = make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
      this.#rows,
    );
    this.element = make(
      "section",
      { className: "gate-use" },
      make("h3", {}, "How the gates were used"),
      make(
        "p",
        { className: "what" },
        "A gate over 0.9 is open and lets through nearly all, one under 0.1 is shut. One that is " +
          "always about a half decides nothing. Over all cells and the whole text.",
      ),
      this.#table,
      this.#over,
      this.#button,
    );
  }

  setModel({ gates, numLayers, view }) {
    this.element.hidden = gates.length === 0;
    this.#table.hidden = !view; // which is measured by itself
    const layers = [...Array(numLayers).keys()];
    this.#show(layers.flatMap((layer) => gates.map((gate) => ({ layer, gate }))));
    this.#over.textContent = "";
  }

  async measure() {
    const length = this.#app.known;
    await measured(this.#app, this.#button, "gates", (gates) => {
      this.#table.hidden = false;
      this.#over.textContent = `Measured over ${counted(length, "character")}.`;
      this.#show(gates);
    });
  }

  #show(gates) {
    this.#rows.replaceChildren(
      ...gates.map(({ gate, layer, mean, open, shut }) => {
        const isKnown = mean !== undefined;
        const shares = isKnown ? [inDecimals(mean), percent(open), percent(shut)] : ["–", "–", "–"];
        const cells = [gate, String(layer), ...shares];
        return make("tr", {}, ...cells.map((text) => make("td", {}, text)));
      }),
    );
  }
}

const signed = (number) => (number < 0 ? "" : "+") + inDecimals(number);

/** Have the engine measure something; the button that asked for it says how far it is, and stops it. */
async function measured(app, button, type, show) {
  const { textContent: text, onclick } = button;
  button.onclick = () => app.engine.call("stop");
  try {
    const found = await app.engine.call(type, {}, ({ share }) => {
      button.textContent = `stop (${Math.round(100 * share)} %)`;
    });
    if (found !== null) show(found);
  } catch (error) {
    app.emit("problem", error);
  }
  button.textContent = text;
  button.onclick = onclick;
}
