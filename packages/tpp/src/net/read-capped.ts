/**
 * Reads a body to its end, or until it is longer than the cap: then nothing more is read, and the stream is cancelled
 * (a web stream) or destroyed (a stream of Node).
 *
 * @returns the bytes; undefined when there were more than `bytesMax`
 * @throws whatever the stream fails with, such as a peer that went away
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
