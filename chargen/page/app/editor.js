// The text as a field that is written in, laid over the same text in a backdrop that is coloured.
// Selecting, input methods, directions and reading aloud are the field's own. Knows no model.

const BLOCK = 512; // characters that a block has at least, of whole lines
const MARGIN = 3000; // characters around what is seen of a long line that are coloured, too

class Editor {
  #app;
  #field = byId("text");
  #paper = byId("paper");
  #backdrop = byId("backdrop");
  #place = make("div", { id: "place", hidden: true });
  #blocks = []; // {element, text, start, painted: {from, to} | null}
  #drawn = "";
  #range = rangeOf({ kind: "surprise" }, null); // of the numbers that are shown
  #frame = null;
  #isComposing = false;
  #lastInput = { at: -1, isWord: false };

  constructor(app) {
    this.#app = app;
    byId("sheet").append(this.#place);
    this.#listen();
    app.on("text", () => this.#showText());
    app.on("parts", (from) => this.#forget(from));
    app.on("view", () => this.#lookUp());
    app.on("model", () => this.#lookUp());
    app.on("caret", () => this.later());
    app.on("busy", () => {
      this.#field.readOnly = app.busy === "write" || app.busy === "several";
      this.later();
    });
    this.#showText();
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  /** Draw what has changed, once before the next frame. */
  later() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#paint();
      this.#showPlace();
    });
  }

  // -- the field ------------------------------------------------------------------------------

  #listen() {
    const field = this.#field,
      app = this.#app;
    field.addEventListener("beforeinput", (event) => {
      // The field's own memory ends where a script writes into it.
      if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
        event.preventDefault();
        event.inputType === "historyUndo" ? app.undo() : app.redo();
      }
    });
    field.addEventListener("compositionstart", () => {
      this.#isComposing = true;
    });
    field.addEventListener("compositionend", () => {
      this.#isComposing = false;
      this.#typed({ inputType: "insertText", data: "" });
    });
    field.addEventListener("paste", (event) => {
      // A field takes minutes for many lines at once where a browser puts them in one by one.
      const text = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n");
      if (text === "" || field.readOnly) return;
      event.preventDefault();
      field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
      this.#typed({ inputType: "insertFromPaste", data: null });
      this.reveal();
    });
    field.addEventListener("input", (event) => this.#typed(event));
    document.addEventListener("selectionchange", () => this.#follow());
    field.addEventListener("select", () => this.#follow());
    field.addEventListener("keyup", () => this.#follow());
    field.addEventListener("click", (event) => this.#clicked(event));
    this.#paper.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(byId("sheet"));
  }

  #typed({ inputType, data }) {
    const at = this.#field.selectionEnd;
    const isWord = inputType === "insertText" && data !== null && /\S/u.test(data);
    // A word is undone as a whole, with the space before it.
    const joins =
      inputType === "insertText" &&
      at === this.#lastInput.at + (data ?? "").length &&
      !(isWord && !this.#lastInput.isWord);
    const deletes = /^deleteContent(Back|For)ward$/.test(inputType);
    this.#app.edit(this.#field.value, { joins: joins || (deletes && this.#lastInput.deletes) });
    this.#lastInput = { at, isWord, deletes };
    this.#app.setCaret(at);
  }

  /** The place that is looked at goes where the caret goes. */
  #follow() {
    if (document.activeElement !== this.#field || this.#isComposing) return;
    if (this.#field.value !== this.#app.text || this.#field.selectionEnd === this.#selected) return;
    this.#selected = this.#field.selectionEnd;
    this.#app.setCaret(this.#selected);
  }
  #selected = -1;

  /** A click is on a character, whichever of its sides the caret goes to. */
  #clicked(event) {
    const { selectionStart, selectionEnd } = this.#field;
    if (selectionStart !== selectionEnd || selectionStart === 0) return;
    this.#selected = selectionEnd; // what is told of the selection later is no news
    const before = this.#rangeAt(
      beginningOfCharacter(this.#app.text, selectionStart),
      selectionStart,
    );
    const isOn = [...(before?.getClientRects() ?? [])].some(
      (rect) =>
        event.clientX >= rect.left &&
        event.clientX < rect.right &&
        event.clientY >= rect.top - 6 &&
        event.clientY < rect.bottom + 6,
    );
    this.#app.setCaret(
      isOn ? beginningOfCharacter(this.#app.text, selectionStart) : selectionStart,
    );
  }

  /** The field has the text of the app, wherever that came from. */
  #showText() {
    const field = this.#field,
      { text } = this.#app;
    if (field.value !== text && !this.#isComposing) {
      const isAtEnd =
        this.#paper.scrollTop + this.#paper.clientHeight > this.#paper.scrollHeight - 56;
      const caret = this.#app.caret;
      const old = field.value;
      if (text.startsWith(old)) field.setRangeText(text.slice(old.length), old.length, old.length);
      else field.value = text;
      if (document.activeElement === field) field.setSelectionRange(caret, caret);
      this.#selected = caret;
      this.#drawText();
      if (isAtEnd) this.#paper.scrollTop = this.#paper.scrollHeight;
    } else {
      this.#drawText();
    }
    this.later();
  }

  /** Bring the place that is looked at into sight. */
  reveal() {
    const rect = this.#rangeAt(this.#app.caret, this.#app.caret)?.getBoundingClientRect();
    const paper = this.#paper.getBoundingClientRect();
    if (rect === undefined || (rect.top >= paper.top && rect.bottom <= paper.bottom)) return;
    this.#paper.scrollTop += rect.top - paper.top - paper.height / 2;
  }

  // -- the backdrop ---------------------------------------------------------------------------

  /** The blocks hold the text; those that did not change stay as they are. */
  #drawText() {
    const { text } = this.#app;
    if (text === this.#drawn && this.#blocks.length > 0) return;
    const prefix = commonPrefix(this.#drawn, text);
    const suffix = commonSuffix(this.#drawn, text, prefix);
    const shift = text.length - this.#drawn.length;
    // From the block in which the change begins, and what stands in the line before it, ...
    let first = this.#blockAt(Math.max(0, prefix - 1));
    let last = this.#blockAt(this.#drawn.length - suffix); // ... to that in which it ends
    if (this.#blocks.length === 0) first = last = 0;
    const from = this.#blocks[first]?.start ?? 0;
    const end = this.#blocks[last];
    const to = end === undefined ? text.length : end.start + end.text.length + shift;
    const fresh = [];
    for (const piece of blocksOf(text.slice(from, to))) {
      const element = make("div", {}, piece);
      fresh.push({ element, text: piece, start: 0, painted: null });
    }
    const old = this.#blocks.splice(first, last - first + 1, ...fresh);
    const after = old.at(-1)?.element.nextSibling ?? null;
    for (const block of old) block.element.remove();
    for (const block of fresh) this.#backdrop.insertBefore(block.element, after);
    let start = 0;
    for (const block of this.#blocks) {
      block.start = start;
      start += block.text.length;
    }
    this.#drawn = text;
    if (old.length === 1 && fresh.length === 1 && old[0].painted !== null) {
      // Coloured now, a long line is laid out once.
      this.#paintBlock(fresh[0], old[0].painted.from, old[0].painted.to + Math.max(0, shift));
    }
    // A line that is empty, at the end, has a height in the field.
    const isOpen = text === "" || text.endsWith("\n");
    this.#backdrop.classList.toggle("open", isOpen);
  }

  /** The index of the block that an offset is in. */
  #blockAt(offset) {
    let low = 0,
      high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle].start <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The characters between two offsets within one block, as they are drawn. */
  #rangeAt(from, to) {
    const block = this.#blocks[this.#blockAt(from)];
    if (block === undefined) return null;
    const range = document.createRange();
    const set = (offset, edge) => {
      let left = Math.max(0, Math.min(offset - block.start, block.text.length));
      let found = block.element;
      for (const node of textNodesOf(block.element)) {
        found = node;
        if (left <= node.length) break;
        left -= node.length;
      }
      range[edge](found, Math.min(left, found.length ?? 0));
    };
    set(from, "setStart");
    set(to, "setEnd");
    return range;
  }

  // -- colours --------------------------------------------------------------------------------

  /** From a part on, colours are others. */
  #forget(from) {
    const part = this.#app.parts[from];
    const start = part === undefined ? this.#app.known : part.start;
    for (let at = this.#blocks.length - 1; at >= 0; at--) {
      const block = this.#blocks[at];
      if (block.start + block.text.length < start) break;
      block.painted = null;
    }
    if (this.#app.view.kind === "cell") this.#lookUp();
    this.later();
  }

  #asking = false;
  #isStale = false;

  /** The values of the view, asked for again where the text has changed meanwhile. */
  async #lookUp() {
    const { view } = this.#app;
    if (view.kind !== "cell") {
      this.#show(null);
      return;
    }
    if (this.#asking) {
      this.#isStale = true;
      return;
    }
    this.#asking = true;
    try {
      const { layer, unit, gate } = view;
      const { values } = await this.#app.engine.call("values", { layer, unit, gate });
      if (this.#app.view === view) this.#show(values);
    } catch (error) {
      this.#app.emit("problem", error);
    }
    this.#asking = false;
    if (this.#isStale) {
      this.#isStale = false;
      this.#lookUp();
    }
  }

  /** These are the values of the view, one a part; null of one that has none of its own. */
  #show(values) {
    this.#app.values = values;
    this.#range = rangeOf(this.#app.view, values, this.#app.about?.kind);
    this.#app.emit("values", this.#range);
    for (const block of this.#blocks) block.painted = null;
    this.later();
  }

  /** Colour what is seen, and a little more. */
  #paint() {
    if (this.#blocks.length === 0) return;
    const top = this.#paper.scrollTop - 200;
    const bottom = this.#paper.scrollTop + this.#paper.clientHeight + 200;
    let low = 0,
      high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { element } = this.#blocks[middle];
      if (element.offsetTop + element.offsetHeight < top) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < this.#blocks.length; at++) {
      const { element } = this.#blocks[at];
      const start = element.offsetTop,
        height = element.offsetHeight;
      if (start > bottom) break;
      const share = (edge, pad) =>
        ((edge - start) / Math.max(1, height)) * this.#blocks[at].text.length + pad;
      this.#paintBlock(this.#blocks[at], share(top, -MARGIN), share(bottom, MARGIN));
    }
  }

  /** Colour a block's characters from about one of its offsets to another. */
  #paintBlock(block, from, to) {
    from = Math.max(0, Math.floor(from));
    to = Math.min(block.text.length, Math.ceil(to));
    const { painted } = block;
    if (
      painted !== null &&
      painted.from <= Math.max(0, from + MARGIN / 2) &&
      painted.to >= Math.min(block.text.length, to - MARGIN / 2)
    )
      return;
    block.painted = { from, to };
    const runs = this.#runs(block.start + from, block.start + to);
    const first = runs[0]?.start ?? block.start + block.text.length;
    const lastEnd = runs.at(-1)?.end ?? first;
    const piece = (start, end) => block.text.slice(start - block.start, end - block.start);
    block.element.replaceChildren(
      ...[piece(block.start, first)].filter((text) => text !== ""),
      ...runs.map(({ start, end, shade, isYours }) => {
        const span = document.createElement("span");
        span.textContent = piece(start, end);
        if (shade !== 0) span.style.backgroundColor = colourOf(shade);
        if (isYours) span.className = "yours";
        return span;
      }),
      ...[piece(lastEnd, block.start + block.text.length)].filter((text) => text !== ""),
    );
  }

  /** Stretches between two offsets that look alike: {start, end, shade, isYours}. */
  #runs(from, to) {
    const { parts, view, values, known, written } = this.#app;
    const runs = [];
    const add = (start, end, shade, isYours) => {
      if (start >= end) return;
      const last = runs.at(-1);
      if (last?.shade === shade && last.isYours === isYours) last.end = end;
      else runs.push({ start, end, shade, isYours });
    };
    const isWritten = (offset) => written.some(([start, end]) => start <= offset && offset < end);
    const edges = written.length === 0 ? [] : written.flat();
    /** One stretch of one shade, cut where the hand that wrote it changes. */
    const addCut = (start, end, shade) => {
      for (const edge of [
        ...edges.filter((at) => at > start && at < end).sort((a, b) => a - b),
        end,
      ]) {
        add(start, edge, shade, edges.length > 0 && !isWritten(start));
        start = edge;
      }
    };
    let at = from;
    for (let index = this.#app.partAt(from); index >= 0 && index < parts.length; index++) {
      const part = parts[index];
      const end = part.start + part.text.length;
      if (part.start >= to || end > known) break;
      const value = view.kind === "surprise" ? part.bits : values?.[index];
      const shade = value === undefined ? 0 : shadeOf(value, this.#range);
      addCut(Math.max(at, part.start), Math.min(end, to), shade);
      at = Math.max(at, Math.min(end, to));
    }
    addCut(at, to, 0);
    return runs;
  }

  /** A line under the character that is looked at; a bar's breadth at an end. */
  #showPlace() {
    const { caret, text } = this.#app;
    const character = text.codePointAt(caret);
    const end =
      character === undefined || character === 10 ? caret : caret + (character > 0xffff ? 2 : 1);
    const block = this.#blocks[this.#blockAt(caret)];
    const range = block === undefined || text === "" ? null : this.#rangeAt(caret, end);
    let rect = range === null ? undefined : [...range.getClientRects()].at(-1);
    const sheet = byId("sheet").getBoundingClientRect();
    if (rect === undefined || (caret === text.length && text.endsWith("\n"))) {
      // An empty line has no rectangle: it is the one after what stands before it.
      const above = caret > 0 ? this.#rangeAt(caret - 1, caret)?.getClientRects()[0] : undefined;
      const style = getComputedStyle(this.#field);
      rect = {
        left: sheet.left + parseFloat(style.paddingLeft),
        width: 0,
        height: 20,
        top: above === undefined ? sheet.top + parseFloat(style.paddingTop) + 4 : above.top + 28,
      };
    }
    this.#place.hidden = text === "";
    this.#place.style.transform = `translate(${rect.left - sheet.left}px, ${rect.top - sheet.top}px)`;
    this.#place.style.width = `${Math.max(8, rect.width)}px`;
    this.#place.style.height = `${rect.height}px`;
  }
}

/** A text cut after line ends, into pieces that are not small. */
function blocksOf(text) {
  const pieces = [];
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf("\n", from + BLOCK);
    const to = end < 0 || text.length - end < BLOCK ? text.length : end + 1;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}

/** Where the character before an offset begins. */
function beginningOfCharacter(text, offset) {
  const isPair =
    offset > 1 &&
    isLowSurrogate(text.charCodeAt(offset - 1)) &&
    isHighSurrogate(text.charCodeAt(offset - 2));
  return Math.max(0, offset - (isPair ? 2 : 1));
}

function* textNodesOf(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) yield walker.currentNode;
}
