"use strict";
// What the engine refuses, in words that a reader of the page can use.

/** A mistake that is not the engine's: `message` says what and why, `hint` the way out, if any. */
class PageError extends Error {
  constructor(message, hint = "") {
    super(message);
    this.name = "PageError";
    this.hint = hint;
  }
}
