import { createHash, createPublicKey } from 'node:crypto';
import { loadSigningKeys, type OwnSigningKey } from '../../trust/signing-key.ts';
import { type Examination, type Finding, fault, ok, refusal, warning } from './finding.ts';
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

/** Nothing at all, which an unset variable is; the variable itself, in single quotes; what examples say. */
const GUESSED = ['', '$TOKEN', 'TOKEN', 'token', 'secret', 'password', 'change-me', 'changeme', 'operator', 'admin'];
const GUESSED_HASHES: ReadonlySet<string> = new Set(
  GUESSED.flatMap((text) => [text, `${text}\n`]).map((text) => createHash('sha256').update(text).digest('hex')),
);
/** Stands for a hash in examples. */
const PLACEHOLDER = /^(.)\1*$|^(?:0123456789abcdef)+$/;

const MAKE = 'make one with: openssl rand -hex 32, and put its SHA-256 there: printf %s "$TOKEN" | sha256sum';

/** Operator tokens are none that anybody could guess, and each is told apart from the others. */
export function checkOperatorTokens({ config }: Examination): readonly Finding[] {
  const { tokens } = config.operator;
  const findings = tokens.flatMap(({ name, sha256 }, at): Finding[] => {
    const setting = `"operator.tokens[${at}]" (${name})`;
    const twin = tokens.findIndex((other) => other.sha256 === sha256);
    if (twin < at) {
      const what = `${setting} has the same token as "operator.tokens[${twin}]", so that the audit trail cannot tell them apart.`;
      return [fault('operator tokens', what, `Give each its own: ${MAKE}`)];
    }
    if (GUESSED_HASHES.has(sha256) || PLACEHOLDER.test(sha256)) {
      const what = `${setting} is the hash of an empty or well-known text, not of a secret.`;
      return [fault('operator tokens', what, `Replace the token; ${MAKE}`)];
    }
    if (tokens.findIndex((other) => other.name === name) === at) return [];
    const what = `${setting} has the name of another token, so that the audit trail cannot tell them apart.`;
    return [warning('operator tokens', what, 'Give each token the name of whoever uses it.')];
  });
  if (findings.length > 0 || tokens.length === 0) return findings;
  return [
    ok('operator tokens', tokens.length === 1 ? '1 token is accepted.' : `${tokens.length} tokens are accepted.`),
  ];
}
