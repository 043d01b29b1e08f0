// Numbers as marks: a layer's units in a row, units over a text, and one curve over all of it. They
// are canvases, sharp on every screen, and draw what they are given.

// CSS pixels of a unit's mark, width and height; smaller ones where there are many units.
const MARK = { width: 3, height: 12 },
  SMALL_MARK = { width: 2, height: 5 },
  MANY_UNITS = 384;
const CURVE_HEIGHT = 52,
  TEXT_BASE = 72,
  MAP_TOP = 80,
  MAP_HEIGHT = 192; // from top to bottom
const COLUMN = 9,
  MOST_COLUMNS = 12; // pixels of a character in a map, and characters of a part
const WHOLE_HEIGHT = 48;

/** A canvas of so many CSS pixels with a context that draws in them. */
function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** The units that are strongest, in words for who does not see them: "17 (1.00), 4 (−0.98)". */
function strongestInWords(values, count = 5) {
  const order = [...values.keys()].sort(
    (one, other) => Math.abs(values[other]) - Math.abs(values[one]),
  );
  return order
    .slice(0, count)
    .map((unit) => `${unit} (${inDecimals(values[unit])})`)
    .join(", ");
}

class UnitStrip {
  #perLine = 1;
  #mark = 1;
  #lineHeight = 1;
  #values = [];

