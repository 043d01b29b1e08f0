"use strict";
// Long work that gives way: a worker hears no message while it computes, so it rests every now and
// then. Knows nothing of what is done.

const SLICE_MILLISECONDS = 10;

/** A piece of work that can be stopped from outside. */
class Job {
  constructor() {
    this.stopped = false;
    this.milliseconds = 0; // of computing, without the rests
    this.since = performance.now();
  }

  get isDue() {
    return performance.now() - this.since >= SLICE_MILLISECONDS;
  }

  /** Let messages come in. */
  async rest() {
    this.milliseconds += performance.now() - this.since;
    await nextTask();
    this.since = performance.now();
  }

  /** Milliseconds of computing so far. */
  get time() {
    return this.milliseconds + performance.now() - this.since;
  }
}

const restingRoom = new MessageChannel(); // a timer would wait for four milliseconds
const resting = [];
restingRoom.port1.onmessage = () => resting.shift()();

function nextTask() {
  return new Promise((resolve) => {
    resting.push(resolve);
    restingRoom.port2.postMessage(null);
  });
}
