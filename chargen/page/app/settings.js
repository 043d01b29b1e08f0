// How a text is sampled: the options by their names on the command line, as fields. Knows which of
// them hold in which mode, not what they do.

const CHAT_TEMPERATURE = 0.3;
const RANDOM_SEEDS = 1_000_000; // few enough that one is easily typed again
const SETTINGS = [
  {
    name: "temperature",
    type: "range",
    min: 0,
    max: 2,
    step: 0.05,
    value: 1,
    help: "0 always picks the likeliest; above 1 is more random",
  },
  {
    name: "top_p",
    label: "top-p",
    type: "range",
    min: 0.01,
    max: 1,
    step: 0.01,
    value: 1,
    help: "sample only from the likeliest with this total probability",
  },
  {
    name: "max_tokens",
    label: "length",
    type: "number",
    min: 1,
    max: 1e6,
    value: 200,
    help: "tokens to write at most",
  },
  {
    name: "seed",
    type: "text",
    pattern: "[0-9]{1,19}",
    inputMode: "numeric",
    placeholder: "random",
    help: "the same seed writes the same texts, in the same order",
  },
  {
    name: "stop",
    type: "text",
    isTexts: true,
    placeholder: "none",
    help: "stop before this text; \\n is a new line, | separates several",
  },
];
const FURTHER = [
  {
    name: "relevance",
    type: "range",
    min: 0,
    max: 0.9,
    step: 0.05,
    value: 0,
    help: "favor what fits the prompt, or in a chat the last turn, over what fits any; try 0.4",
  },
  {
    name: "top_k",
    label: "top-k",
    type: "number",
    min: 1,
    max: 1e6,
    help: "sample only from the k likeliest",
  },
  {
    name: "min_p",
    label: "min-p",
    type: "number",
    min: 0,
    max: 1,
    step: "any",
    help: "drop what is below this fraction of the likeliest",
  },
  {
    name: "typical_p",
    label: "typical-p",
    type: "number",
    min: 1e-6,
    max: 1,
    step: "any",
    help: "sample only from the most typical with this total probability",
  },
  {
    name: "repetition_penalty",
    type: "number",
    min: 0.01,
    max: 100,
    step: "any",
    help: "above 1 discourages recent tokens",
  },
  {
    name: "presence_penalty",
    type: "number",
    min: -1e6,
    max: 1e6,
    step: "any",
    help: "nats off each recent token",
  },
  {
    name: "frequency_penalty",
    type: "number",
    min: -1e6,
    max: 1e6,
    step: "any",
    help: "nats off a recent token each time it occurs",
  },
  {
    name: "no_repeat_ngram",
    label: "repeated n-gram",
    type: "number",
    min: 1,
    max: 1e6,
    help: "never repeat so many tokens in a row",
  },
  {
    name: "penalty_window",
    type: "number",
    min: 1,
    max: 1e6,
    placeholder: "256",
    help: "recent tokens that the penalties look at",
  },
  {
    name: "until",
    type: "select",
    choices: ["word", "sentence", "line", "paragraph"],
    help: "stop after a whole one",
  },
  {
    name: "max_chars",
    label: "max characters",
    type: "number",
    min: 1,
    max: 1e6,
    help: "characters to write at most",
  },
  {
    name: "min_chars",
    label: "min characters",
    type: "number",
    min: 1,
    max: 1e6,
    help: "characters to write at least",
  },
  {
    name: "ban",
    type: "text",
    isTexts: true,
    placeholder: "none",
    help: "never write this; | separates several",
  },
];

class Settings {
  #fields = new Map(); // name -> {setting, input, output}
  #touched = new Set(); // what somebody has set, which no model changes
  #form = byId("settings");

