// Which cell is looked at: a layer, one of its units or the mean of all, its memory or a gate.
// Controls that the keyboard knows; keeps the choice, draws nothing.

class Chooser {
  #onChange;
  #layers = make("div", { className: "options" });
  #gates = make("div", { className: "options" });
  #unit = make("input", {
    type: "number",
    min: 0,
    step: 1,
    placeholder: "mean",
    id: "inside-unit",
  });
  #colour = make("input", { type: "checkbox" });

  /** `onChange(chosen, isColour)` hears what a person has chosen, and whether the text is to be
   * coloured by it. */
  constructor(onChange) {
    this.#onChange = onChange;
    this.chosen = { layer: 0, unit: 0, gate: null };
    this.#unit.oninput = () => this.#type();
    this.#unit.onblur = () => this.#show();
    this.#colour.onchange = () => onChange(this.chosen, this.#colour.checked);
    this.element = make(
      "div",
      { className: "chooser" },
      make("fieldset", {}, make("legend", {}, "layer"), this.#layers),
      make("fieldset", {}, make("legend", {}, "value"), this.#gates),
      make("label", { className: "unit" }, make("span", {}, "cell"), this.#unit),
      make("label", { className: "check" }, this.#colour, "color the text by it"),
    );
  }

  setModel({ numLayers, hiddenSize, gates }, chosen) {
    this.hiddenSize = hiddenSize;
    this.#unit.max = hiddenSize - 1;
    this.#unit.title = `0 to ${hiddenSize - 1}; empty: the mean of the layer`;
    const layers = [...Array(numLayers).keys()];
    this.#fill(
      this.#layers,
      "inside-layer",
      layers.map((layer) => [layer, String(layer)]),
      (layer) => ({ layer }),
    );
    const kinds = [null, ...gates].map((gate) => [gate, gate ?? "memory"]);
    this.#fill(this.#gates, "inside-gate", kinds, (gate) => ({ gate }));
    this.chosen = chosen;
    this.#show();
  }

  /** Choose what is different, as a person does. */
  choose(change) {
    this.chosen = { ...this.chosen, ...change };
    this.#show();
    this.#onChange(this.chosen, true);
  }

  /** The page colours by this now; null: by no cell. */
  follow(view) {
    this.#colour.checked = view !== null;
    if (view !== null) {
      const { layer, unit, gate = null } = view;
      this.chosen = { layer, unit, gate };
    }
    this.#show();
  }

  #fill(options, name, choices, changeOf) {
    options.replaceChildren(
      ...choices.map(([value, text]) => {
        const radio = make("input", { type: "radio", name, value: text });
        radio.onchange = () => this.choose(changeOf(value));
        return make("label", {}, radio, text);
      }),
    );
  }

  #type() {
    if (this.#unit.value === "" && !this.#unit.validity.badInput) this.choose({ unit: null });
    else if (this.#unit.validity.valid) this.choose({ unit: this.#unit.valueAsNumber });
  }

  #show() {
    const { layer, unit, gate } = this.chosen;
    const check = (options, value) => {
      for (const radio of options.querySelectorAll("input")) radio.checked = radio.value === value;
    };
    check(this.#layers, String(layer));
    check(this.#gates, gate ?? "memory");
    const text = unit === null ? "" : String(unit);
    if (document.activeElement !== this.#unit || this.#unit.value === "") this.#unit.value = text;
    else if (this.#unit.validity.valid && this.#unit.valueAsNumber !== unit)
      this.#unit.value = text;
  }
}
