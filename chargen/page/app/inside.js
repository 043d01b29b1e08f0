// "See inside": what is in the network after the character that is looked at, and over the text
// around it. Asks the engine for what can be seen, and for no more; owns nothing but its section.

const STEPS = 3; // of the network that is drawn: the one before, the one looked at, the next
const REST = 4; // times as long as an answer took is no question asked while the model writes

/** Fill the section, and keep it so; `reveal()` shows the place in the text that is looked at. */
function mountInside(app, element, reveal = () => {}) {
  return new Inside(app, element, reveal);
}

class Inside {
  #app;
  #reveal;
  #chooser = new Chooser((chosen, isColour) => this.#choose(chosen, isColour));
  #drawing = new NetworkDrawing();
  #equations = make("div", { className: "equations" });
  #words = make("p", { className: "words" });
  #strips = []; // {layer, gate, strip, mean, button}
  #stripRows = make("div", { className: "strips" });
  #gatesForAClass = make("p", { className: "what" });
  #pointed = make("span", { className: "pointed" });
  #map = new UnitMap(
    (place) => this.#clicked(place),
    (place) => this.#point(place),
  );
  #mapTitle = make("span");
  #whole = new WholeCurve((part) => this.#goTo(part));
  #wholeTitle = make("span");
  #found;
  #gateUse;
  #memory = make("div", { className: "memories" });
  #content;
  #body;

  #seen;
  #from = 0; // the first part of the map
  #isReport = false; // whether the page was made to show a text, and all of it is to be measured
  #isVisible = false;
  #isAsking = false;
  #isStale = false;
  #frame = null;
  #rest = null;
  #shades;

  constructor(app, element, reveal) {
    this.#app = app;
    this.#reveal = reveal;
    this.#seen = new Seen(app);
    this.#found = new FoundCells(app, (cell) => this.#chooser.choose(cell));
    this.#gateUse = new GateUse(app);
    this.#content = this.#build();
    this.#body = make(
      "details",
      { open: true, className: "inside" },
      make("summary", {}, make("h2", {}, "See inside")),
      this.#content,
    );
    element.append(this.#body);
    const isSeen = new IntersectionObserver(
      ([entry]) => {
        this.#isVisible = entry.isIntersecting;
        this.#later();
      },
      { rootMargin: "64px" },
    );
    isSeen.observe(this.#content); // which is not there while the section is folded
    new ResizeObserver(() => this.#later()).observe(this.#content);
    const changeTheme = () => {
      this.#shades = new Shades(element);
      this.#later();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changeTheme);
    new MutationObserver(changeTheme).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    changeTheme();
    app.on("model", () => this.#setModel());
    app.on("parts", (from) => {
      this.#seen.forget(from);
      this.#later();
    });
    app.on("view", () => this.#followView());
    for (const name of ["caret", "busy", "values"]) app.on(name, () => this.#later());
    if (app.about) this.#setModel();
  }

  // -- the model and what is chosen -----------------------------------------------------------

  #setModel() {
    const { about } = this.#app;
    this.#body.hidden = !about;
    if (!about) return;
    const found = about.cells?.find((cell) => Math.abs(cell.correlation) >= FOLLOWS);
    const first = about.view ?? { layer: found?.layer ?? 0, unit: found?.unit ?? 0, gate: null };
    this.#chooser.setModel(about, {
      layer: first.layer,
      unit: first.unit ?? null,
      gate: first.gate ?? null,
    });
    this.#found.setModel(about);
    this.#gateUse.setModel(about);
    const noun = { char: "character", byte: "byte" }[about.kind] ?? "token";
    this.#memory.replaceChildren(...memoryFigures(about.memory, noun));
    this.#memory.hidden = this.#memory.children.length === 0;
    this.#buildStrips(about);
    this.#seen.forget(0);
    this.#isReport = Boolean(about.view);
    this.#equations.dataset.cell = about.cell;
    this.#draw(null); // so that all is as high as it will be
    this.#followView();
  }

  #choose(chosen, isColour) {
    const view = { kind: "cell", ...chosen, title: probeName(chosen) };
    this.#app.setView(isColour ? view : { kind: "surprise" });
    this.#later();
  }

  #followView() {
    const { view } = this.#app;
    this.#chooser.follow(view.kind === "cell" ? view : null);
    this.#later();
  }

  #clicked({ unit, part }) {
    if (unit === null) this.#goTo(part);
    else this.#chooser.choose({ unit });
  }

  #goTo(part) {
    const { parts } = this.#app;
    if (part >= parts.length) return;
    this.#app.setCaret(parts[part].start);
    this.#reveal();
  }

  /** Say what a pointer is over. */
  #point(place) {
    const { layer, gate } = this.#chooser.chosen;
    if (place === null || !place.values) {
      this.#pointed.textContent = "";
      return;
    }
    const unit = place.unit ?? this.#chooser.chosen.unit;
    const value = unit === null ? meanOf(place.values) : place.values[unit];
    const text = visible(this.#app.parts[place.part]?.text ?? "");
    this.#pointed.textContent = `${probeName({ layer, unit, gate })} after \u201c${text}\u201d: ${inDecimals(value)}`;
  }

  // -- what is asked --------------------------------------------------------------------------

  /** Ask and draw, once before the next frame: only where it can be seen, and when the last answer
   * has come. */
  #later() {
    this.#isStale = true;
    if (!this.#isVisible || !this.#app.about) return;
    this.#body.setAttribute("aria-busy", "true");
    if (this.#rest !== null && !this.#app.busy) {
      clearTimeout(this.#rest);
      this.#rest = null;
    }
    if (this.#isAsking || this.#rest !== null) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#refresh();
    });
  }

  async #refresh() {
    this.#isStale = false;
    this.#isAsking = true;
    const began = performance.now(),
      place = this.#place();
    try {
      if (place !== null) {
        await this.#seen.ask(this.#steps(place), this.#chooser.chosen, this.#window(place));
      }
      if (place === null || this.#seen.isAsItWas(place)) this.#draw(place);
    } catch (error) {
      // Of a text that has changed meanwhile it is asked again.
      if (this.#seen.isAllAsItWas) this.#app.emit("problem", error);
    }
    this.#isAsking = false;
    if (!this.#isStale) this.#body.setAttribute("aria-busy", "false");
    if (this.#app.busy) {
      this.#rest = setTimeout(
        () => {
          this.#rest = null;
          if (this.#isStale) this.#later();
        },
        REST * (performance.now() - began),
      );
    } else if (this.#isStale) {
      this.#later();
    }
  }

  /** The part that is looked at: the newest while the model writes. Null: there is none. */
  #place() {
    const { parts, caret, busy } = this.#app;
    if (parts.length === 0) return null;
    const last = parts.length - 1;
    return busy === "write" ? last : Math.max(0, Math.min(last, this.#app.partAt(caret)));
  }

  /** The parts that are drawn as steps. */
  #steps(place) {
    return [place - 1, place, place + 1].filter(
      (part) => part >= 0 && part < this.#app.parts.length,
    );
  }

  /** The parts that the map shows. It stays where it is until the place leaves it. */
  #window(place) {
    const { parts } = this.#app,
      width = this.#mapWidth();
    const fill = (from) => {
      const shown = [];
      let used = 0;
      for (let part = from; part < parts.length; part++) {
        used += UnitMap.widthOf(parts[part]);
        if (used > width) break;
        shown.push(part);
      }
      return shown;
    };
    const shown = this.#from < parts.length ? fill(this.#from) : [];
    if (shown.includes(place)) return shown;
    let used = 0;
    for (this.#from = place; this.#from > 0; this.#from--) {
      used += UnitMap.widthOf(parts[this.#from]);
      if (used > 0.7 * width) break;
    }
    return fill(this.#from);
  }

  #mapWidth() {
    return this.#map.element.clientWidth - 10; // the chosen unit is marked beside it
  }

  // -- what is drawn --------------------------------------------------------------------------

  #draw(place) {
    const { about, parts } = this.#app,
      { chosen } = this.#chooser;
    const seen = place === null ? undefined : this.#seen.after(place);
    const network = { cell: about.cell, numLayers: about.numLayers };
    const frame = this.#drawing.element.parentElement;
    this.#drawing.draw(this.#drawnSteps(place), network, chosen, this.#shades, frame.clientWidth);
    this.#drawEquations(seen, place);
    this.#drawStrips(seen);
    this.#found.showValues(seen?.layers ?? null);
    this.#drawMap(place);
    this.#drawWhole(place);
    const what = place === null ? "Nothing was read yet." : this.#words.textContent;
    this.#drawing.element.setAttribute("aria-label", what);
    if (place === null) return;
    this.#body.dataset.place = parts[place].start;
    // The colors of the text come first.
    if (!this.#isReport || this.#app.values?.length !== parts.length) return;
    this.#isReport = false;
    this.#gateUse.measure();
  }

  /** The steps of the drawing; the one after the last character is still to come. */
  #drawnSteps(place) {
    const nothing = { text: null, layers: null, likeliest: null, next: null, coming: true };
    if (place === null) return Array(STEPS).fill(nothing);
    const { parts } = this.#app;
    return [place - 1, place, place + 1].map((part) => {
      const seen = this.#seen.after(part);
      if (!parts[part] || !seen) {
        return { ...nothing, text: this.#seen.after(part - 1)?.likeliest[0]?.text ?? null };
      }
      const { layers, likeliest } = seen,
        next = parts[part + 1]?.text ?? null;
      return {
        text: parts[part].text,
        layers,
        likeliest,
        next,
        current: part === place,
        coming: false,
      };
    });
  }

  #drawEquations(seen, place) {
    const { cell, config } = this.#app.about,
      { layer, unit } = this.#chooser.chosen;
    if (!seen) {
      this.#equations.replaceChildren();
      this.#words.textContent = "Write something, and see what the network does with it.";
      return;
    }
    const now = unitOf(seen.layers[layer], unit),
      before = unitOf(seen.previous[layer], unit);
    const at = `At \u201c${visible(this.#app.parts[place].text)}\u201d `;
    const what = unit === null ? `layer ${layer}, on average,` : `cell ${layer}:${unit}`;
    this.#words.textContent = at + stepInWords(cell, what, now);
    if (unit === null) {
      this.#equations.replaceChildren(
        make(
          "p",
          { className: "what" },
          "Choose a cell to see its equation: of means it does not hold.",
        ),
      );
      return;
    }
    const lines = equationsOf(cell, config.model.nonlinearity, now, before);
    this.#equations.replaceChildren(...lines.map(equationLine));
  }

  #drawStrips(seen) {
    const { chosen } = this.#chooser,
      { hiddenSize } = this.#app.about;
    const zeros = new Float32Array(hiddenSize);
    const width = this.#strips[0].strip.element.clientWidth;
    for (const { layer, gate, strip, mean, button } of this.#strips) {
      const values = seen ? valuesOf(seen.layers[layer], gate) : zeros;
      strip.draw(values, layer === chosen.layer ? chosen.unit : null, this.#shades, width);
      const name = probeName({ layer, unit: null, gate });
      const words = `${gate === null ? `memory of ${name}` : name}; strongest cells: ${strongestInWords(values)}`;
      strip.element.setAttribute("aria-label", words);
      mean.textContent = seen ? inDecimals(meanOf(values)) : "";
      button.setAttribute("aria-pressed", layer === chosen.layer && gate === chosen.gate);
    }
  }

  #drawMap(place) {
    const { parts, about } = this.#app,
      { chosen } = this.#chooser;
    const shown = place === null ? [] : this.#window(place).filter((part) => parts[part]);
    const columns = shown.map((part) => ({
      part,
      text: parts[part].text,
      width: UnitMap.widthOf(parts[part]),
      values: this.#seen.column(part, chosen),
    }));
    const width = this.#map.element.clientWidth,
      isGate = chosen.gate !== null;
    const reach = this.#map.draw(
      columns,
      about.hiddenSize,
      place,
      chosen.unit,
      isGate,
      this.#shades,
      width,
    );
    const name = probeName(chosen),
      values = this.#seen.column(place, chosen);
    const high = reach === 1 ? "1" : inDecimals(reach);
    this.#mapTitle.textContent = isGate
      ? `${name}, 0 to 1`
      : `memory of ${name}, \u2212${high} to ${high}`;
    const words =
      `${chosen.gate ?? "memory"} of the ${about.hiddenSize} cells of layer ${chosen.layer} over ` +
      `${counted(columns.length, "part")} of the text`;
    this.#map.describe(values ? `${words}; strongest here: ${strongestInWords(values)}` : words);
  }

  #drawWhole(place) {
    const { about, parts, view, values } = this.#app;
    const isSurprise = view.kind !== "cell" || !values;
    const shown = isSurprise ? parts.map((part) => part.bits) : [...values];
    let low = 0,
      high = isSurprise ? MOST_BITS[about.kind] : 1;
    for (const value of shown) {
      if (value > high) high = value;
      if (value < low) low = value;
    }
    if (!isSurprise && view.gate === null) low = -high;
    this.#wholeTitle.textContent = isSurprise ? "surprise, bits" : probeName(view);
    this.#whole.draw(
      shown,
      parts.length,
      low,
      high,
      place,
      this.#shades,
      this.#whole.element.clientWidth,
    );
    const words = `${isSurprise ? "surprise" : probeName(view)} of ${counted(shown.length, "part")} of the text`;
    this.#whole.element.setAttribute("aria-label", words);
  }

  // -- the section ----------------------------------------------------------------------------

  #build() {
    const what = (text) => make("p", { className: "what" }, text);
    const figure = (name, title, about, ...children) =>
      make("section", { className: name }, make("h3", {}, title), what(about), ...children);
    return make(
      "div",
      {},
      this.#chooser.element,
      make(
        "div",
        { className: "pair" },
        figure(
          "unrolled",
          "The network, unrolled",
          "The same network at three steps: what it reads goes in below, each layer passes its memory on " +
            "to the right, and above stand the likeliest next ones. A cell is one number of that memory.",
          make("div", { className: "frame" }, this.#drawing.element),
          this.#words,
          this.#equations,
        ),
        make(
          "section",
          { className: "layers" },
          make("h3", {}, "Every cell at this place"),
          this.#gatesForAClass,
          this.#stripRows,
        ),
      ),
      figure(
        "over-text",
        "Over the text",
        "One row is one cell, from left to right as the text is read. The curve is the chosen cell. Choose " +
          "another by a click, and the text is colored by it.",
        make("p", { className: "title" }, this.#mapTitle, this.#pointed),
        this.#map.element,
      ),
      figure(
        "whole-text",
        "From beginning to end",
        "What the text is colored by, all of it. A click goes there.",
        make("p", { className: "title" }, this.#wholeTitle),
        this.#whole.element,
      ),
      make("div", { className: "pair" }, this.#found.element, this.#gateUse.element),
      this.#memory,
    );
  }

  /** A row for the memory and each gate of every layer, the last layer on top, as it is drawn. */
  #buildStrips({ cell, numLayers, gates }) {
    this.#strips = [];
    this.#gatesForAClass.textContent = `One mark is one cell: red above 0, blue below, pale near it. ${GATES_FOR_A_CLASS[cell]}`;
    const groups = [];
    for (let layer = numLayers - 1; layer >= 0; layer--) {
      const group = make("div", { className: "layer" }, make("h4", {}, `layer ${layer}`));
      for (const gate of [null, ...gates]) {
        const choose = (unit) => this.#chooser.choose({ layer, gate, unit });
        const strip = new UnitStrip(choose);
        const title = gate === null ? MEMORY_IN_WORDS : GATES_IN_WORDS[gate];
        const name = gate ?? "memory";
        const button = make(
          "button",
          { type: "button", title, ariaLabel: `${name}, layer ${layer}` },
          name,
        );
        button.onclick = () => this.#chooser.choose({ layer, gate });
        const mean = make("span", { className: "number", title: "the mean of the layer" });
        group.append(button, strip.element, mean);
        this.#strips.push({ layer, gate, strip, mean, button });
      }
      groups.push(group);
    }
    this.#stripRows.replaceChildren(...groups);
  }
}

/** An equation in symbols and in numbers. */
function equationLine({ name, symbols, factors, value }) {
  const data = (symbol, number, isFactor) => {
    const text = inDecimals(number);
    const shown = isFactor && text.startsWith("\u2212") ? `(${text})` : text;
    return make("data", { value: number, title: symbol }, shown);
  };
  const numbers = factors.map((factor) =>
    typeof factor === "string" ? factor : data(factor.symbol, factor.value, true),
  );
  return make(
    "p",
    { className: "equation" },
    make("span", {}, `${name} = ${symbols}`),
    make("span", {}, ...(numbers.length ? ["= ", ...numbers] : [])),
    make("span", { className: "result" }, "= ", data(name, value, false)),
  );
}
