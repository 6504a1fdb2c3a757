const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** UTF-8 bytes of a value as JSON. */
export function json(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** base64url without padding, by Node rather than by the code under test. */
export function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64url');
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export const BYTE_ORDER_MARK: Uint8Array = new Uint8Array([0xef, 0xbb, 0xbf]);

/** The same bytes in another spelling: the last character with one of its unused bits set. */
export function withTrailingBits(segment: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  if (segment.length % 4 < 2) throw new Error('the last character of this segment has no unused bits');
  return segment.slice(0, -1) + alphabet.charAt(alphabet.indexOf(segment.charAt(segment.length - 1)) | 1);
}
