import {
  createSigner,
  importSigningKeys,
  type JwsSigner,
  type SignerIdentity,
  type SigningKeySet,
} from '@tidings/protocol';
import { TRUST_ANCHOR } from './jws.ts';
import { makeSigningKey, type SigningKey } from './signing-keys.ts';

/** A party that signs, with the public key for whoever verifies. */
export interface Participant extends SigningKey {
  readonly identity: SignerIdentity;
  readonly signer: JwsSigner;
  readonly keys: SigningKeySet;
}

/** Makes a participant with a key of its own. */
export async function makeParticipant(iss: string, kid: string, tan = TRUST_ANCHOR): Promise<Participant> {
  const key = makeSigningKey(kid);
  const identity = { kid, iss, tan };
  return {
    ...key,
    identity,
    signer: await createSigner(identity, key.keyPem),
    keys: await importSigningKeys({ keys: [key.jwk] }),
  };
}
