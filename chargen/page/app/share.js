// A link that holds the text and how it goes on, after the `#`, which no server gets to see.

const LONGEST_LINK = 30_000; // characters, which mail and messengers let through

/** The part of a link after `#`; a text that is too long is left out, which `isWhole` tells. */
function linkOf({ text, mode, given, model }) {
  const fields = new URLSearchParams(text === "" ? {} : { text });
  fields.set("mode", mode);
  // One that was emptied is off, whatever the model wants.
  for (const [name, value] of given) fields.set(name, value);
  if (model !== null) fields.set("model", model);
  const isWhole = fields.toString().length <= LONGEST_LINK;
  if (!isWhole) fields.delete("text");
  return { hash: `#${fields}`, isWhole };
}

/** What a link says: {text, mode, model, settings: [[name, value]]}, null where it says nothing. */
function readLink(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const known = [...SETTINGS, ...FURTHER].map(({ name }) => name);
  const mode = fields.get("mode");
  const text = fields.get("text");
  return {
    // What is longer was not made by a page, and would be read for long.
    text: text === null || hash.length > LONGEST_LINK ? null : text.replace(/\r\n?/g, "\n"),
    mode: ["story", "complete", "chat"].includes(mode) ? mode : null,
    model: fields.get("model"),
    settings: [...fields].filter(([name]) => known.includes(name)),
  };
}

/** Put a text where pasting takes it from; whether that was allowed. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // no permission, or no such thing over plain http
    const field = make("textarea", { value: text, className: "unseen", readOnly: true });
    document.body.append(field);
    const focused = document.activeElement;
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    focused?.focus({ preventScroll: true });
    return isDone;
  }
}
