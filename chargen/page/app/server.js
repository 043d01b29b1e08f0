// The models of the server that the page came from: which there are, their files, and the key that
// it may ask for, which is kept as long as the tab is open.

const KEY_ITEM = "chargen-key";
const GONE = "start `chargen serve` again; what is written here stays";

class Server {
  #key = remembered(() => sessionStorage.getItem(KEY_ITEM));
  #askKey;

  /** `askKey(isWrong)` gives the key that somebody types, null where none is given. */
  constructor(askKey) {
    this.#askKey = askKey;
  }

  /** The names of the models, the first one the server's own choice. */
  async models() {
    const answer = await this.#get("v1/models");
    return (await answer.json()).data.map((model) => model.id);
  }

  /** A model's files, {name: ArrayBuffer}; `onShare` hears how much has come. */
  async files(model, onShare) {
    const query = `?model=${encodeURIComponent(model)}`;
    const { files: sizes } = await (await this.#get(`page/files${query}`)).json();
    const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    let received = 0;
    const files = {};
    for (const name of Object.keys(sizes)) {
      const answer = await this.#get(`page/file/${encodeURIComponent(name)}${query}`);
      const chunks = [];
      try {
        const reader = answer.body.getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          chunks.push(part.value);
          received += part.value.length;
          onShare(received / total);
        }
      } catch {
        throw new Refusal("the server hung up while it sent the model", GONE);
      }
      files[name] = await new Blob(chunks).arrayBuffer();
    }
    return files;
  }

  async #get(path) {
    for (;;) {
      const headers = this.#key === null ? {} : { Authorization: `Bearer ${this.#key}` };
      let answer;
      try {
        answer = await fetch(path, { headers });
      } catch {
        throw new Refusal("the server does not answer", GONE);
      }
      if (answer.ok) return answer;
      if (answer.status !== 401) throw new Refusal(await reasonOf(answer));
      const key = await this.#askKey(this.#key !== null);
      if (key === null) throw new Refusal("the server wants its key", "reload the page to type it");
      this.#key = key;
      remembered(() => sessionStorage.setItem(KEY_ITEM, key));
    }
  }
}

/** What an answer says of an error. */
async function reasonOf(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

/** A value from the browser's memory; null where a page may have none, as in another one's frame. */
function remembered(look) {
  try {
    return look() ?? null;
  } catch {
    return null;
  }
}
