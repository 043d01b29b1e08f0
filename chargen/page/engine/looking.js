"use strict";
// Inside the network: what was in each layer after the parts of a text. Writes nothing.
//
// Shapes: H hidden, N parts.

const NEXT = 5; // likeliest ones that are shown with a look
const OPEN = 0.9; // a gate beyond these is saturated (Karpathy et al. 2015)
const SHUT = 0.1;
const WRITTEN_TO_SEARCH = 2000; // characters that the model writes where a text is too short

/** What is in the network after the part that an offset is in, or after nothing; and before it. */
function lookAt(text, offset) {
  const index = Math.min(text.partAt(offset), text.parts.length - 1);
  const place = text.placeBefore(index + 1);
  const layers = [];
  text.tree.step(place, layers);
  const likeliest = text.choicesAfter(place, NEXT);
  const previous = memoryBefore(text, place);
  return { part: index, before: text.parts[index]?.start ?? 0, layers, previous, likeliest };
}

/** What each layer remembered before the token of a place: [{hidden, cell}]. */
function memoryBefore({ tree, model }, place) {
  const { cell, hidden_size: size, num_layers: count } = model.network.config;
  const state = place.parent ? tree.state(place.parent) : tree.start;
  const part = (index) => state.slice(index * size, (index + 1) * size);
  return Array.from({ length: count }, (_, layer) =>
    cell === "lstm" ? { hidden: part(layer), cell: part(count + layer) } : { hidden: part(layer) },
  );
}

/** A gate of a layer after each of the parts from one up to another, (N * H); without a gate what
 *  is remembered, between -1 and 1 but for ReLU. */
async function strip(text, { layer, gate, from, to }, job) {
  checkLayer(text, layer, null, gate);
  const size = text.model.network.config.hidden_size;
  const parts = text.parts.slice(from, to);
  const places = parts.map(({ end }) => text.path[end - 1]);
  const values = new Float32Array(parts.length * size);
  for (const [row, place] of places.entries()) {
    values.set(valuesOf(text, place, layer, gate), row * size);
    if (job.isDue) await job.rest();
    if (job.stopped) break;
  }
  return values;
}

/** The same of one unit, or the mean over the layer, after each part, (N). What was computed for
 *  the same unit is kept. */
async function unitValues(text, { layer, unit, gate }, job) {
  checkLayer(text, layer, unit, gate);
  const key = String([layer, unit, gate]);
  if (text.view.key !== key) text.view = { key, values: new WeakMap() };
  const known = text.view.values;
  const places = text.parts.map(({ end }) => text.path[end - 1]);
  const values = new Float32Array(places.length);
  for (const [row, place] of places.entries()) {
    if (!known.has(place)) {
      const found = valuesOf(text, place, layer, gate);
      known.set(place, unit === null ? meanOf(found) : found[unit]);
    }
    values[row] = known.get(place);
    if (job.isDue) await job.rest();
    if (job.stopped) break;
  }
  return values;
}

function meanOf(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** A gate of a layer at a place, or without one what it remembers, (H). */
function valuesOf({ tree, model }, place, layer, gate) {
  const { cell, hidden_size: size, num_layers: count } = model.network.config;
  if (gate !== null) {
    const layers = [];
    tree.step(place, layers);
    return layers[layer][gate];
  }
  const index = cell === "lstm" ? count + layer : layer;
  const memory = tree.state(place).slice(index * size, (index + 1) * size);
  return cell === "lstm" ? memory.map(Math.tanh) : memory;
}

function checkLayer({ model }, layer, unit, gate) {
  const { cell, hidden_size: size, num_layers: count } = model.network.config;
  if (!(Number.isInteger(layer) && layer >= 0 && layer < count)) {
    throw new PageError(`there is no layer ${layer}`);
  }
  if (unit !== null && !(Number.isInteger(unit) && unit >= 0 && unit < size)) {
    throw new PageError(`there is no unit ${unit}`);
  }
  if (gate !== null && !GATES[cell].includes(gate)) {
    throw new PageError(`cells of this kind have no ${gate} gate`);
  }
}

/** How each layer's gates were used along the text: [{layer, gate, mean, open, shut}], the mean and
 *  the shares of all values that were nearly open and nearly shut. */
async function gateUse(text, job, onShare) {
  const { cell, num_layers: count } = text.model.network.config;
  const path = text.path.slice();
  const use = Array.from({ length: count }, (_, layer) =>
    GATES[cell].map((gate) => ({ layer, gate, mean: 0, open: 0, shut: 0 })),
  ).flat();
  for (const [index, place] of path.entries()) {
    const layers = [];
    text.tree.step(place, layers);
    for (const sums of use) {
      const values = layers[sums.layer][sums.gate];
      const share = 1 / (values.length * path.length);
      for (const value of values) {
        sums.mean += value * share;
        if (value > OPEN) sums.open += share;
        if (value < SHUT) sums.shut += share;
      }
    }
    if (job.isDue) {
      onShare((index + 1) / path.length);
      await job.rest();
    }
    if (job.stopped) return null;
  }
  return use;
}

/** The cells that follow something, in the text if it is long enough, else in one that the model
 *  writes for it: {cells, searched: "text" or "written"}; null where the job was stopped. */
async function findCells(text, job, onShare) {
  const isLong = characters(text.toString()) >= MIN_TO_SEARCH;
  const searched = isLong ? text : await ownText(text.model, job, (share) => onShare(share / 2));
  if (job.stopped) return null;
  const parts = searched.parts.slice();
  const places = parts.map(({ end }) => searched.path[end - 1]);
  const stateAfter = (index) => searched.tree.state(places[index]);
  const search = findFollowers(text.model.network.config, parts, stateAfter);
  let step = search.next();
  while (!step.done) {
    if (job.isDue) {
      onShare(isLong ? step.value : (1 + step.value) / 2);
      await job.rest();
      if (job.stopped) return null;
    }
    step = search.next();
  }
  return { cells: step.value, searched: isLong ? "text" : "written" };
}

/** A text that the model writes, document after document. */
async function ownText(model, job, onShare) {
  const text = new Text(model);
  const options = { seed: 1, max_tokens: WRITTEN_TO_SEARCH };
  for (let row = 0; text.length < WRITTEN_TO_SEARCH && row < WRITTEN_TO_SEARCH; row++) {
    const onParts = () => onShare(Math.min(1, text.length / WRITTEN_TO_SEARCH));
    await text.write(sampleOptions({ ...options, row }), job, onParts);
    if (job.stopped) break;
  }
  return text;
}
