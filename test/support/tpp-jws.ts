import { constants, createPublicKey, generateKeyPair, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';

// Written with nothing but node:crypto, so that tests do not check the protocol package with itself.

export const HEADER_IAT = 'http://openbanking.org.uk/iat';
export const HEADER_ISS = 'http://openbanking.org.uk/iss';
export const HEADER_TAN = 'http://openbanking.org.uk/tan';
export const TRUST_ANCHOR = 'openbanking.org.uk';

/** An RSA signing key: the private half in PEM, the public one as a JWK. */
export interface SigningKey {
  readonly kid: string;
  readonly keyPem: string;
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** Makes a signing key of 2048 bits. */
export async function makeSigningKey(kid: string): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig', alg: 'PS256' };
  return { kid, keyPem, jwk };
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

/** The text or bytes in base64url. */
export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url');
}

/** Signs a body as a detached JWS with any header; one that says `b64: false` is over the raw bytes (RFC 7797). */
export function signDetachedWith(header: Record<string, unknown>, body: string | Uint8Array, keyPem: string): string {
  const protectedHeader = base64url(JSON.stringify(header));
  const payload = header['b64'] === false ? Buffer.from(body) : Buffer.from(base64url(body));
  const input = Buffer.concat([Buffer.from(`${protectedHeader}.`), payload]);
  return `${protectedHeader}..${sign('sha256', input, { key: keyPem, ...PSS }).toString('base64url')}`;
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

/** The claims of a SET. */
export function claimsOf(set: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(set.split('.')[1] ?? '', 'base64url').toString());
}

/** An access token as the authorisation server makes it, with claims that differ. */
export function accessTokenOf(
  key: SigningKey,
  of: { issuer: string; audience: string; clientId: string; thumbprint: string; nowMs: number },
  changes: Readonly<Record<string, unknown>>,
): string {
  const nowSeconds = Math.floor(of.nowMs / 1000);
  const claims = {
    ...{ iss: of.issuer, aud: of.audience, sub: of.clientId, client_id: of.clientId, jti: `token-${nowSeconds}` },
    ...{ iat: nowSeconds, exp: nowSeconds + 300, cnf: { 'x5t#S256': of.thumbprint }, scope: 'accounts' },
    ...changes,
  };
  const header = { alg: 'PS256', typ: 'at+jwt', kid: key.kid };
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key: key.keyPem, ...PSS }).toString('base64url')}`;
}
