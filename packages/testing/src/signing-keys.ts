import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An RSA signing key. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** The private key, PKCS #8. */
  readonly keyPem: string;
  /** The public key as it is in a JWKS. */
  readonly jwk: Readonly<Record<string, unknown>> & { readonly kid: string };
}

/** Makes a signing key; no two calls in a process give the same. */
export function makeSigningKey(kid: string, bits = 2048): SigningKey {
  const privateKey = makeRsaKey(bits);
  const keyPem = pemOf(privateKey);
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig', alg: 'PS256' };
  return { kid, privateKey, keyPem, jwk };
}

// A prime of 1024 bits takes tens of milliseconds to find, and the tests need several hundred keys. Each process takes the keys
// of this folder from the first on, and makes those that are missing.
const FOLDER = join(import.meta.dirname, '..', '..', '..', 'node_modules', '.cache', 'test-keys');
const taken = new Map<number, number>();

/** Makes an RSA key; no two calls in a process give the same. */
export function makeRsaKey(bits = 2048): KeyObject {
  const nth = taken.get(bits) ?? 0;
  taken.set(bits, nth + 1);
  const file = join(FOLDER, `rsa-${bits}-${nth}.pem`);
  try {
    return createPrivateKey(readFileSync(file));
  } catch {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
    mkdirSync(FOLDER, { recursive: true });
    // Whole or not at all: several processes make the same one at the same time.
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, pemOf(privateKey), { mode: 0o600 });
    renameSync(draft, file);
    return privateKey;
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
