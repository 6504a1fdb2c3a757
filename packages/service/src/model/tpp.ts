/** A TPP that the bank registered with this service: one client_id. */
export interface Tpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  /** Its JWKS as the bank gave it; holds transport keys too. Undefined where `jwksUrl` is given. */
  readonly jwks?: unknown;
  /** Where its JWKS is published, as the software statement names it. */
  readonly jwksUrl?: string | undefined;
  /** Where those of its keys are listed that were revoked; only beside `jwksUrl`. */
  readonly revokedJwksUrl?: string | undefined;
  /** Subject of its transport certificate, RFC 4514; undefined: the token's binding alone decides. */
  readonly certificateSubject?: string | undefined;
  /** Scopes that its tokens may be used with; undefined: all. */
  readonly scopes?: readonly string[] | undefined;
  /** A suspended TPP is refused, and nothing is delivered to it; its events are kept. */
  readonly isSuspended?: boolean;
  /** Settings of the retry policy that are this TPP's own; undefined: those of the configuration. */
  readonly retry?: RetryOverrides | undefined;
}

/** Settings of the Event Notification Retry Policy that hold for one TPP in place of the configuration's `retry`. */
export interface RetryOverrides {
  readonly delayMs?: number;
  readonly delayMaxMs?: number;
  readonly retriesMax?: number;
  readonly intervalMaxMs?: number;
}
