import type { Schemas } from './client.ts';

/** Evidence about a notification whose content was not erased. */
type EvidenceWithSet = Schemas['Evidence'] & { readonly set: string };

/** The result of verifying a signature in this browser. */
export interface Verification {
  readonly isValid: boolean;
  readonly kid: string;
  /** The SHA-256 of the SET is what the evidence says. */
  readonly isHashRight: boolean;
}

// PS256 (RFC 7518 section 3.5): the salt is as long as the hash.
const ALGORITHM = { name: 'RSA-PSS', hash: 'SHA-256' } as const;
const SALT_BYTES = 32;

function decodeBase64url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}

/**
 * Verifies the signature of a SET by WebCrypto, with the public key of its evidence. Does not check who vouches for the
 * key: that the JWKS which TPPs read holds the same is for them to see.
 *
 * @throws {DOMException} for a key that is none
 */
export async function verifySet({ set, setSha256, signingKey }: EvidenceWithSet): Promise<Verification> {
  const [header = '', payload = '', signature = ''] = set.split('.');
  const jwk = { ...(signingKey as JsonWebKey & { kid: string }), key_ops: ['verify'] };
  const key = await crypto.subtle.importKey('jwk', { kty: 'RSA', n: jwk.n ?? '', e: jwk.e ?? '' }, ALGORITHM, false, [
    'verify',
  ]);
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  const isValid = await crypto.subtle.verify(
    { name: ALGORITHM.name, saltLength: SALT_BYTES },
    key,
    decodeBase64url(signature),
    signed,
  );
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(set)));
  const hash = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return { isValid, kid: jwk.kid, isHashRight: hash === setSha256 };
}
