import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';

/** An RSA key with its kid. */
export interface RsaKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** PKCS #8. */
  readonly pem: string;
  readonly jwk: { readonly kid: string; readonly [member: string]: unknown };
}

/** Makes one. */
export function rsaKey(kid: string, modulusLength = 2048): RsaKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig' };
  return { kid, privateKey, pem, jwk };
}

/** Signs claims as a JWT, exactly these. */
export function jwtOf(key: RsaKey, claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'PS256', kid: key.kid, ...header }).sign(key.privateKey);
}

/** Signs header and payload texts as they are, PS256, so that they may be what no library would write. */
export async function jwtOfTexts(key: RsaKey, header: string, payload: string): Promise<string> {
  const input = [header, payload].map((text) => Buffer.from(text).toString('base64url')).join('.');
  const cryptoKey = key.privateKey.toCryptoKey({ name: 'RSA-PSS', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, cryptoKey, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}
