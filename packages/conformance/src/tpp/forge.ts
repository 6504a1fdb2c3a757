import { constants, createHmac, type KeyObject, sign } from 'node:crypto';

/** Signs the signing input of a JWS. */
export type Signing = (input: Buffer) => Uint8Array;

const HASH_BYTES = { sha256: 32, sha384: 48, sha512: 64 } as const;
type Hash = keyof typeof HASH_BYTES;

/** RSASSA-PSS. @param saltBytes default: the length of the hash, which RFC 7518 section 3.5 requires */
export function pss(key: KeyObject, hash: Hash = 'sha256', saltBytes: number = HASH_BYTES[hash]): Signing {
  return (input) => sign(hash, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: saltBytes });
}

/** RSASSA-PKCS1-v1_5 with SHA-256 (`RS256`). */
export function pkcs1(key: KeyObject): Signing {
  return (input) => sign('sha256', input, key);
}

/** ECDSA with SHA-256 in the form of a JWS (`ES256`). */
export function ecdsa(key: KeyObject): Signing {
  return (input) => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' });
}

/** HMAC with SHA-256 (`HS256`). */
export function hmac(secret: string | Uint8Array): Signing {
  return (input) => createHmac('sha256', secret).update(input).digest();
}

/** No signature at all (`none`). */
export function unsigned(): Uint8Array {
  return new Uint8Array();
}

/** A part of a token: an object is written as JSON, a text or bytes as they are. */
export type Part = Readonly<Record<string, unknown>> | string | Uint8Array;

/** A compact JWS of any header and payload. */
export function forge(header: Part, payload: Part, signing: Signing): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${Buffer.from(signing(Buffer.from(input))).toString('base64url')}`;
}

function encoded(part: Part): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64url');
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** The members of an object with changes; undefined takes a member out. */
export function changed(
  members: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...members, ...changes }).filter(([, value]) => value !== undefined));
}

/** The JSON of an object with one member twice: first with `first`, at the end with its own value. */
export function withMemberTwice(members: Readonly<Record<string, unknown>>, name: string, first: unknown): string {
  const { [name]: last, ...rest } = members;
  const others = JSON.stringify(rest).slice(1, -1);
  const twice = [first, last].map((value) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${[twice[0], others, twice[1]].filter((part) => part !== '').join(',')}}`;
}
