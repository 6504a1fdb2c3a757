/**
 * Reads a body to its end. When it exceeds the limit, reading stops, and the stream is cancelled (web stream) or
 * destroyed (Node.js stream).
 *
 * @returns the bytes; undefined when there are more than `bytesMax`
 * @throws the error of the stream, such as a lost connection
 */
export async function readCapped(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const read: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) return undefined;
    read.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of read) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
