// The engine as the page sees it: calls that are answered in time, over a worker's messages.
// Knows nothing of what they mean.

/** What a user can cause: what is wrong, and the way out, if there is one. */
class Refusal extends Error {
  constructor(message, hint = "") {
    super(message);
    this.hint = hint;
  }
}

class EngineClient {
  #waiting = new Map(); // id -> {resolve, reject, onEvent}
  #last = 0;
  #failure = null; // why there will be no more answers
  #worker;

  /** `source` is the worker's script. */
  constructor(source) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.#worker = new Worker(url);
    this.#worker.onmessage = (message) => this.#receive(message.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Refusal("the engine has stopped", "reload the page"));
    };
  }

  /** What comes of a call; `onEvent` hears what comes before. Rejects with a Refusal. */
  call(type, fields = {}, onEvent = () => {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject, onEvent });
      this.#worker.postMessage({ id, type, ...fields });
    });
  }

  #receive({ id, event, value, error }) {
    const call = this.#waiting.get(id);
    if (call === undefined) return;
    if (event !== undefined) {
      call.onEvent(event);
      return;
    }
    this.#waiting.delete(id);
    if (error !== undefined) call.reject(new Refusal(error.message, error.hint));
    else call.resolve(value);
  }

  #fail(error) {
    this.#failure = error;
    for (const call of this.#waiting.values()) call.reject(error);
    this.#waiting.clear();
  }
}
