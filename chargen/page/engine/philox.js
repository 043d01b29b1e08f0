"use strict";
// The random numbers of `chargen sample --seed`: Philox 4x64-10 (Salmon et al. 2011) as numpy has
// it. What a row of a seed samples is the same there and here.

const PHILOX_MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const PHILOX_WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const PHILOX_ROUNDS = 10;
const UINT64 = (1n << 64n) - 1n;

/** Uniform random numbers without end, decided by a seed (0 to 2^63 - 1) and a row. */
class RandomStream {
  constructor(seed, row = 0) {
    this.key = [BigInt(seed) & UINT64, BigInt(row) & UINT64];
    this.counter = 0n; // of blocks of four numbers
    this.ahead = [];
  }

  /** The next number from 0 up to but not including 1. */
  next() {
    if (this.ahead.length === 0) this.ahead = philoxBlock(++this.counter, this.key).reverse();
    return Number(this.ahead.pop() >> 11n) * 2 ** -53; // as many bits as a double has
  }
}

/** Four random numbers of 64 bits. */
function philoxBlock(counter, key) {
  let [one, two, three, four] = [counter & UINT64, counter >> 64n, 0n, 0n];
  let [first, second] = key;
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const high = PHILOX_MULTIPLIERS[0] * one;
    const low = PHILOX_MULTIPLIERS[1] * three;
    [one, two, three, four] = [
      (low >> 64n) ^ two ^ first,
      low & UINT64,
      (high >> 64n) ^ four ^ second,
      high & UINT64,
    ];
    first = (first + PHILOX_WEYL[0]) & UINT64;
    second = (second + PHILOX_WEYL[1]) & UINT64;
  }
  return [one, two, three, four];
}

/** A seed from the browser's random numbers, as a BigInt of 63 bits. */
function newSeed() {
  return crypto.getRandomValues(new BigUint64Array(1))[0] >> 1n;
}
