"use strict";
// The engine's messages: {id, type, ...} in; {id, event} any number of times, then {id, value} or
// {id, error: {message, hint}} out. One text at a time; what changes it waits for what went before.

let model = null;
let text = null;
const jobs = new Set(); // those that change the text or take long, of which one runs
let queue = Promise.resolve(); // in which the others wait

/** What ends where something else is to be done with the text. */
const STOPPABLE = new Set(["write", "several", "find", "gates"]);

function stopAll(types) {
  for (const job of jobs) if (types.has(job.type)) job.stopped = true;
}

/** Each gets the message, a Job and what sends events; gives the value. */
const CALLS = {
  open({ files }) {
    const bytes = Object.entries(files).map(([name, buffer]) => [name, new Uint8Array(buffer)]);
    const opened = openModel(Object.fromEntries(bytes));
    for (const job of jobs) job.stopped = true; // only now: a refused file leaves all as it was
    model = opened;
    text = new Text(model);
    return model.about;
  },

  async read({ text: wanted }, job, send) {
    if (job.stopped) return { superseded: true };
    await text.read(wanted, job, (share) => send({ share }));
    return job.stopped ? { superseded: true } : text.news();
  },

  async write({ options }, job, send) {
    const checked = sampleOptions(options);
    const own = text;
    const done = await own.write(checked, job, (told) => own === text && send(told));
    return {
      reason: done.reason ?? "stopped",
      tokens: done.count,
      microseconds: (1000 * job.time) / Math.max(1, done.count),
      seed: String(checked.seed),
    };
  },

  several({ count, options }, job, send) {
    return text.several(count, sampleOptions(options), job, send);
  },

  take({ at, token }) {
    text.take(at, token);
    return text.news();
  },

  find: (_, job, send) => findCells(text, job, (share) => send({ share })),
  gates: (_, job, send) => gateUse(text, job, (share) => send({ share })),
  likeliest: ({ at, count }) => text.likeliest(at, count),
  look: ({ at }) => lookAt(text, at),
  values: async (fields, job) => ({ values: await unitValues(text, fields, job) }),
  strip: async (fields, job) => ({ values: await strip(text, fields, job) }),
};

/** Those that only look, or begin anew: they are answered at once, whatever goes on. */
const AT_ONCE = new Set(["open", "likeliest", "look", "values", "strip"]);

onmessage = ({ data: { id, type, ...fields } }) => {
  const send = (event) => postMessage({ id, event });
  if (type === "stop") {
    stopAll(STOPPABLE);
    postMessage({ id, value: null });
    return;
  }
  const job = Object.assign(new Job(), { type });
  const run = async () => {
    try {
      if (model === null && type !== "open") throw new PageError("no model is open");
      postMessage({ id, value: await CALLS[type](fields, job, send) });
    } catch (error) {
      if (!(error instanceof PageError)) console.error(error.stack);
      postMessage({ id, error: { message: error.message, hint: error.hint ?? "" } });
    }
  };
  if (AT_ONCE.has(type)) {
    run();
    return;
  }
  stopAll(STOPPABLE);
  if (type === "read") stopAll(new Set(["read"]));
  jobs.add(job);
  queue = queue.then(async () => {
    job.since = performance.now();
    await run();
    jobs.delete(job);
  });
};
