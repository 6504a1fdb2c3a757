import { createHash } from 'node:crypto';
import { type Examination, type Finding, fault, ok, warning } from './finding.ts';

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
