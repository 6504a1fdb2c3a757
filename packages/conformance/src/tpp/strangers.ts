import { generateKeyPairSync, type KeyObject } from 'node:crypto';

// Made when first needed, once: they stand for anybody who is not the bank.
let rsa: KeyObject | undefined;
let ec: KeyObject | undefined;

const MODULUS_BITS = 2048;

/** An RSA key that nobody vouches for. */
export function strangerKey(): KeyObject {
  rsa ??= makeRsaKey();
  return rsa;
}

/** A key on P-256 that nobody vouches for. */
export function strangerEcKey(): KeyObject {
  ec ??= generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return ec;
}

/** Makes an RSA signing key. */
export function makeRsaKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: MODULUS_BITS }).privateKey;
}
