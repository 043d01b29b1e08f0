"use strict";
// A checkpoint's files -> a model that is ready. Everything in them that can be refused is refused
// here, and what is told apart: not chargen's, of a newer version, damaged.

const NEWEST_FORMAT = 9;
const NEWEST_EXPORT = 1;
const MAX_LAYERS = 64; // of ModelConfig: more would only take time until they are missed
const MODES = ["story", "complete", "chat"];
const LINE_TOKENS = 1000; // in which a line should have ended
const KIND_WORDS = { char: "characters", byte: "bytes", subword: "subwords", word: "words" };
// What formats before these had no names for.
const ADDED_OPTIONS = { layer_norm: false, residual: false, fresh_state: false, chrono: 0 };
const DAMAGED_HINT = "copy it again, or use another";
const DOCUMENT_ENDS = { file: "", line: "\n", paragraph: "\n\n" };

/** {name: bytes} of a checkpoint or an export -> the Model. */
function openModel(files) {
  const config = readConfig(files);
  const extra = readExport(files, config.model);
  const tokenizerFile = config.tokenizer === "subword" ? "tokenizer.model" : "tokenizer.json";
  const required = ["model.safetensors", tokenizerFile];
  for (const name of required) {
    if (!files[name]) {
      throw new PageError(`${name} is missing`, "give all files of the checkpoint at once");
    }
  }
  const hashes = extra ? extra.sha256 : config.sha256;
  for (const [name, bytes] of Object.entries(files)) {
    const mustMatch = extra ? name !== "export.json" : required.includes(name);
    if (mustMatch && sha256(bytes) !== hashes?.[name]) {
      throw new PageError(`${name} is damaged: its sha256 is not the one on record`, DAMAGED_HINT);
    }
  }
  const tensors = readSafetensors(files["model.safetensors"]);
  const network = new Network(config.model, config.vocab_size, tensors);
  const tokenizer = openTokenizer(config.tokenizer, files[tokenizerFile]);
  if (tokenizer.vocabSize !== config.vocab_size) {
    throw new PageError(`${tokenizerFile} is not the one of this model`, DAMAGED_HINT);
  }
  return new Model(config, extra, network, tokenizer, { files, tensors });
}

/** config.json, checked as far as the engine needs it. */
function readConfig(files) {
  if (!files["config.json"]) {
    throw new PageError(
      "config.json is missing",
      "give all files of a checkpoint, or an exported page",
    );
  }
  const config = readJson("config.json", files["config.json"]);
  const foreign = (why) => new PageError(`config.json is not that of a chargen model: ${why}`);
  if (!Number.isInteger(config.format) || config.format < 1) throw foreign("it names no format");
  if (config.format > NEWEST_FORMAT) {
    throw new PageError(
      `this model was written by a newer version of chargen (format ${config.format}, this page ` +
        `reads 1 to ${NEWEST_FORMAT})`,
      "open it in a page of that version",
    );
  }
  const model = { ...ADDED_OPTIONS, ...config.model };
  if (!isText(model.cell) || !Object.hasOwn(NUM_GATES, model.cell))
    throw foreign(`there is no cell “${model.cell}”`);
  const sizes = [model.hidden_size, model.num_layers, model.embedding_size, config.vocab_size];
  if (
    !sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 1e6) ||
    model.num_layers > MAX_LAYERS
  ) {
    throw foreign("its sizes are none");
  }
  if (!Object.hasOwn(KIND_WORDS, config.tokenizer)) {
    throw foreign(`there is no tokenizer “${config.tokenizer}”`);
  }
  const options = { documents: "file", user: "You:", bot: "Bot:", ...config.corpus_options };
  if (!Object.hasOwn(DOCUMENT_ENDS, options.documents)) {
    throw foreign(`there are no documents “${options.documents}”`);
  }
  if (!isText(options.user) || !isText(options.bot)) throw foreign("its roles are no texts");
  const { temperature, min_p: minP, stop, mode } = config.sampling ?? {};
  const areSound = [temperature ?? 1, minP ?? 0].every(Number.isFinite);
  if (!areSound || !isList(stop ?? [], isText) || !MODES.includes(mode ?? "story")) {
    throw foreign("nothing can be sampled as it says");
  }
  return { ...config, model, corpus_options: options };
}

/** export.json where there is one, else null; its cells are some of the network's. */
function readExport(files, { num_layers: layers, hidden_size: size }) {
  if (!files["export.json"]) return null;
  const extra = readJson("export.json", files["export.json"]);
  const hasHashes = typeof (extra.sha256 ?? 0) === "object";
  if (!Number.isInteger(extra.format) || extra.format < 1 || !hasHashes) {
    throw new PageError("export.json is not that of a chargen page");
  }
  if (extra.format > NEWEST_EXPORT) {
    throw new PageError(
      "this page was written by a newer version of chargen",
      "open that page itself",
    );
  }
  const { name, text, view, cells, memory } = extra;
  const isBelow = (at, end) => Number.isInteger(at) && at >= 0 && at < end;
  const isCell = (cell) => isBelow(cell?.layer, layers) && isBelow(cell.unit ?? 0, size);
  const isSound =
    isText(name ?? "") &&
    isText(text ?? "") &&
    isCell(view ?? { layer: 0 }) &&
    isList(cells ?? [], (cell) => isCell(cell) && Number.isFinite(cell.correlation)) &&
    isMemory(memory ?? null);
  if (!isSound) throw new PageError("export.json is damaged", "export the page again");
  return extra;
}

