import { type GrantMark, hasGrantMark } from '../config/derived.ts';
import { claimAt, rejectIdToken, StrictJwtError, textsOf } from './strict-jwt.ts';

/** Claims of an access token about its bearer. */
export interface AccessToken {
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** `exp`, without clock skew; undefined when the authorisation server does not tell. */
  readonly expiresAtMs?: number;
}

/** The token is invalid. `reason` is for the log: the bearer is told no more than that. */
export interface TokenRefused {
  readonly kind: 'refused';
  readonly reason: string;
}

/** Whether the token is valid cannot be determined now. */
export interface TokenUnavailable {
  readonly kind: 'unavailable';
  readonly reason: string;
}

/** Claims that the authorisation server vouches for. The binding to the presented certificate is not checked yet. */
export interface BoundToken extends AccessToken {
  readonly kind: 'bound';
  /** SHA-256 of the DER of the certificate that the token is bound to, base64url; undefined when it is bound to none. */
  readonly certificateThumbprint: unknown;
}

/** Reads the claims of a token, verified by the authorisation server's signature or by introspection. */
export type TokenReader = (token: string) => Promise<BoundToken | TokenRefused | TokenUnavailable>;

/** Makes a refusal. @param reason for the log */
export function refused(reason: string): TokenRefused {
  return { kind: 'refused', reason };
}

/**
 * Reads the claims that JWT access tokens and introspection answers have in common. Refuses ID tokens, and tokens issued on
 * behalf of a customer. `scope` may be an array too, as some authorisation servers write it.
 *
 * @param mark how the client credentials grant is marked. Default: `sub` equals `client_id` (RFC 9068 section 2.2)
 */
export function readBoundToken(
  claims: Readonly<Record<string, unknown>>,
  mark: GrantMark | undefined,
): BoundToken | TokenRefused {
  const { client_id: clientId, cnf, scope, exp } = claims;
  if (typeof clientId !== 'string' || clientId === '') return refused('client_id is no text');
  try {
    rejectIdToken(claims);
  } catch (error) {
    if (error instanceof StrictJwtError) return refused(error.message);
    throw error;
  }
  if (!isOfClientCredentials(claims, clientId, mark))
    return refused('the token is not of the client credentials grant');
  const certificateThumbprint = typeof cnf === 'object' && cnf !== null && 'x5t#S256' in cnf && cnf['x5t#S256'];
  const scopes = textsOf(scope).filter((one) => one !== '');
  const expiresAtMs = typeof exp === 'number' ? { expiresAtMs: exp * 1000 } : {};
  return { kind: 'bound', clientId, scopes, ...expiresAtMs, certificateThumbprint };
}

/** Longest claim that is compared with a mark, in UTF-16 units. */
const MARK_CHARS_MAX = 1024;

/**
 * Without a mark, `sub` and, in introspection, `username` (the resource owner, RFC 7662 section 2.2) must equal `client_id`
 * where they are present. With a mark the marked claim alone decides: a token that lacks it is not of the grant.
 */
function isOfClientCredentials(
  claims: Readonly<Record<string, unknown>>,
  clientId: string,
  mark: GrantMark | undefined,
): boolean {
  if (mark === undefined) {
    const subjects = [claims['sub'], claims['username']];
    return subjects.every((subject) => subject === undefined || subject === clientId);
  }
  const claim = claimAt(claims, mark.claim);
  return typeof claim === 'string' && claim.length <= MARK_CHARS_MAX && hasGrantMark(claim, mark, clientId);
}
