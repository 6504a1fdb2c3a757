import { createPublicKey } from 'node:crypto';
import { loadSigningKey } from '../../trust/signing-key.ts';
import { type Examination, type Finding, ok, refusal } from './finding.ts';
import { isReadable } from './settings.ts';

/** The key that SETs are signed with can be used. Does not look at what the trust anchor publishes under the kid. */
export async function checkSigningKey({ config }: Examination): Promise<readonly Finding[]> {
  const { kid, keyFile } = config.signing;
  if (!isReadable(keyFile)) return [];
  try {
    const { publicJwk } = await loadSigningKey({ ...config, ...config.signing });
    const { asymmetricKeyDetails } = createPublicKey({ key: publicJwk, format: 'jwk' });
    return [
      ok('signing key', `The signing key "${kid}" is an RSA key of ${asymmetricKeyDetails?.modulusLength} bits.`),
    ];
  } catch (error) {
    const make = `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ${keyFile}`;
    const remedy = `Use the key that the trust anchor has under "${kid}"; a new one is made with: ${make}`;
    return [refusal('signing key', error, remedy)];
  }
}
