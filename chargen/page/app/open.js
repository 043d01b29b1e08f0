// Where a model comes from: this page itself, files that somebody brings, or the server. All of them
// end as {name: ArrayBuffer}, which the engine opens.

const PARTS_OF_A_MODEL = [
  "config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer.model",
  "README.md",
  "export.json",
];
const NO_MODEL = "bring an exported page, or the files of a checkpoint's folder";

/** The files that an exported page holds; {} of one that holds none. */
function filesWithin(page) {
  const files = {};
  for (const script of page.querySelectorAll("script[data-file]")) {
    files[script.dataset.file] = bytesOf(script.textContent);
  }
  return files;
}

function bytesOf(base64) {
  let letters;
  try {
    letters = atob(base64);
  } catch {
    throw new Refusal("the page's model is damaged", "export it again");
  }
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes.buffer;
}

/** The model in files that somebody chose or dropped, an exported page or a checkpoint's, and the
 * name of the folder that they come from, if it is known: {files, name}. Or the text in one: {text}. */
async function filesOf(given) {
  const html = given.find((file) => /\.html?$/i.test(file.name));
  if (html !== undefined) {
    // This page's policy holds for it, too, and would refuse another version's style aloud.
    const text = (await html.text()).replace(/<style>.*?(<\/style>|$)/gs, "");
    const page = new DOMParser().parseFromString(text, "text/html");
    const files = filesWithin(page);
    if (Object.keys(files).length > 0) return { files, name: null };
    throw new Refusal(`${html.name} holds no model of chargen`, NO_MODEL);
  }
  const [first] = given;
  if (given.length === 1 && /\.(txt|md)$/i.test(first.name)) return { text: await first.text() };
  const files = {};
  let name = null;
  for (const file of given) {
    name = file.webkitRelativePath?.split("/").at(-2) || file.folder || name;
    if (PARTS_OF_A_MODEL.includes(file.name)) files[file.name] = await file.arrayBuffer();
  }
  if (files["config.json"] !== undefined && files["model.safetensors"] !== undefined) {
    return { files, name };
  }
  const names =
    given
      .slice(0, 3)
      .map((file) => file.name)
      .join(", ") || "nothing";
  const isPacked = given.some((file) => /\.zip$/i.test(file.name));
  throw new Refusal(
    `there is no model in ${names}`,
    isPacked ? "unpack it first, and bring the files in it" : NO_MODEL,
  );
}

/** The files of a drop, those in its folders too. */
async function filesDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) {
    if (entry.isFile) {
      found.push(await fileOf(entry));
      continue;
    }
    const reader = entry.createReader();
    for (;;) {
      // a reader gives so many at a time
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) break;
      for (const inner of some) {
        if (!inner.isFile || !PARTS_OF_A_MODEL.includes(inner.name)) continue;
        found.push(Object.assign(await fileOf(inner), { folder: entry.name }));
      }
    }
  }
  return found;
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
