// What the page says of itself in one line, aloud where somebody listens, and by the legend.

const SPOKEN_CHARACTERS = 300;
const REASONS = { end: "the text has ended", stop: "ended before a stop text", stopped: "stopped" };

class Status {
  #line = byId("status");
  #app;

  constructor(app) {
    this.#app = app;
    app.on("progress", (share) => {
      if (share >= 1) this.#say(this.#summary());
      else this.#say(`reading, ${Math.round(100 * share)} %`);
    });
    app.on("loading", (share) => this.#say(`opening, ${Math.round(100 * share)} %`));
    app.on("busy", () => {
      if (app.busy === "open") this.#say("opening");
      if (app.busy === "several") this.#say("writing");
      else if (this.#line.textContent === "writing") this.#say(this.#summary());
    });
    app.on("parts", () => {
      if (app.busy !== "open") this.#say(this.#summary());
    });
    app.on("model", () => speak(`${app.about.name} is open: ${app.about.title}`));
    app.on("written", (result) => this.#tell(result));
    app.on("said", (text) => {
      this.#say(text);
      speak(text);
    });
  }

  #say(text) {
    this.#line.textContent = text;
  }

  /** How surprised the model is by the text. */
  #summary() {
    const { parts, known } = this.#app;
    if (parts.length === 0) return "";
    let bits = 0;
    for (const part of parts) bits += part.bits;
    const characters = counted(known, "character");
    return `${characters}, ${(bits / Math.max(1, known)).toFixed(2)} bits each`;
  }

  #tell({ reason, tokens, microseconds, seed, row, text }) {
    const speed = tokens > 0 ? `${inThousands(Math.round(1e6 / microseconds))} a second` : "";
    const said = [
      REASONS[reason],
      counted(tokens, "token"),
      speed,
      seed === undefined || seed === null ? "" : `seed ${seed}`,
      row > 0 ? `its text ${row + 1}` : "",
    ];
    this.#say(said.filter(Boolean).join(" · "));
    speak(text === "" ? "nothing was written" : text.slice(0, SPOKEN_CHARACTERS));
  }
}

/** Have a text read aloud, once what is being read has ended. */
function speak(text) {
  byId("spoken").textContent = text;
}

/** What the colours mean. */
class Legend {
  constructor(app) {
    const show = (range) =>
      byId("legend").replaceChildren(
        ...scaleOf(app.view, range).map(([shade, says]) => {
          const sample = make("span", {}, says);
          sample.style.backgroundColor = colourOf(shade);
          return sample;
        }),
      );
    app.on("values", show);
    show(rangeOf(app.view, null));
  }
}
