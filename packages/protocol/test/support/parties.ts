import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  createSigner,
  importSigningKeys,
  type JwsSigner,
  type SignerIdentity,
  type SigningKeySet,
} from '../../src/index.ts';

/** The moment at which every test takes place, so that none reads a clock. */
export const NOW_SECONDS = 1_760_000_000;
export const CLOCK_SKEW_SECONDS = 30;
export const TRUST_ANCHOR = 'openbanking.org.uk';

/** One participant: it signs with its private key, and others know its public one. */
export interface Party {
  readonly identity: SignerIdentity;
  readonly privateKey: KeyObject;
  /** The public key as it stands in the participant's JWKS. */
  readonly jwk: Record<string, unknown>;
  readonly keys: SigningKeySet;
  readonly signer: JwsSigner;
}

/** Makes a participant with a fresh RSA key. */
export async function makeParty(kid: string, iss: string): Promise<Party> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'PS256' };
  const identity = { kid, iss, tan: TRUST_ANCHOR };
  return {
    identity,
    privateKey,
    jwk,
    keys: await importSigningKeys({ keys: [jwk] }),
    signer: await createSigner(identity, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
  };
}

/** The participant whose signatures the tests expect. */
export const tpp: Party = await makeParty('tpp-signing-key-1', '0015800001041REAAY/2fNwVYePN8WqqDFvVf7XMN');
/** Somebody else, with keys that are just as good. */
export const stranger: Party = await makeParty('stranger-signing-key-1', '0015800001099ZZZZZ/5xSdfhV7ePN8WqqDFvVf7XM');
