import { constants, createHmac, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { HEADER_IAT, HEADER_ISS, HEADER_TAN } from '@tidings/protocol';

/** Who signs: key, and members of the JOSE header. */
export interface ForgingKey {
  readonly kid: string;
  readonly iss: string;
  readonly tan: string;
  readonly privateKey: KeyObject;
}

/** Ways to sign. `PS256-long-salt` has a salt of 64 bytes; `HS256-public` takes the public key for a shared secret. */
export type ForgedAlgorithm = 'PS256' | 'RS256' | 'PS256-long-salt' | 'HS256-public' | 'none';

const PSS = constants.RSA_PKCS1_PSS_PADDING;

/** The JOSE header of the standard, with members replaced; undefined takes a member out. */
export function joseHeader(
  { kid, iss, tan }: ForgingKey,
  nowSeconds: number,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const header = {
    alg: 'PS256',
    kid,
    [HEADER_IAT]: nowSeconds,
    [HEADER_ISS]: iss,
    [HEADER_TAN]: tan,
    crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
    ...changes,
  };
  return Object.fromEntries(Object.entries(header).filter(([, value]) => value !== undefined));
}

/** Signs a body as a detached JWS with any header, which may be a text so that it need not be JSON. */
export function forgeDetached(
  header: Readonly<Record<string, unknown>> | string,
  body: string | Uint8Array,
  key: KeyObject,
  { algorithm = 'PS256', isUnencoded = false }: { algorithm?: ForgedAlgorithm; isUnencoded?: boolean } = {},
): string {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const encoded = Buffer.from(text).toString('base64url');
  const payload = isUnencoded ? Buffer.from(body) : Buffer.from(Buffer.from(body).toString('base64url'));
  const input = Buffer.concat([Buffer.from(`${encoded}.`), payload]);
  return `${encoded}..${signatureOf(input, key, algorithm)}`;
}

/** Signs a JWT with PS256 for `private_key_jwt`. */
export function signJwt(header: object, claims: object, key: KeyObject): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${signatureOf(Buffer.from(input), key, 'PS256')}`;
}

function signatureOf(input: Buffer, key: KeyObject, algorithm: ForgedAlgorithm): string {
  switch (algorithm) {
    case 'none':
      return '';
    case 'RS256':
      return sign('sha256', input, key).toString('base64url');
    case 'HS256-public': {
      const secret = createPublicKey(key).export({ type: 'spki', format: 'pem' });
      return createHmac('sha256', secret).update(input).digest('base64url');
    }
    default: {
      const saltLength = algorithm === 'PS256' ? 32 : 64;
      return sign('sha256', input, { key, padding: PSS, saltLength }).toString('base64url');
    }
  }
}

/** @throws {TypeError} when the text is not a private RSA key */
export function readPrivateKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'rsa') throw new TypeError('it is not an RSA key');
  return key;
}
