// The page begins: its parts get to know each other, keys and buttons do what they say, and the
// model is opened that is there.

const HINTED = 150; // characters of a text below which there is room for a hint
const NO_TEXT = "Begin a text, or let the model begin.";
const NO_CHAT = "The conversation appears here.";
const THEME_ITEM = "chargen-theme";
const KEYS = [
  ["Ctrl+Enter", "write, in a chat answer; stop"],
  ["Ctrl+Shift+Enter", "several ways side by side; 1 to 9 takes one"],
  ["Alt+Enter", "write on from the character at the cursor"],
  ["Esc", "stop; close what is open"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z, Ctrl+Y", "redo"],
  ["Tab", "from the text to the likeliest"],
  ["↑ ↓ and Enter, or 1 to 9, 0", "there: choose one and go on from it"],
  ["← →", "there: the character before, after"],
  ["?", "this sheet, outside of the text"],
];

function begin() {
  const app = new App(new EngineClient(byId("worker").textContent));
  const link = readLink(location.hash);
  const editor = new Editor(app);
  const settings = new Settings(app);
  const several = new Several(app);
  const line = byId("line-field");
  new Tree(app);
  new Choices(
    app,
    (at, token) => take(at, token),
    () => editor.reveal(),
  );
  new Legend(app);
  new Status(app);
  followTheme();

  // -- writing --------------------------------------------------------------------------------

  /** The options of a text; those of a turn in a chat. null where a field makes no sense. */
  function options() {
    const chosen = settings.options();
    if (chosen === null || app.about === null) return chosen;
    const { mode } = settings;
    if (mode !== "chat") return { ...chosen, mode };
    return { ...chosen, mode, stop: [...(chosen.stop ?? []), ...turnStops(app.about.roles)] };
  }

  /** Whether the text ends with an answer that another one may take the place of. */
  const hasAnswer = () =>
    settings.mode !== "story" && app.answer !== null && app.answer < app.text.length;

  /** So many answers to the prompt were written: a seed has another text for each. */
  const rows = new Map();
  function withRow(chosen, prompt, isAgain) {
    if (settings.isRandom) return chosen;
    const row = isAgain ? (rows.get(prompt) ?? 0) + 1 : 0;
    rows.set(prompt, row);
    return { ...chosen, row };
  }

  function write() {
    if (app.busy === "write" || app.busy === "several") {
      app.stop();
      return;
    }
    if (app.busy !== null || app.about === null) return;
    const chosen = options();
    if (chosen === null) return;
    several.close();
    if (settings.mode === "chat" && line.value.trim() !== "") {
      // A chat begins a new text, as in a session; the old one stays as a branch.
      const isChat = app.text.includes(`\n${app.about.roles[1]}`);
      const before = app.isProposed || !isChat ? "" : app.text;
      app.edit(withTurn(before, line.value.trim(), app.about.roles));
      line.value = "";
      app.setCaret(app.text.length);
    } else if (hasAnswer()) {
      app.writeAgain(withRow(chosen, app.text.slice(0, app.answer), true));
      return;
    } else if (settings.mode === "chat" && app.text === "") {
      line.focus(); // nothing was said that could be answered
      return;
    }
    if (settings.mode !== "story") app.setCaret(app.text.length);
    app.write(withRow(chosen, app.text, false), { isStory: settings.mode === "story" });
  }

  function writeFrom() {
    const chosen = options();
    if (chosen !== null && app.busy === null && app.about !== null)
      app.writeFrom(app.caret, chosen);
  }

  async function take(at, token) {
    const chosen = options();
    if (chosen === null) return;
    if (app.busy === "write") {
      await app.stop();
      await app.idle();
    }
    app.take(at, token, chosen);
  }

  function sideBySide() {
    const chosen = options();
    if (chosen !== null && app.about !== null && app.busy === null) {
      if (hasAnswer()) app.takeAnswerBack(); // they are to stand in its place
      several.show(Number(byId("several-count").value), chosen);
    }
  }

  // -- buttons and keys -----------------------------------------------------------------------

  const buttons = {
    "write-button": write,
    "several-button": sideBySide,
    "undo-button": () => app.undo(),
    "redo-button": () => app.redo(),
    "share-button": share,
    "open-button": () => byId("file-field").click(),
    "welcome-button": () => byId("file-field").click(),
    "keys-button": () => byId("keys").showModal(),
    "model-title": () => showCard(app.about),
    "colour-button": () =>
      app.setView(app.view.kind === "none" ? { kind: "surprise" } : { kind: "none" }),
  };
  for (const [id, press] of Object.entries(buttons)) byId(id).addEventListener("click", press);
  byId("line").addEventListener("submit", (event) => {
    event.preventDefault();
    if (app.busy === null) write();
  });
  byId("problem")
    .querySelector("button")
    .addEventListener("click", () => {
      byId("problem").hidden = true;
    });
  byId("keys").append(
    make("h2", { id: "keys-title" }, "keys"),
    make("dl", {}, KEYS.map(([key, does]) => [make("dt", {}, key), make("dd", {}, does)]).flat()),
    make("form", { method: "dialog" }, make("button", { className: "plain" }, "close")),
  );

  addEventListener("keydown", (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const isTyping = event.target.matches?.(
      "textarea, input:not([type=radio], [type=range]), select",
    );
    const key = event.key.toLowerCase();
    if (event.isComposing) return;
    if (key === "escape") {
      if (document.querySelector("dialog[open]")) return;
      if (app.busy === "write") app.stop();
      else if (several.isOpen) several.close();
      else if (!byId("problem").hidden) byId("problem").hidden = true;
      else return;
    } else if (key === "enter" && isCommand) {
      event.shiftKey ? sideBySide() : write();
    } else if (key === "enter" && event.altKey) {
      writeFrom();
    } else if (
      isCommand &&
      !event.altKey &&
      (key === "z" || key === "y") &&
      (!isTyping || event.target.id === "text")
    ) {
      key === "y" || event.shiftKey ? app.redo() : app.undo();
    } else if (event.key === "?" && !isTyping && !isCommand) {
      byId("keys").showModal();
    } else {
      return;
    }
    event.preventDefault();
  });

  let hasWritten = false; // so that nobody needs to be shown how
  app.on("written", () => {
    hasWritten = true;
  });

  // -- what buttons say -----------------------------------------------------------------------

  function showState() {
    const isWriting = app.busy === "write" || app.busy === "several";
    const button = byId("write-button");
    const say = settings.mode === "chat" ? "answer" : "write";
    const label = isWriting
      ? "stop"
      : hasAnswer()
        ? settings.mode === "chat"
          ? "another"
          : "again"
        : say;
    button.textContent = label;
    button.toggleAttribute("data-writing", isWriting);
    button.disabled = app.about === null;
    for (const id of ["several-button", "several-count"]) {
      byId(id).disabled = app.about === null || app.busy !== null;
    }
    byId("undo-button").disabled = app.busy !== null || !app.history.canUndo;
    byId("redo-button").disabled = app.busy !== null || !app.history.canRedo;
    byId("line").hidden = settings.mode !== "chat";
    byId("text").placeholder = settings.mode === "chat" ? NO_CHAT : NO_TEXT;
    byId("hint").hidden =
      app.about === null || hasWritten || settings.mode === "chat" || app.text.length > HINTED;
    byId("inside").hidden = app.about === null;
    byId("welcome").hidden = app.about !== null || app.busy === "open";
    byId("colour-button").textContent =
      app.view.kind === "cell" ? app.view.title : "surprise in bits";
    byId("colour-button").ariaPressed = String(app.view.kind !== "none");
  }
  for (const event of ["busy", "branches", "model", "mode", "view"]) app.on(event, showState);

  app.on("model", () => {
    const { name, title, parameters, roles, view } = app.about;
    document.title = name;
    byId("model-name").textContent = name;
    byId("model-title").textContent = `${title} · ${inThousands(parameters)} parameters`;
    byId("line-role").textContent = roles[0];
    // Whoever has typed nothing yet is to begin where a chat is typed.
    if (settings.mode === "chat" && app.text === "" && document.activeElement === byId("text"))
      line.focus();
    byId("problem").hidden = true;
    if (view !== null && view !== undefined)
      app.setView({ kind: "cell", title: probeName(view), ...view });
    else if (app.view.kind === "cell") app.setView({ kind: "surprise" });
  });

  app.on("problem", (error) => {
    if (!(error instanceof Refusal)) console.error(error);
    const hint = error.hint ? `: ${error.hint}` : "";
    byId("problem").querySelector("p").textContent = `${error.message}${hint}`;
    byId("problem").hidden = false;
  });

  // -- links ----------------------------------------------------------------------------------

  async function share() {
    const { hash, isWhole } = linkOf({
      text: app.text,
      mode: settings.mode,
      given: settings.given(),
      model: served,
    });
    remembered(() => history.replaceState(null, "", hash));
    const isCopied = await copyText(location.href.replace(/#.*/, "") + hash);
    const said = isCopied ? "link copied" : "the link stands in the address bar";
    app.emit("said", isWhole ? said : `${said}, without the text, which is too long for one`);
  }

  function follow({ text, mode, settings: given }) {
    if (mode !== null) settings.mode = mode;
    for (const [name, value] of given) settings.set(name, value);
    if (text !== null) {
      app.edit(text);
      app.setCaret(text.length);
    }
    app.emit("mode");
  }
  addEventListener("hashchange", () => {
    if (app.busy === null) follow(readLink(location.hash));
  });

  // -- opening --------------------------------------------------------------------------------

  /** Open what somebody brings; what is there stays where that fails. */
  async function bring(finding) {
    try {
      const { files, name, text } = await finding;
      if (text !== undefined) app.replaceText(text);
      else if (await app.open(files, name)) showServed(null);
    } catch (error) {
      app.emit("problem", error);
    }
  }
  byId("file-field").addEventListener("change", (event) => {
    if (event.target.files.length > 0) bring(filesOf([...event.target.files]));
    event.target.value = "";
  });
  addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.toggleAttribute("data-dropping", true);
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.toggleAttribute("data-dropping", false);
  });
  addEventListener("drop", (event) => {
    document.body.toggleAttribute("data-dropping", false);
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    bring(filesDropped(event.dataTransfer).then(filesOf));
  });

  let served = null; // the name of the one that is open, if the server has it
  function showServed(name) {
    const menu = byId("models");
    served = name;
    menu.value = name ?? "";
    menu.classList.toggle("none", name === null);
  }

  async function openServed(server, name) {
    try {
      const files = await server.files(name, (share) => app.emit("loading", share));
      if (await app.open(files, name)) showServed(name);
      else showServed(served);
    } catch (error) {
      app.emit("problem", error);
      showServed(served);
    }
  }

  async function openFromServer() {
    const menu = byId("models");
    const server = new Server(askKey);
    try {
      const names = await server.models();
      if (names.length === 0) return;
      const other = make("option", { value: "", hidden: true }, "other models");
      menu.replaceChildren(other, ...names.map((name) => make("option", {}, name)));
      menu.value = names[0];
      if (names.includes(link.model)) menu.value = link.model;
      menu.hidden = false;
      menu.addEventListener("change", () => openServed(server, menu.value));
      await openServed(server, menu.value);
    } catch (error) {
      app.emit("problem", error);
    }
  }

  async function openFirst() {
    follow(link);
    try {
      const files = filesWithin(document);
      if (Object.keys(files).length > 0) await app.open(files);
      else if (/^https?:$/.test(location.protocol)) await openFromServer();
    } catch (error) {
      app.emit("problem", error);
    }
    showState();
  }

  if (typeof mountInside === "function") mountInside(app, byId("inside"), () => editor.reveal());
  showState();
  if (matchMedia("(hover: hover)").matches) editor.focus(); // no keyboard over a telephone's page
  openFirst();
  return app;
}

/** A card in Markdown as a text: without its header, the marks of headings and the rules of tables. */
function inPlainWords(card) {
  return card
    .replace(/\r\n/g, "\n")
    .replace(/^---\n.*?\n---\n/s, "")
    .replace(/^#+ /gm, "")
    .replace(/^\|[ |:-]*\|\n/gm, "")
    .replace(/^\| ([^|]*?) \| ([^|]*?) \|$/gm, (_, name, value) => `${name}: ${value}`)
    .trim();
}

/** What there is to know of a model, in its own words. */
function showCard({ name, card, weights, bytes, scores }) {
  const facts = [
    `${(bytes / 1e6).toFixed(1)} MB, ${weights}`,
    Number.isFinite(scores?.bits_per_byte)
      ? `${scores.bits_per_byte.toFixed(3)} bits per byte`
      : "",
  ];
  byId("card").replaceChildren(
    make("h2", { id: "card-title" }, name),
    make("p", { className: "dim" }, facts.filter(Boolean).join(", ")),
    make("pre", { tabIndex: 0, ariaLabel: "model card" }, inPlainWords(card ?? "")),
    make("form", { method: "dialog" }, make("button", { className: "plain" }, "close")),
  );
  byId("card").showModal();
}

/** The key of the server, as somebody types it; null where the dialog is closed. */
function askKey(isWrong) {
  const dialog = byId("key-dialog");
  const field = make("input", {
    type: "password",
    id: "key-field",
    autocomplete: "off",
    required: true,
  });
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "key-title" }, isWrong ? "that key is wrong" : "the server's key"),
    make(
      "label",
      { htmlFor: "key-field" },
      "It was chosen with --api-key when the server was started.",
    ),
    field,
    make("button", { value: "yes", className: "plain" }, "open"),
  );
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        resolve(dialog.returnValue === "yes" ? field.value : null);
      },
      { once: true },
    );
  });
}

/** Light or dark as the system is, until somebody says otherwise, which is remembered. */
function followTheme() {
  const root = document.documentElement,
    button = byId("theme-button");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = isDark() ? "light" : "dark";
  };
  const kept = remembered(() => localStorage.getItem(THEME_ITEM));
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(() => localStorage.setItem(THEME_ITEM, root.dataset.theme));
    show();
  });
  system.addEventListener("change", show);
  show();
}

const app = begin();
