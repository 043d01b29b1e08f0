"use strict";
// SHA-256 (FIPS 180-4): tells a damaged file. A browser has its own, but only in pages that it
// takes for safe, which one from another machine of the house is not.

const SHA256_CONSTANTS = fractionsOfRoots(64, Math.cbrt);
const SHA256_START = fractionsOfRoots(8, Math.sqrt);

/** The first 32 bits after the point of a root of each of the first `count` primes. */
function fractionsOfRoots(count, root) {
  const found = new Int32Array(count);
  for (let prime = 2, at = 0; at < count; prime++) {
    let divisor = 2;
    while (prime % divisor) divisor++;
    if (divisor === prime) found[at++] = Math.floor((root(prime) % 1) * 2 ** 32);
  }
  return found;
}

/** Bytes -> their hash in 64 hexadecimal digits. */
function sha256(bytes) {
  const hash = SHA256_START.slice();
  const whole = bytes.length & ~63; // blocks of 64 bytes
  const words = new Int32Array(64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < whole; at += 64) addBlock(hash, words, view, at);
  const left = bytes.length - whole;
  const end = new DataView(new ArrayBuffer(left < 56 ? 64 : 128)); // the rest, 1 bit, the length
  for (let at = 0; at < left; at++) end.setUint8(at, bytes[whole + at]);
  end.setUint8(left, 0x80);
  end.setBigUint64(end.byteLength - 8, BigInt(bytes.length) * 8n);
  for (let at = 0; at < end.byteLength; at += 64) addBlock(hash, words, end, at);
  return [...hash].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Take one block of 64 bytes into the hash, (8); `words`, (64), is room to work in. */
function addBlock(hash, words, view, start) {
  for (let t = 0; t < 16; t++) words[t] = view.getInt32(start + 4 * t);
  for (let t = 16; t < 64; t++) {
    const two = words[t - 2];
    const fifteen = words[t - 15];
    const s1 = ((two >>> 17) | (two << 15)) ^ ((two >>> 19) | (two << 13)) ^ (two >>> 10);
    const s0 =
      ((fifteen >>> 7) | (fifteen << 25)) ^ ((fifteen >>> 18) | (fifteen << 14)) ^ (fifteen >>> 3);
    words[t] = (s1 + words[t - 7] + s0 + words[t - 16]) | 0;
  }
  let a = hash[0];
  let b = hash[1];
  let c = hash[2];
  let d = hash[3];
  let e = hash[4];
  let f = hash[5];
  let g = hash[6];
  let h = hash[7];
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + s1 + ((e & f) ^ (~e & g)) + SHA256_CONSTANTS[t] + words[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  hash[0] += a;
  hash[1] += b;
  hash[2] += c;
  hash[3] += d;
  hash[4] += e;
  hash[5] += f;
  hash[6] += g;
  hash[7] += h;
}
