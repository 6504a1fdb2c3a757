import { createHash, timingSafeEqual } from 'node:crypto';
import type { RateLimit } from '../api/rate-limit.ts';
import type { OperatorRole } from '../config/schema-operator.ts';
import type { OidcVerifier } from '../trust/oidc-tokens.ts';
import { Problem } from './problem.ts';

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** A token that is accepted, by its hash. */
export interface OperatorToken {
  readonly name: string;
  /** SHA-256 of the token, hexadecimal. */
  readonly sha256: string;
  readonly role: OperatorRole;
}

/** The tokens that are accepted now: those of the configuration, as it was last read. */
export class OperatorTokens {
  #accepted: readonly OperatorToken[];
  readonly #observers = new Set<() => void>();

  constructor(accepted: readonly OperatorToken[]) {
    this.#accepted = accepted;
  }

  get accepted(): readonly OperatorToken[] {
    return this.#accepted;
  }

  /** Accepts these and no others from now on, and tells whoever a longer answer is given to. */
  replace(accepted: readonly OperatorToken[]): void {
    this.#accepted = accepted;
    for (const observer of [...this.#observers]) observer();
  }

  /** @returns takes it back */
  onReplaced(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }
}

/** How a caller showed who it is. */
export type AuthenticatedBy = 'token' | 'oidc';

/** Who calls, as far as its token tells. */
export interface Principal {
  /** For log and audit. */
  readonly name: string;
  readonly authenticatedBy: AuthenticatedBy;
  /** At least one. */
  readonly roles: readonly OperatorRole[];
  /** When its token expires; undefined: not by itself. */
  readonly expiresAtMs?: number;
}

/** What lets a caller in: either of the two, or both. */
export interface Credentials {
  readonly tokens: Pick<OperatorTokens, 'accepted'>;
  /** Verifies tokens of the bank's identity provider. */
  readonly oidc?: OidcVerifier | undefined;
  /** Bounds how many tokens of one remote address the provider's keys are tried on in vain; undefined: nothing does. */
  readonly limit?: RateLimit | undefined;
}

/**
 * Tells whose token a call carries: one of the configuration, or else one of the identity provider.
 *
 * @param network that the call comes from
 * @throws {Problem} 401; 429 where too many tokens of the network were not good; 403 for a good token that gives no role; 503 while the provider's keys cannot be had
 */
export async function authenticateOperator(
  authorization: string | undefined,
  { tokens, oidc, limit }: Credentials,
  network: string,
): Promise<Principal> {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new Problem(401, 'Send the operator token as "Authorization: Bearer …".');
  const known = findToken(token, tokens.accepted);
  if (known !== undefined) return { name: known.name, authenticatedBy: 'token', roles: [known.role] };
  if (oidc === undefined) throw new Problem(401, 'The operator token is not one of "operator.tokens".');
  // Those of the configuration cost nothing, and go on while somebody else of the same address guesses.
  const retryAfterSeconds = limit?.take(network);
  if (retryAfterSeconds !== undefined) {
    throw new Problem(429, 'Too many tokens that are not good came from this address.', {}, retryAfterSeconds);
  }
  const check = await oidc.verify(token);
  if (check.kind !== 'refused') limit?.giveBack(network);
  if (check.kind === 'refused') {
    const neither = 'The token is not one of "operator.tokens", nor one that the identity provider gave for this API';
    throw new Problem(401, `${neither}: ${check.reason}`);
  }
  if (check.kind === 'unavailable') {
    throw new Problem(503, 'The keys of the identity provider cannot be had now, so its tokens cannot be verified.');
  }
  const { name, roles, expiresAtMs } = check;
  if (roles.length === 0) {
    const looked = `none of the values of its claim "${oidc.rolesClaim}" is mapped in "operator.oidc.roles"`;
    throw new Problem(403, `The token of ${JSON.stringify(name)} gives no role here: ${looked}.`);
  }
  return { name, authenticatedBy: 'oidc', roles, expiresAtMs };
}

function findToken(token: string, tokens: readonly OperatorToken[]): OperatorToken | undefined {
  const hash = createHash('sha256').update(token).digest();
  // All are compared, in constant time each, so that the time tells nothing about which came close.
  return tokens.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, 'hex')))[0];
}
