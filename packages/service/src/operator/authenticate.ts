import { createHash, timingSafeEqual } from 'node:crypto';
import { Problem } from './problem.ts';

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** A token that is accepted, by its hash. */
export interface OperatorToken {
  readonly name: string;
  /** SHA-256 of the token, hexadecimal. */
  readonly sha256: string;
}

/**
 * Tells which operator token a call carries.
 *
 * @returns the token's name, for the log
 * @throws {Problem} 401
 */
export function authenticateOperator(authorization: string | undefined, tokens: readonly OperatorToken[]): string {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new Problem(401, 'Send the operator token as "Authorization: Bearer …".');
  const hash = createHash('sha256').update(token).digest();
  // All are compared, in constant time each, so that the time tells nothing about which came close.
  const matching = tokens.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, 'hex')));
  const [known] = matching;
  if (known === undefined) throw new Problem(401, 'The operator token is not one of "operator.tokens".');
  return known.name;
}
