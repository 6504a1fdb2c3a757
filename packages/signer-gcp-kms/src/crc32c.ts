// CRC-32C (RFC 3720 section 12.1), with which Cloud KMS and its callers check what they exchange. `zlib.crc32` has another polynomial.
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ ((value & 1) === 1 ? POLYNOMIAL : 0);
  return value;
});

/** The checksum, as JSON of Google has it: an int64 is a text there. */
export function crc32c(bytes: Uint8Array): string {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (TABLE[(value ^ byte) & 0xff] ?? 0);
  return String((value ^ 0xffffffff) >>> 0);
}
