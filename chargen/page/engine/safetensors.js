"use strict";
// The safetensors format: the length of a header, the header as JSON, then the numbers of all
// tensors. Knows no networks; nothing in a file is believed before it is checked.

const MAX_HEADER_BYTES = 20_000_000;
const DTYPES = { F32: Float32Array, F16: Uint16Array, I8: Int8Array, BOOL: Uint8Array };

/** The bytes of a file -> its tensors by name, each a {dtype, shape, data}; F16 as bit patterns. */
function readSafetensors(bytes) {
  const damaged = (why) =>
    new PageError(`model.safetensors is damaged: ${why}`, "copy it again, or use another");
  if (bytes.length < 8) throw damaged("it is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) throw damaged("its header is too long");
  const begin = 8 + headerBytes;
  if (begin > bytes.length) throw damaged("it is cut off");
  const header = readJson("model.safetensors", bytes.subarray(8, begin));
  delete header.__metadata__;
  const tensors = new Map();
  let end = 0; // of the last tensor, in the order of the file: none may overlap another
  const entries = Object.entries(header).sort(([, one], [, two]) => startOf(one) - startOf(two));
  for (const [name, entry] of entries) {
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const isSound =
      Array.isArray(shape) &&
      shape.every((size) => Number.isSafeInteger(size) && size >= 0) &&
      Array.isArray(offsets) &&
      offsets.length === 2 &&
      offsets.every(Number.isSafeInteger);
    if (!isSound) throw damaged(`its header does not say where ${name} is`);
    if (!Object.hasOwn(DTYPES, dtype)) {
      throw new PageError(`model.safetensors holds ${name} as ${dtype}, which no page can read`);
    }
    const Type = DTYPES[dtype];
    const count = shape.reduce((product, size) => product * size, 1);
    const [start, stop] = offsets;
    if (start !== end || stop - start !== count * Type.BYTES_PER_ELEMENT) {
      throw damaged(`${name} does not have the size that its header says`);
    }
    if (begin + stop > bytes.length) throw damaged("it is cut off");
    // A copy: in the file it need not begin where numbers of its kind may.
    const data = new Type(bytes.slice(begin + start, begin + stop).buffer);
    tensors.set(name, { dtype, shape, data });
    end = stop;
  }
  if (begin + end !== bytes.length) throw damaged("it goes on after its last tensor");
  return tensors;
}

function startOf(entry) {
  return Number(entry?.data_offsets?.[0] ?? 0);
}
