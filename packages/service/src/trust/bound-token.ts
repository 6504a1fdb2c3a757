/** What an access token says of its bearer. */
export interface AccessToken {
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** The token is not good. `reason` is for the log: the bearer is told no more than that. */
export interface TokenRefused {
  readonly kind: 'refused';
  readonly reason: string;
}

/** It cannot be told now whether the token is good: nobody's fault here. */
export interface TokenUnavailable {
  readonly kind: 'unavailable';
  readonly reason: string;
}

/** What the authorisation server vouches for. Whether the presented certificate is that one is not checked yet. */
export interface BoundToken extends AccessToken {
  readonly kind: 'bound';
  /** SHA-256 of the DER of the certificate that the token is bound to, base64url; undefined: to none. */
  readonly certificateThumbprint: unknown;
}

/** Finds out what the authorisation server vouches for: by its signature, or by asking it. */
export type TokenReader = (token: string) => Promise<BoundToken | TokenRefused | TokenUnavailable>;

/** A refusal, for the log. */
export function refused(reason: string): TokenRefused {
  return { kind: 'refused', reason };
}

/**
 * Reads the claims that JWT access tokens and introspection answers have in common. `sub` must equal `client_id` where it
 * is present, which tells a client credentials token from one that a customer stands behind (RFC 9068 section 2.2).
 */
export function readBoundToken(claims: Readonly<Record<string, unknown>>): BoundToken | TokenRefused {
  const { client_id: clientId, sub, cnf, scope } = claims;
  if (typeof clientId !== 'string' || clientId === '') return refused('client_id is no text');
  if (sub !== undefined && sub !== clientId) return refused('the token is not of the client credentials grant');
  const certificateThumbprint = typeof cnf === 'object' && cnf !== null && 'x5t#S256' in cnf && cnf['x5t#S256'];
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [];
  return { kind: 'bound', clientId, scopes, certificateThumbprint };
}
