"use strict";
// A network's numbers: which there must be, and float16 and int8 ones as float32. Computes nothing
// with them.
//
// Shapes: V vocabulary, E embedding, H hidden, G gates of a cell.

const NUM_GATES = { lstm: 4, gru: 3, rnn: 1 };

/** The shapes of a network's tensors by name, as chargen/nn/weights.py has them. */
function weightShapes(config, vocabSize) {
  const hidden = config.hidden_size;
  const wide = NUM_GATES[config.cell] * hidden;
  const shapes = new Map([["seen", [vocabSize]]]);
  if (!config.tie_weights) shapes.set("embedding.weight", [vocabSize, config.embedding_size]);
  for (let layer = 0; layer < config.num_layers; layer++) {
    const below = layer ? hidden : config.embedding_size;
    shapes.set(`layers.${layer}.weight_ih_l0`, [wide, below]);
    shapes.set(`layers.${layer}.weight_hh_l0`, [wide, hidden]);
    shapes.set(`layers.${layer}.bias_ih_l0`, [wide]);
    shapes.set(`layers.${layer}.bias_hh_l0`, [wide]);
    if (config.layer_norm) {
      shapes.set(`norms.${layer}.weight`, [hidden]);
      shapes.set(`norms.${layer}.bias`, [hidden]);
    }
  }
  return shapes.set("head.weight", [vocabSize, hidden]).set("head.bias", [vocabSize]);
}

/** The tensors of a file -> Float32Arrays by name, and `seen` as Uint8Array (V). */
function readWeights(config, vocabSize, tensors) {
  const damaged = (why) =>
    new PageError(`model.safetensors is damaged: ${why}`, "copy it again, or use another");
  const weights = new Map();
  const shapes = weightShapes(config, vocabSize);
  for (const [name, shape] of shapes) {
    const found = tensors.get(name);
    if (!found || String(found.shape) !== String(shape)) {
      throw damaged(`${name} is missing or has the wrong shape`);
    }
    weights.set(name, name === "seen" ? found.data : asFloats(name, found, tensors, damaged));
  }
  for (const name of tensors.keys()) {
    const isScale = name.endsWith(".scale") && tensors.get(name.slice(0, -6))?.dtype === "I8";
    if (!shapes.has(name) && !isScale) throw damaged(`${name} is unknown`);
  }
  for (const [name, numbers] of weights) {
    if (!numbers.every(Number.isFinite)) throw damaged(`${name} holds a number that is not finite`);
  }
  if (tensors.get("seen").dtype !== "BOOL") throw damaged("seen has the wrong type");
  if (!weights.get("seen").some(Boolean)) throw damaged("seen names no token");
  return weights;
}

/** A tensor's numbers as Float32Array. A row of int8 is multiplied by the row's scale. */
function asFloats(name, { dtype, shape, data }, tensors, damaged) {
  if (dtype === "F32") return data;
  const floats = new Float32Array(data.length);
  if (dtype === "F16") {
    for (let at = 0; at < data.length; at++) floats[at] = fromHalf(data[at]);
    return floats;
  }
  const scale = tensors.get(`${name}.scale`);
  if (dtype !== "I8" || scale?.dtype !== "F32" || scale.data.length !== shape[0]) {
    throw damaged(`${name} has the wrong type, or no scale for each row`);
  }
  const width = data.length / shape[0];
  for (let row = 0, at = 0; row < shape[0]; row++) {
    for (const end = at + width; at < end; at++) floats[at] = data[at] * scale.data[row];
  }
  return floats;
}

/** The 16 bits of a float16 -> the number. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
