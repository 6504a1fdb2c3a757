import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { createSigner, importSigningKeys, type JwsSigner, type SigningKeySet } from '@tidings/protocol';

/** Who signs in a test, with the public half for whoever verifies. */
export interface Participant {
  readonly signer: JwsSigner;
  readonly jwk: JsonWebKey & { readonly kid: string };
  readonly keys: SigningKeySet;
  readonly keyPem: string;
}

export const TRUST_ANCHOR = 'openbanking.org.uk';
export const BANK_ORG_ID = '0015800000jfQ9aAAE';
export const TPP_SIGNER = '0015800001ZEZ3WAAX/5bXdQp7dWp0Abcdefg';

/** Makes a participant with a key of its own. */
export async function makeParticipant(iss: string, kid: string, tan = TRUST_ANCHOR): Promise<Participant> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' };
  return {
    signer: await createSigner({ kid, iss, tan }, keyPem),
    jwk,
    keys: await importSigningKeys({ keys: [jwk] }),
    keyPem,
  };
}
