"use strict";
// The network: a token and what is remembered in, what comes next and what is remembered then out.
// All of it is here: the embedding, recurrent layers whose cells are their equations, the output.
//
// Shapes: V vocabulary, E embedding, H hidden, G gates of a cell, L layers, P parts of the state.

const NORM_EPSILON = 1e-5;
const MAX_TABLE_FLOATS = 1 << 24; // of what the first layer reads, one row a token

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const tanh = (x) => 1 - 2 / (1 + Math.exp(2 * x));

// Each takes what comes from below and from the step before, (G * H) each, biases included, and the
// memory before; and writes what there is then into `now`: its arrays are (H) each.
const CELLS = {
  // Hochreiter and Schmidhuber (1997): what is forgotten, what is let in, what is let out.
  lstm(read, recurrent, before, now) {
    const { length: H } = now.hidden;
    for (let j = 0; j < H; j++) {
      const i = sigmoid(read[j] + recurrent[j]);
      const f = sigmoid(read[H + j] + recurrent[H + j]);
      const g = tanh(read[2 * H + j] + recurrent[2 * H + j]);
      const o = sigmoid(read[3 * H + j] + recurrent[3 * H + j]);
      const c = f * before.cell[j] + i * g;
      now.hidden[j] = o * tanh(c);
      now.cell[j] = c;
      now.input[j] = i;
      now.forget[j] = f;
      now.output[j] = o;
      now.candidate[j] = g;
    }
  },
  // Cho et al. (2014): an update gate that is open keeps what was there.
  gru(read, recurrent, before, now) {
    const { length: H } = now.hidden;
    for (let j = 0; j < H; j++) {
      const r = sigmoid(read[j] + recurrent[j]);
      const z = sigmoid(read[H + j] + recurrent[H + j]);
      const n = tanh(read[2 * H + j] + r * recurrent[2 * H + j]);
      now.hidden[j] = (1 - z) * n + z * before.hidden[j];
      now.reset[j] = r;
      now.update[j] = z;
      now.candidate[j] = n;
    }
  },
  // Elman (1990).
  rnn(read, recurrent, before, now, isRelu) {
    for (let j = 0; j < now.hidden.length; j++) {
      const a = read[j] + recurrent[j];
      now.hidden[j] = isRelu ? Math.max(0, a) : tanh(a);
    }
  },
};
const GATES = { lstm: ["input", "forget", "output"], gru: ["reset", "update"], rnn: [] };

class Network {
  /** `config` is "model" of config.json, `tensors` what readSafetensors found. */
  constructor(config, vocabSize, tensors) {
    const weights = readWeights(config, vocabSize, tensors);
    const { hidden_size: H, num_layers: L } = config;
    this.config = config;
    this.freshAt = null; // the token before which all that was read is forgotten, if there is one
    this.vocabSize = vocabSize;
    this.seen = weights.get("seen"); // (V) never sample what training never saw
    this.embedding = weights.get(config.tie_weights ? "head.weight" : "embedding.weight");
    this.head = { matrix: weights.get("head.weight"), bias: weights.get("head.bias") };
    const wide = NUM_GATES[config.cell] * H;
    const scratch = GATES[config.cell].concat(config.cell === "rnn" ? [] : ["candidate"]);
    this.layers = Array.from({ length: L }, (_, layer) => {
      const of = (name) => weights.get(`layers.${layer}.${name}_l0`);
      return {
        read: { matrix: of("weight_ih"), bias: of("bias_ih") },
        recur: { matrix: of("weight_hh"), bias: of("bias_hh") },
        norm: ["weight", "bias"].map((name) => weights.get(`norms.${layer}.${name}`)),
        values: Object.fromEntries(scratch.map((name) => [name, new Float32Array(H)])),
      };
    });
    // What the first layer reads of a token is computed when the token first comes.
    this.table = vocabSize * wide <= MAX_TABLE_FLOATS ? new Array(vocabSize) : null;
    this.room = [new Float32Array(wide), new Float32Array(wide)];
    this.logits = new Float32Array(vocabSize);
  }

  /** (P * H) of nothing read yet: the h of each layer, then an LSTM's c of each; all zeros. */
  initialState() {
    const parts = this.config.num_layers * (this.config.cell === "lstm" ? 2 : 1);
    return new Float32Array(parts * this.config.hidden_size);
  }

  /** One token after a state, (P * H) -> the logits (V) of the next, which the next step
   *  overwrites, and a new state. A `trace` gets what was in each layer, from below. */
  step(token, state, trace) {
    const { cell, hidden_size: H, num_layers: L, embedding_size: E } = this.config;
    const { residual, layer_norm: norms, nonlinearity } = this.config;
    const after = new Float32Array(state.length);
    if (token === this.freshAt) state = this.initialState();
    const part = (of, index) => of.subarray(index * H, (index + 1) * H); // (H)
    let x = this.embedding.subarray(token * E, (token + 1) * E); // (E), then (H)
    this.layers.forEach((layer, index) => {
      const read = index ? multiply(layer.read, x, this.room[0]) : this.readFirst(token, x);
      const recurrent = multiply(layer.recur, part(state, index), this.room[1]); // (G * H)
      const before = { hidden: part(state, index), cell: part(state, L + index) };
      const now = { ...layer.values, hidden: part(after, index) };
      if (cell === "lstm") now.cell = part(after, L + index);
      CELLS[cell](read, recurrent, before, now, nonlinearity === "relu");
      if (trace) trace.push(copied(now));
      const y = norms ? normalised(now.hidden, layer.norm) : now.hidden; // (H)
      x = residual && x.length === H ? y.map((number, j) => x[j] + number) : y;
    });
    return { logits: multiply(this.head, x, this.logits), state: after };
  }

  /** What the first layer reads of a token, whose embedding is x, (E) -> (G * H). */
  readFirst(token, x) {
    const { read } = this.layers[0];
    if (this.table === null) return multiply(read, x, this.room[0]);
    return (this.table[token] ??= multiply(read, x, new Float32Array(read.bias.length)));
  }
}

/** Layer normalisation (Ba et al. 2016) of y, (H). */
function normalised(y, [weight, bias]) {
  const mean = y.reduce((sum, number) => sum + number, 0) / y.length;
  const variance = y.reduce((sum, number) => sum + (number - mean) ** 2, 0) / y.length;
  const scale = 1 / Math.sqrt(variance + NORM_EPSILON);
  return y.map((number, j) => (number - mean) * scale * weight[j] + bias[j]);
}

function copied(values) {
  return Object.fromEntries(Object.entries(values).map(([name, array]) => [name, array.slice()]));
}
