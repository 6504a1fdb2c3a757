import { constants, createHash, createPublicKey, generateKeyPair, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';

// Written with nothing but node:crypto, so that tests do not check the protocol package with itself.

/** An RSA signing key: the private half in PEM, the public one as a JWK. */
export interface SigningKey {
  readonly kid: string;
  readonly keyPem: string;
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** Makes a signing key of 2048 bits, unless told otherwise. */
export async function makeSigningKey(kid: string, modulusLength = 2048): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig', alg: 'PS256' };
  return { kid, keyPem, jwk };
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

/** The text or bytes in base64url. */
export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url');
}

/** Signs any header over any payload with PS256. @returns the three segments */
export function signSegments(header: object, payload: string | Uint8Array, keyPem: string): [string, string, string] {
  const protectedHeader = base64url(JSON.stringify(header));
  const encoded = base64url(payload);
  const signature = sign('sha256', Buffer.from(`${protectedHeader}.${encoded}`), { key: keyPem, ...PSS });
  return [protectedHeader, encoded, signature.toString('base64url')];
}

/** Signs claims as a JWT. */
export function signJwt(header: object, claims: object, keyPem: string): string {
  return signSegments(header, JSON.stringify(claims), keyPem).join('.');
}

/** Whether a detached JWS is over exactly these bytes. */
export function verifiesDetached(signature: string, body: Uint8Array, jwk: object): boolean {
  const [header = '', payload, bytes = ''] = signature.split('.');
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  const input = Buffer.from(`${header}.${base64url(body)}`);
  return payload === '' && verify('sha256', input, { key, ...PSS }, Buffer.from(bytes, 'base64url'));
}

/** The header of a JWS. */
export function headerOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
}

/** SHA-256, hexadecimal. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