const isText = (value) => typeof value === "string";
const isList = (value, isOne) => Array.isArray(value) && value.every(isOne);

/** Whether these are the curves of MemoryCurves, or none. */
function isMemory(memory) {
  if (memory === null) return true;
  const areNumbers = (list, like) =>
    isList(list, Number.isFinite) && list.length > 0 && list.length === like.length;
  const { contexts, loss, distances, gradient_norm: norms, cell_gradient_norm: ofCells } = memory;
  return (
    areNumbers(loss, contexts ?? []) &&
    areNumbers(contexts, loss) &&
    areNumbers(norms, distances ?? []) &&
    areNumbers(distances, norms) &&
    ((ofCells ?? null) === null || areNumbers(ofCells, norms))
  );
}

class Model {
  constructor(config, extra, network, tokenizer, { files, tensors }) {
    this.network = network;
    this.tokenizer = tokenizer;
    if (config.model.fresh_state) network.freshAt = tokenizer.end;
    this.documents = config.corpus_options.documents;
    this.endText = DOCUMENT_ENDS[this.documents]; // what the end of a document shows
    this.lineEnd = "\n";
    this.about = aboutOf(config, extra, network, files, tensors);
    this.lineEnd = this.#findLineEnd();
  }

  /** What a token spells; bytes that are no whole characters as <E4>. */
  textOf(token) {
    if (token === this.tokenizer.end) return this.endText;
    return this.textOfBytes(this.tokenizer.pieces[token]);
  }

  textOfBytes(bytes) {
    const text = textOf(bytes);
    if (text !== null) return withLf(text);
    const digits = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
    return [...bytes].map((byte) => `<${digits(byte)}>`).join("");
  }

  /** The tokens of a text, or of the rest of one: [{token, text}], where `text` is what the token
   *  stands for if that is not what it spells. */
  *tokensOf(text, isRest) {
    for (const { text: document, separator } of splitDocuments(text, this.documents, isRest)) {
      for (const chunk of chunksOf(document)) {
        for (const token of this.tokenizer.encode(this.withOwnLineEnds(chunk))) yield { token };
      }
      if (separator) yield { token: this.tokenizer.end, text: separator };
    }
  }

  withOwnLineEnds(text) {
    return this.lineEnd === "\n" ? text : text.replaceAll("\n", this.lineEnd);
  }

  /** What ends a line in the model's texts: LF, CRLF or CR; as TextGenerator.line_end. */
  #findLineEnd() {
    const known = this.tokenizer.pieces.filter((_, token) => this.network.seen[token]);
    const has = (byte) => known.some((piece) => piece.includes(byte));
    if (!has(10)) return has(13) && this.documents === "file" ? "\r" : "\n";
    if (!has(13)) return "\n";
    // A stray CR makes no text of CRLF: what does the model itself end a line with?
    const options = sampleOptions({ seed: 1, max_tokens: LINE_TOKENS });
    const tree = new StateTree(this.network, this.tokenizer.end);
    const written = new Continuation(this, tree, tree.root, [], options, new RandomStream(1));
    let text = "";
    while (written.reason === null && !text.includes("\n")) text += written.step()?.text ?? "";
    return text.includes("\r\n") ? "\r\n" : "\n";
  }
}

/** A text in pieces, each of which is cut into tokens by itself: between lines or words, if it has
 *  such. */
function* chunksOf(text) {
  let at = 0;
  while (text.length - at > ENCODED_AT_ONCE) {
    let stop = at + ENCODED_AT_ONCE;
    const line = text.lastIndexOf("\n", stop - 1) + 1;
    const word = text.lastIndexOf(" ", stop - 1);
    if (line > at) stop = line;
    else if (word > at)
      stop = word; // a word begins with the space before it
    else if (/[\udc00-\udfff]/.test(text[stop])) stop--;
    yield text.slice(at, stop);
    at = stop;
  }
  yield text.slice(at);
}

/** What the page says of a model. */
function aboutOf(config, extra, network, files, tensors) {
  const { cell, hidden_size: size, num_layers: count, embedding_size: embedding } = config.model;
  const layers = count === 1 ? `1 layer of ${size}` : `${count} layers of ${size}`;
  let parameters = 0;
  for (const [name, shape] of weightShapes(config.model, config.vocab_size)) {
    if (name !== "seen") parameters += shape.reduce((product, side) => product * side, 1);
  }
  const { user, bot } = config.corpus_options;
  const card = files["README.md"];
  return {
    name: extra?.name ?? config.corpus?.name ?? "",
    title: `${cell.toUpperCase()}, ${layers}, ${KIND_WORDS[config.tokenizer]}`,
    kind: config.tokenizer,
    vocabSize: config.vocab_size,
    cell,
    hiddenSize: size,
    numLayers: count,
    embeddingSize: embedding,
    parameters,
    bytes: Object.values(files).reduce((sum, file) => sum + file.length, 0),
    weights: { F32: "float32", F16: "float16", I8: "int8" }[tensors.get("head.weight").dtype],
    gates: GATES[cell],
    card: card ? new TextDecoder().decode(card) : null,
    config,
    roles: [user, bot],
    documents: config.corpus_options.documents,
    sampling: config.sampling ?? {},
    scores: config.scores ?? null,
    memory: extra?.memory ?? null,
    cells: extra?.cells ?? [],
    text: extra?.text ?? null,
    view: extra?.view ?? null,
  };
}