  constructor(app) {
    const more = make(
      "details",
      {},
      make("summary", {}, "more"),
      make(
        "div",
        { className: "fields" },
        FURTHER.map((setting) => this.#field(setting)),
      ),
    );
    this.#form.append(
      make(
        "div",
        { className: "fields" },
        SETTINGS.map((setting) => this.#field(setting)),
      ),
      more,
    );
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    for (const radio of document.getElementsByName("mode")) {
      radio.addEventListener("change", () => {
        this.#touched.add("mode");
        this.#suit(app);
        app.emit("mode");
      });
    }
    app.on("model", () => {
      if (!this.#touched.has("mode")) this.#check(app.about.sampling.mode ?? "story");
      this.#suit(app);
      app.emit("mode");
    });
  }

  get mode() {
    return document.querySelector("[name=mode]:checked").value;
  }
  /** As if somebody had chosen it: a model that is opened later leaves it alone. */
  set mode(mode) {
    this.#touched.add("mode");
    this.#check(mode);
  }
  #check(mode) {
    for (const radio of document.getElementsByName("mode")) radio.checked = radio.value === mode;
  }

  /** Whether each text gets a seed of its own. */
  get isRandom() {
    return this.#fields.get("seed").input.value === "";
  }

  /** The options of a text; null where one of the fields makes no sense, which is shown. */
  options() {
    if (!this.#form.checkValidity()) {
      const wrong = this.#form.querySelector(":invalid:not(fieldset)");
      wrong.closest("details")?.setAttribute("open", "");
      wrong.focus();
      this.#form.reportValidity();
      return null;
    }
    const options = {};
    for (const [name, { setting, input }] of this.#fields) {
      if (input.value === "" || (name === "top_p" && Number(input.value) === 1)) continue;
      // Of its own a length gives way to what else limits a text.
      if (name === "max_tokens" && !this.#touched.has(name)) continue;
      if (setting.isTexts) options[name] = textsOf(input.value);
      else
        options[name] =
          setting.type === "text" || setting.type === "select" ? input.value : Number(input.value);
    }
    options.seed ??= String(Math.floor(Math.random() * RANDOM_SEEDS));
    return options;
  }

  /** What somebody has set, as the text that stands in the fields: [name, text]. */
  given() {
    return [...this.#fields]
      .filter(([name]) => this.#touched.has(name))
      .map(([name, { input }]) => [name, input.value]);
  }

  /** Set a field as if it were typed; what the field does not take is left out. */
  set(name, text) {
    const field = this.#fields.get(name);
    if (field === undefined) return;
    const before = field.input.value;
    field.input.value = text;
    if (!field.input.checkValidity()) field.input.value = before;
    else this.#touched.add(name);
    this.#write(field);
  }

  #field(setting) {
    const {
      name,
      label = name.replaceAll("_", " "),
      type,
      help,
      isTexts,
      choices,
      ...rest
    } = setting;
    rest.placeholder ??= "off";
    const id = `set-${name}`;
    const input =
      type === "select"
        ? make(
            "select",
            { id, title: help },
            make("option", { value: "" }, "–"),
            choices.map((choice) => make("option", {}, choice)),
          )
        : make("input", { id, type, title: help, autocomplete: "off", ...rest });
    const output =
      type === "range" ? make("span", { className: "reading", ariaHidden: "true" }) : null;
    const field = { setting, input, output };
    this.#fields.set(name, field);
    this.#write(field);
    input.addEventListener("input", () => {
      this.#touched.add(name);
      this.#write(field);
    });
    return make(
      "div",
      { className: `field ${type}` },
      make("label", { htmlFor: id, title: help }, label),
      output,
      input,
    );
  }

  #write({ input, output }) {
    if (output !== null) output.textContent = Number(input.value).toFixed(2);
  }

  /** What a model wants, or a mode, where nobody has said otherwise. */
  #suit({ about }) {
    const wanted = about?.sampling ?? {};
    const defaults = {
      temperature: wanted.temperature ?? (this.mode === "chat" ? CHAT_TEMPERATURE : 1),
      min_p: wanted.min_p ?? "",
      stop: (wanted.stop ?? []).map(typedText).join(" | "),
    };
    for (const [name, value] of Object.entries(defaults)) {
      const field = this.#fields.get(name);
      if (this.#touched.has(name)) continue;
      field.input.value = value;
      this.#write(field);
    }
  }
}

const TYPED = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "|": "\\|" };

/** A text as it is typed in a field: `\n` is a new line. */
const typedText = (text) => text.replace(/[\\\n\r\t|]/g, (sign) => TYPED[sign]);

/** The texts in a field, and `|` between them. */
function textsOf(typed) {
  const texts = typed.match(/(?:\\.|[^|\\]|\\$)+/g) ?? [];
  const signs = Object.fromEntries(Object.entries(TYPED).map(([sign, as]) => [as, sign]));
  // Spaces at the bar are for the eye; at the ends they are meant.
  const trimmed = texts.map((text, index) =>
    text.slice(
      index > 0 && text.startsWith(" ") ? 1 : 0,
      index < texts.length - 1 && text.endsWith(" ") ? -1 : undefined,
    ),
  );
  return trimmed
    .filter((text) => text !== "")
    .map((text) => text.replace(/\\./g, (as) => signs[as] ?? as));
}
