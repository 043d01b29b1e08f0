"use strict";
// Elements of the page, found and made; and texts as people see them. What comes from a model or a
// file goes in as text, never as markup.

const byId = (id) => document.getElementById(id);

/** A new element with these properties and children; null children are left out. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

const SIGNS = { "\n": "↵", "\r": "↵", "\t": "⇥", " ": "␣", "": "end" };

/** A token's text with signs for what is not seen, or would turn the direction of what follows. */
function visible(text) {
  return (
    SIGNS[text] ??
    text
      .replace(/[\n\r\t ]/g, (sign) => SIGNS[sign])
      .replace(/[\u2028-\u202e\u2066-\u2069]/g, "\ufffd")
      .replace(/[\x00-\x1f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
  );
}

/** A probability as people read it. */
function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1 %";
  if (share < 1 && share >= 0.995) return ">99 %";
  return (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";
}

const inThousands = (count) => count.toLocaleString("en-US");
const counted = (count, noun) => `${inThousands(count)} ${noun}${count === 1 ? "" : "s"}`;
