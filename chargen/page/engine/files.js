"use strict";
// Bytes as a page holds them, and as JSON. Knows nothing of models.

/** Base64, as a page holds its files -> bytes. */
function fromBase64(text) {
  let spelled;
  try {
    spelled = atob(text);
  } catch {
    throw new PageError("a file in the page is damaged: it is not base64");
  }
  const bytes = new Uint8Array(spelled.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = spelled.charCodeAt(at);
  return bytes;
}

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