  /** The values of a layer after one step; `onChoose(unit)` where one is clicked. */
  constructor(onChoose) {
    this.element = make("canvas", { className: "strip", role: "img" });
    this.element.onclick = (event) => {
      const unit = this.#unitAt(event);
      if (unit < this.#values.length) onChoose(unit);
    };
    this.element.onpointermove = (event) => {
      const unit = this.#unitAt(event),
        value = this.#values[unit];
      this.element.title = value === undefined ? "" : `cell ${unit}: ${inDecimals(value)}`;
    };
  }

  #unitAt({ offsetX, offsetY }) {
    const inLine = Math.min(this.#perLine - 1, Math.max(0, Math.floor(offsetX / this.#mark)));
    return Math.max(0, Math.floor(offsetY / this.#lineHeight)) * this.#perLine + inLine;
  }

  /** Draw (H,) values, so many pixels wide; `unit` is marked, null: none. */
  draw(values, unit, shades, width) {
    const { width: least, height } = values.length > MANY_UNITS ? SMALL_MARK : MARK;
    const perLine = Math.max(1, Math.floor(width / least)),
      lines = Math.ceil(values.length / perLine);
    this.#values = values;
    this.#perLine = Math.ceil(values.length / lines);
    this.#mark = width / this.#perLine;
    this.#lineHeight = height + 1;
    const context = fitCanvas(this.element, width, lines * this.#lineHeight);
    const scale = Math.max(1, ...values.map(Math.abs)); // above 1 only where ReLU has no bound
    const place = (at) => [
      (at % this.#perLine) * this.#mark,
      Math.floor(at / this.#perLine) * this.#lineHeight,
    ];
    for (let at = 0; at < values.length; at++) {
      context.fillStyle = shades.css(values[at] / scale);
      context.fillRect(...place(at), Math.max(1, this.#mark - 0.5), height);
    }
    if (unit === null) return;
    const [x, y] = place(unit);
    context.strokeStyle = shades.ink;
    context.strokeRect(x - 0.5, y + 0.5, this.#mark + 0.5, height - 1);
  }
}

class UnitMap {
  #canvas = make("canvas", { className: "map", role: "img" });
  #image = document.createElement("canvas");
  #columns = [];

  /** The units of a layer, from top to bottom, over parts of a text, from left to right in the order
   * in which they are read. `onChoose({unit, part})` is called where one is clicked, `onPoint` where
   * a pointer is over one, with null where it has left. */
  constructor(onChoose, onPoint) {
    this.#canvas.onclick = (event) => this.#at(event, onChoose);
    this.#canvas.onpointermove = (event) => this.#at(event, onPoint);
    this.#canvas.onpointerleave = () => onPoint(null);
    this.element = this.#canvas;
  }

  /** Pixels that a part takes. */
  static widthOf({ text }) {
    return COLUMN * Math.min(MOST_COLUMNS, Math.max(1, [...visible(text)].length));
  }

  /** Draw `columns` of {part, text, width, values}, where these are (H,), or null where they are not
   * known yet. `current` is the part that is looked at, `unit` the one whose curve is drawn, or null:
   * the mean of the layer. Values are from -1 on, or from 0 where they are a gate's. Gives how far
   * they reach. */
  draw(columns, units, current, unit, isGate, shades, width) {
    const ratio = window.devicePixelRatio || 1;
    // A unit has whole pixels of the screen; where there are too many, several share a row.
    const pixels = Math.round(MAP_HEIGHT * ratio);
    const unitsPerRow = Math.ceil(units / pixels),
      rows = Math.ceil(units / unitsPerRow);
    const rowHeight = Math.max(1, Math.floor(pixels / rows)) / ratio;
    Object.assign(this, { unitsPerRow, rowHeight, units });
    let scale = 1; // above 1 only where ReLU has no bound
    for (const { values } of columns) {
      for (const value of values ?? []) scale = Math.max(scale, Math.abs(value));
    }
    this.#columns = columns;
    const context = fitCanvas(this.#canvas, width, MAP_TOP + rows * rowHeight);
    this.#paintUnits(columns, rows, unitsPerRow, scale, shades);
    context.imageSmoothingEnabled = false;
    context.textAlign = "center";
    context.font = `12px ${getComputedStyle(this.#canvas).fontFamily}`;
    const heightOf = (value) =>
      CURVE_HEIGHT * (isGate ? 1 - value / scale : (1 - value / scale) / 2) + 2;
    context.strokeStyle = shades.line;
    context.lineWidth = 1;
    for (const value of isGate ? [0, 1] : [-1, 0, 1]) {
      const y = Math.round(heightOf(value * scale)) + 0.5;
      context.strokeRect(0, y, width, 0);
    }
    const points = [];
    let x = 0;
    columns.forEach(({ part, text, width: wide, values }, at) => {
      if (part === current) {
        context.fillStyle = shades.soft;
        context.fillRect(x, 0, wide, MAP_TOP);
      }
      context.drawImage(this.#image, at, 0, 1, rows, x, MAP_TOP, wide, rows * rowHeight);
      context.fillStyle = part === current ? shades.ink : shades.dim;
      context.fillText(visible(text), x + wide / 2, TEXT_BASE, wide);
      if (part === current) {
        context.strokeStyle = shades.ink;
        context.strokeRect(x + 0.5, 0.5, wide - 1, MAP_TOP + rows * rowHeight - 1);
      }
      if (values)
        points.push([x + wide / 2, heightOf(unit === null ? meanOf(values) : values[unit])]);
      x += wide;
    });
    context.strokeStyle = shades.css(1);
    context.lineWidth = 1.5;
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.stroke();
    if (unit !== null) {
      context.fillStyle = shades.ink;
      const y = MAP_TOP + Math.floor(unit / unitsPerRow) * rowHeight;
      context.fillRect(x + 2, y - 1, 7, Math.max(2, rowHeight + 2));
    }
    return scale;
  }

  describe(words) {
    this.#canvas.setAttribute("aria-label", words);
  }

  /** One pixel for each unit, or each row of units, and part: it is stretched when it is drawn. */
  #paintUnits(columns, rows, unitsPerRow, scale, shades) {
    [this.#image.width, this.#image.height] = [Math.max(1, columns.length), rows];
    const context = this.#image.getContext("2d");
    const image = context.createImageData(this.#image.width, rows);
    columns.forEach(({ values }, x) => {
      for (let row = 0; values && row < rows; row++) {
        let strongest = 0;
        const last = Math.min(values.length, (row + 1) * unitsPerRow);
        for (let unit = row * unitsPerRow; unit < last; unit++) {
          if (Math.abs(values[unit]) > Math.abs(strongest)) strongest = values[unit];
        }
        shades.paint(image.data, 4 * (row * columns.length + x), strongest / scale);
      }
    });
    context.putImageData(image, 0, 0);
  }

  #at({ offsetX, offsetY }, tell) {
    let left = offsetX;
    const column = this.#columns.find(({ width }) => (left -= width) < 0);
    const row = Math.max(0, Math.floor((offsetY - MAP_TOP) / this.rowHeight));
    if (column === undefined) return;
    const unit = offsetY < MAP_TOP ? null : Math.min(this.units - 1, row * this.unitsPerRow);
    tell({ unit, part: column.part, values: column.values });
  }
}

class WholeCurve {
  #canvas = make("canvas", { className: "whole", role: "img" });
  #length = 0;

  /** What a text is colored by, from its beginning to its end; `onChoose(part)` where it is clicked. */
  constructor(onChoose) {
    this.#canvas.onclick = ({ offsetX }) => {
      const part = Math.floor((offsetX / this.#canvas.clientWidth) * this.#length);
      if (part < this.#length) onChoose(part);
    };
    this.element = this.#canvas;
  }

  /** `values` of the first of so many parts lie between `low` and `high`; `current` is marked. */
  draw(values, parts, low, high, current, shades, width) {
    this.#length = parts;
    const context = fitCanvas(this.#canvas, width, WHOLE_HEIGHT);
    const heightOf = (value) => (1 - (value - low) / (high - low || 1)) * (WHOLE_HEIGHT - 4) + 2;
    if (low < 0) {
      context.strokeStyle = shades.line;
      context.strokeRect(0, Math.round(heightOf(0)) + 0.5, width, 0);
    }
    if (current !== null) {
      context.fillStyle = shades.dim;
      context.fillRect(((current + 0.5) / parts) * width - 0.5, 0, 1, WHOLE_HEIGHT);
    }
    context.strokeStyle = shades.css(1);
    context.lineWidth = 1.25;
    context.beginPath();
    // Of many parts that share a pixel the lowest and the highest are drawn.
    const perPixel = Math.max(1, parts / (2 * width));
    for (let at = 0; at < values.length; at += perPixel) {
      const some = values.slice(
        Math.floor(at),
        Math.max(Math.floor(at) + 1, Math.floor(at + perPixel)),
      );
      const x = ((at + perPixel / 2) / parts) * width;
      context.lineTo(x, heightOf(Math.min(...some)));
      if (some.length > 1) context.lineTo(x, heightOf(Math.max(...some)));
    }
    context.stroke();
  }
}
