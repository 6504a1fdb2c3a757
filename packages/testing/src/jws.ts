import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { SigningKey } from './signing-keys.ts';

// Written with nothing but node:crypto, so that tests do not check the protocol package with itself.

export const HEADER_IAT = 'http://openbanking.org.uk/iat';
export const HEADER_ISS = 'http://openbanking.org.uk/iss';
export const HEADER_TAN = 'http://openbanking.org.uk/tan';
export const TRUST_ANCHOR = 'openbanking.org.uk';

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

/** The text or bytes in base64url. */
export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url');
}

/** Signs any header and payload with PS256; an object is written as JSON, and a text as it is. */
export function signCompact(
  header: object | string,
  payload: object | string | Uint8Array,
  key: string | KeyObject,
): string {
  const encoded = base64url(payload instanceof Uint8Array ? payload : textOf(payload));
  const input = `${base64url(textOf(header))}.${encoded}`;
  return `${input}.${signatureOf(input, key)}`;
}

/** Signs claims as a JWT; the header has the key's `kid` unless told otherwise. */
export function jwtOf(key: Pick<SigningKey, 'kid' | 'privateKey'>, claims: object, header: object = {}): string {
  return signCompact({ alg: 'PS256', kid: key.kid, ...header }, claims, key.privateKey);
}

/** Signs a body as a detached JWS with any header; one with `b64: false` is over the raw bytes (RFC 7797). */
export function signDetached(
  header: Readonly<Record<string, unknown>>,
  body: string | Uint8Array,
  key: string | KeyObject,
): string {
  const protectedHeader = base64url(JSON.stringify(header));
  const payload = header['b64'] === false ? Buffer.from(body) : Buffer.from(base64url(body));
  const input = Buffer.concat([Buffer.from(`${protectedHeader}.`), payload]);
  return `${protectedHeader}..${signatureOf(input, key)}`;
}

/** Whether a JWS, compact or detached from these bytes, was made with the private half of a key. */
export function isSignedWith(jws: string, jwk: object, detachedBody?: Uint8Array): boolean {
  const [header = '', payload = '', signature = ''] = jws.split('.');
  if (detachedBody !== undefined && payload !== '') return false;
  const encoded = detachedBody === undefined ? payload : base64url(detachedBody);
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  return verify('sha256', Buffer.from(`${header}.${encoded}`), { key, ...PSS }, Buffer.from(signature, 'base64url'));
}

/** The header of a JWS. */
export function headerOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
}

/** The claims of a JWT. */
export function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

/** An access token as the authorisation server makes it, with claims that differ. */
export function accessTokenOf(
  key: SigningKey,
  of: { issuer: string; audience: string; clientId: string; thumbprint: string; nowMs: number },
  changes: Readonly<Record<string, unknown>> = {},
): string {
  const nowSeconds = Math.floor(of.nowMs / 1000);
  const claims = {
    ...{ iss: of.issuer, aud: of.audience, sub: of.clientId, client_id: of.clientId, jti: `token-${nowSeconds}` },
    ...{ iat: nowSeconds, exp: nowSeconds + 300, cnf: { 'x5t#S256': of.thumbprint }, scope: 'accounts' },
    ...changes,
  };
  return jwtOf(key, claims, { typ: 'at+jwt' });
}

/** SHA-256, hexadecimal. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function textOf(value: object | string): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @param key a PEM text or the key itself */
function signatureOf(input: string | Uint8Array, key: string | KeyObject): string {
  const privateKey = typeof key === 'string' ? createPrivateKey(key) : key;
  return sign('sha256', Buffer.from(input), { key: privateKey, ...PSS }).toString('base64url');
}
