// The network unrolled over three steps of time, as SVG: a character in, the layers, the likeliest
// out, and on the arrows of one cell the numbers that flow. Draws what it is given.

const NODE_HEIGHT = 36,
  LAYER_PITCH = 76;
const OUTPUTS_HEIGHT = 58,
  OUTPUT_ROW = 17; // of the likeliest above each column
const INPUT_HEIGHT = 62,
  LETTER_HEIGHT = 26;
const MAX_NODE_WIDTH = 120,
  NARROW_NODE = 72,
  MIN_GAP = 46,
  TAIL = 18,
  DIGIT = 7.3;
const MARKS = 24; // of units in a layer's box

/** An element of SVG with these attributes; children are elements or text. */
function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A text of so many characters at most. */
function shortened(text, most = 10) {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

/** A step is {text, layers, likeliest, next, current, coming}: its input, each layer's values after
 * it, the {text, probability} likeliest after it, the text that did follow (null: none), whether it
 * is the one that is looked at, and whether it is still to come: then there are no values. */
class NetworkDrawing {
  constructor() {
    this.element = makeSvg("svg", { class: "network", role: "img" });
  }

  /** Draw `steps` of a network, {cell, numLayers}, and the numbers of the `chosen` {layer, unit}, so
   * many pixels wide. */
  draw(steps, network, chosen, shades, width) {
    // Before each box there is room for a number on the arrow to it.
    const pitch = (width - TAIL) / steps.length;
    const node = Math.min(pitch - Math.max(MIN_GAP, 0.4 * pitch), MAX_NODE_WIDTH);
    const gap = pitch - node;
    const frame = {
      ...network,
      chosen,
      shades,
      width,
      node,
      gap,
      height: OUTPUTS_HEIGHT + network.numLayers * LAYER_PITCH + INPUT_HEIGHT,
      leftOf: (place) => gap + place * pitch,
      topOf: (layer) => OUTPUTS_HEIGHT + (network.numLayers - layer) * LAYER_PITCH - NODE_HEIGHT,
    };
    const { height, leftOf, topOf } = frame;
    for (const [name, value] of Object.entries({
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
    })) {
      this.element.setAttribute(name, value);
    }
    const current = steps.findIndex((step) => step.current);
    this.element.replaceChildren(
      makeSvg("rect", { x: leftOf(current) - gap / 2, y: 0, width: pitch, height, class: "now" }),
      ...steps.map((step, place) => this.#step(step, place, steps.length - 1, frame)),
    );
    for (let layer = 0; layer < network.numLayers; layer++) {
      const place = { x: 0, y: topOf(layer) + NODE_HEIGHT / 2 + 16, class: "layer" };
      this.element.append(makeSvg("text", place, `layer ${layer}`));
    }
  }

  #step(step, place, last, frame) {
    const { cell, numLayers, chosen, height, node, gap, leftOf, topOf } = frame;
    const left = leftOf(place),
      x = left + node / 2;
    const group = makeSvg("g", { class: step.coming ? "coming" : "step" });
    const input = step.text === null ? "" : shortened(visible(step.text));
    group.append(makeSvg("text", { x, y: height - 8, class: "input" }, input));
    for (let layer = 0; layer < numLayers; layer++) {
      const top = topOf(layer),
        y = top + NODE_HEIGHT / 2,
        isChosen = layer === chosen.layer;
      const unit = isChosen ? chosen.unit : null;
      const values = step.layers && unitOf(step.layers[layer], unit);
      const { kept, written, output } = values ? flowsOf(cell, values) : NO_FLOWS;
      const below = layer === 0 ? height - LETTER_HEIGHT : topOf(layer - 1);
      group.append(
        this.#arrow(left - gap, y, left, y, kept, isChosen),
        this.#arrow(x, below, x, top + NODE_HEIGHT, written, isChosen),
        this.#box(left, top, step.layers?.[layer], values, isChosen, frame),
      );
      if (layer === numLayers - 1) group.append(this.#arrow(x, top, x, OUTPUTS_HEIGHT, null));
      if (place === last) group.append(this.#arrow(left + node, y, frame.width, y, null));
      if (!isChosen || !values) continue;
      if (kept) group.append(this.#flow(kept, left - gap / 2 - 2, y - 9, "middle"));
      if (written)
        group.append(this.#beside(written, x, (below + top + NODE_HEIGHT) / 2 + 8, frame));
      if (output) group.append(this.#beside(output, x, top - 13, frame));
    }
    group.append(this.#outputs(step, left, frame));
    return group;
  }

  /** An arrow as strong as its flow; without one it is plain. */
  #arrow(x1, y1, x2, y2, flow, isChosen = false) {
    const length = Math.hypot(x2 - x1, y2 - y1),
      dx = (x2 - x1) / length,
      dy = (y2 - y1) / length;
    const bx = x2 - 7 * dx,
      by = y2 - 7 * dy;
    const head = `${x2},${y2} ${bx - 4.5 * dy},${by + 4.5 * dx} ${bx + 4.5 * dy},${by - 4.5 * dx}`;
    const line = makeSvg("line", { x1, y1, x2: bx, y2: by });
    const arrow = makeSvg("g", { class: flow && isChosen ? "arrow chosen" : "arrow" });
    arrow.append(line, makeSvg("polygon", { points: head }));
    if (flow) {
      line.style.strokeWidth = (0.75 + 5 * flow.value).toFixed(2);
      arrow.style.opacity = (0.3 + 0.7 * flow.value).toFixed(2);
    }
    return arrow;
  }

  /** The number on an arrow. */
  #flow({ symbol, value }, x, y, anchor) {
    const text = `${symbol} ${inDecimals(value)}`;
    const label = makeSvg("text", { x, y, "text-anchor": anchor, class: "flow" }, text);
    Object.assign(label.dataset, { symbol, value });
    return label;
  }

  /** The same to the right of an arrow that goes up, or to the left where the last has no room. */
  #beside(flow, x, y, { node }) {
    const label = this.#flow(flow, x + 9, y, "start");
    if (9 + label.textContent.length * DIGIT <= node / 2 + TAIL) return label;
    return this.#flow(flow, x - 9, y, "end");
  }

  /** A layer: the number that the chosen cell remembers, or marks of some of its units. */
  #box(left, top, layer, values, isChosen, { chosen, node, shades }) {
    const box = makeSvg("g", { class: isChosen ? "box chosen" : "box" });
    const outline = makeSvg("rect", { x: left, y: top, width: node, height: NODE_HEIGHT, rx: 3 });
    box.append(outline);
    if (!layer) return box;
    if (isChosen) {
      const symbol = values.cell === undefined ? "h" : "c",
        value = values.cell ?? values.hidden;
      outline.style.fill = shades.css(symbol === "c" ? Math.tanh(value) : value, 0.5);
      const text = `${chosen.unit === null ? "mean " : ""}${symbol} ${inDecimals(value)}`;
      const place = { x: left + node / 2, y: top + NODE_HEIGHT / 2 + 5, class: "memory" };
      const label = makeSvg("text", place, text);
      Object.assign(label.dataset, { symbol, value });
      box.append(label);
      return box;
    }
    const memory = memoryOf(layer),
      scale = Math.max(1, ...memory.map(Math.abs));
    const count = Math.min(MARKS, memory.length),
      pitch = (node - 8) / count;
    for (let at = 0; at < count; at++) {
      const place = {
        x: left + 4 + at * pitch,
        y: top + 4,
        width: pitch - 0.5,
        height: NODE_HEIGHT - 8,
      };
      const mark = makeSvg("rect", place);
      mark.style.fill = shades.css(memory[Math.floor((at * memory.length) / count)] / scale);
      box.append(mark);
    }
    return box;
  }

  /** The three likeliest after a step, with bars; what did follow is marked. */
  #outputs(step, left, { node, shades }) {
    const group = makeSvg("g", { class: "outputs" });
    const share = node < NARROW_NODE ? (chance) => percent(chance).replace(" ", "") : percent;
    const most = Math.max(1, Math.floor(node / DIGIT) - 6); // characters beside "<0.1%"
    for (const [row, { text, probability }] of (step.likeliest ?? []).slice(0, 3).entries()) {
      const y = row * OUTPUT_ROW,
        followed = text === step.next ? "followed" : "";
      const bar = makeSvg("rect", {
        x: left,
        y,
        width: node * probability,
        height: OUTPUT_ROW - 2,
      });
      bar.style.fill = shades.css(1, 0.28);
      group.append(
        bar,
        makeSvg(
          "text",
          { x: left + 4, y: y + 12, class: followed },
          shortened(visible(text), most),
        ),
        makeSvg(
          "text",
          { x: left + node - 2, y: y + 12, "text-anchor": "end" },
          share(probability),
        ),
      );
    }
    return group;
  }
}
