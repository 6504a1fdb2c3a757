import { base64url } from 'jose';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const ONLY_ALPHABET = /^[A-Za-z0-9_-]*$/;

/** Encodes bytes as base64url without padding (RFC 7515 section 2). */
export function encodeBase64url(bytes: Uint8Array): string {
  return base64url.encode(bytes);
}

/**
 * Decodes base64url in its canonical form only: no padding, no white space, no `+` or `/`, and the unused bits of the
 * last character zero (RFC 4648 section 3.5). Lenient decoders accept several spellings of the same bytes, so a token
 * could be altered without changing its meaning.
 *
 * @returns the bytes, or undefined when the text is not canonical base64url
 */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const remainder = text.length % 4;
  if (remainder === 1 || !ONLY_ALPHABET.test(text)) return undefined;
  if (remainder !== 0) {
    const lastValue = ALPHABET.indexOf(text.charAt(text.length - 1));
    const unusedBits = remainder === 2 ? 0b1111 : 0b11;
    if ((lastValue & unusedBits) !== 0) return undefined;
  }
  return base64url.decode(text);
}
