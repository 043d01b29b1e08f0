"use strict";
// JSON in the bytes of a file. Knows nothing of models.

/** The object that the bytes of a JSON file spell; `name` is what an error calls it. */
function readJson(name, bytes) {
  let content;
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new PageError(`${name} is damaged: it is not JSON`);
  }
  if (content === null || typeof content !== "object" || Array.isArray(content)) {
    throw new PageError(`${name} is damaged: it is not a JSON object`);
  }
  return content;
}
