import { createPublicKey } from 'node:crypto';
import { loadSigningKeys, type OwnSigningKey } from '../../trust/signing-key.ts';
import { type Examination, type Finding, ok, refusal, warning } from './finding.ts';
import { isReadable } from './settings.ts';

/** The keys that SETs are, or will be, signed with can be used. Does not look at what the trust anchor publishes. */
export async function checkSigningKey({ config }: Examination): Promise<readonly Finding[]> {
  const { kid, keyFile, next: announced } = config.signing;
  if (!isReadable(keyFile) || (announced !== undefined && !isReadable(announced.keyFile))) return [];
  try {
    const { main, next } = await loadSigningKeys(config);
    if (next === undefined) return [described('The signing key', main)];
    const findings = [described('The signing key', main), described('The next signing key', next)];
    if (next.publicJwk['n'] !== main.publicJwk['n']) return findings;
    const what = `"signing.next.keyFile" holds the key that signs now, so that rotating to it would change nothing.`;
    return [warning('signing key', what, `Make another: ${commandFor(announced?.keyFile ?? keyFile)}`)];
  } catch (error) {
    const remedy = `Use the key that the trust anchor has under "${kid}"; a new one is made with: ${commandFor(keyFile)}`;
    return [refusal('signing key', error, remedy)];
  }
}

function described(what: string, { publicJwk }: OwnSigningKey): Finding {
  const { asymmetricKeyDetails } = createPublicKey({ key: publicJwk, format: 'jwk' });
  return ok('signing key', `${what} "${publicJwk.kid}" is an RSA key of ${asymmetricKeyDetails?.modulusLength} bits.`);
}

const commandFor = (file: string) => `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ${file}`;
