import { createHash, timingSafeEqual } from 'node:crypto';
import type { OperatorRole } from '../config/schema-operator.ts';
import { Problem } from './problem.ts';

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** A token that is accepted, by its hash. */
export interface OperatorToken {
  readonly name: string;
  /** SHA-256 of the token, hexadecimal. */
  readonly sha256: string;
  readonly role: OperatorRole;
}

/** Who calls, as far as its token tells. */
export interface Principal {
  /** For log and audit. */
  readonly name: string;
  readonly roles: readonly OperatorRole[];
}

/**
 * Tells whose operator token a call carries.
 *
 * @throws {Problem} 401
 */
export function authenticateOperator(authorization: string | undefined, tokens: readonly OperatorToken[]): Principal {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new Problem(401, 'Send the operator token as "Authorization: Bearer …".');
  const hash = createHash('sha256').update(token).digest();
  // All are compared, in constant time each, so that the time tells nothing about which came close.
  const matching = tokens.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, 'hex')));
  const [known] = matching;
  if (known === undefined) throw new Problem(401, 'The operator token is not one of "operator.tokens".');
  return { name: known.name, roles: [known.role] };
}
