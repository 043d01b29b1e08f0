"use strict";
// The matrix products of a network, in which nearly all of its time goes.

/** (N, K) matrix times x, (K), and the bias, (N) -> out, (N). Six rows at once: a number of x is
 *  fetched once for all of them, and no sum waits for another. */
function multiply({ matrix, bias }, x, out) {
  const numbers = new Float64Array(x); // as every product would make of them
  const width = x.length;
  let row = 0;
  for (; row + 6 <= out.length; row += 6) {
    const p = row * width;
    const q = p + width;
    const r = q + width;
    const s = r + width;
    const t = s + width;
    const u = t + width;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    for (let k = 0; k < width; k++) {
      const number = numbers[k];
      a += matrix[p + k] * number;
      b += matrix[q + k] * number;
      c += matrix[r + k] * number;
      d += matrix[s + k] * number;
      e += matrix[t + k] * number;
      f += matrix[u + k] * number;
    }
    out[row] = a + bias[row];
    out[row + 1] = b + bias[row + 1];
    out[row + 2] = c + bias[row + 2];
    out[row + 3] = d + bias[row + 3];
    out[row + 4] = e + bias[row + 4];
    out[row + 5] = f + bias[row + 5];
  }
  for (; row < out.length; row++) {
    let sum = bias[row];
    for (let k = 0; k < width; k++) sum += matrix[row * width + k] * numbers[k];
    out[row] = sum;
  }
  return out;
}
