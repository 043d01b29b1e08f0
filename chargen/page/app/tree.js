// The branches of the text as a tree: where it went otherwise, and how each way begins.

const LABEL = 30; // characters of a way that are shown

class Tree {
  #app;
  #list = byId("branches-list");

  constructor(app) {
    this.#app = app;
    app.on("branches", () => this.#show());
    app.on("busy", () => {
      for (const button of this.#list.querySelectorAll("button")) {
        button.ariaDisabled = String(app.busy !== null);
      }
    });
    this.#show();
  }

  #show() {
    const { states } = this.#app.branches;
    if (states.length < 2) {
      this.#list.replaceChildren(
        make(
          "p",
          { className: "dim" },
          "A text that is left for another stays here, so that you can go back to it.",
        ),
      );
      return;
    }
    const root = treeOf(states);
    this.#list.replaceChildren(make("ul", {}, this.#row(root)));
  }

  #row(node) {
    const { app = this.#app, text, state, children } = node;
    const isCurrent = state !== null && state.text === app.text;
    const label = labelOf(node);
    const content = [make("span", { className: "shared" }, label.shared), label.own];
    const row =
      state === null
        ? make("span", { className: "fork" }, content)
        : make("button", { type: "button", className: "way", dir: "auto" }, content);
    if (state !== null) {
      row.addEventListener("click", () => app.visit(state));
      if (isCurrent) row.ariaCurrent = "true";
      row.ariaLabel = `${label.shared}${label.own}, ${counted(text.length, "character")}`;
    }
    const below =
      children.length === 0
        ? null
        : make(
            "ul",
            {},
            children.map((child) => this.#row(child)),
          );
    return make("li", {}, row, below);
  }
}

/** How an edge begins, from the beginning of its word on: what it shares with its neighbours, and
 * what is its own. Of one from the beginning of the text, how it ends. */
function labelOf({ from, to, text, children }) {
  if (from === 0 && children.length > 0) {
    const own = text.slice(Math.max(0, to - LABEL)).replace(/^[\udc00-\udfff]/, "");
    return { shared: to > LABEL ? "…" : "", own: oneLine(own) || "(the beginning)" };
  }
  const word = /\S{0,16}$/u.exec(text.slice(0, from))[0];
  const own = text.slice(from, from + LABEL - word.length).replace(/[\ud800-\udbff]$/, "");
  return { shared: word, own: oneLine(own) + (from + own.length < to ? "…" : "") };
}

const oneLine = (text) => text.replace(/\r?\n/g, "↵").replace(/\s/g, "\u00a0");
