/** How whoever made a change showed who it is. `service`: it is the service itself. */
export type AuditAuthentication = 'token' | 'oidc' | 'access-token' | 'service';

/** Who made a change, and from where. */
export interface AuditActor {
  /** Name of the operator token, or of the caller at the identity provider; `tpp:CLIENT_ID`; or `tidings`. */
  readonly actor: string;
  /** The role that allowed it; undefined for a TPP and the service. */
  readonly role?: string;
  /** Undefined in entries of versions that did not keep it. */
  readonly authenticatedBy?: AuditAuthentication;
  /** Address that the connection came from, which is that of the proxy or gateway where there is one. */
  readonly from?: string;
}

/** A change that an operator, a TPP, or the service by itself, made. Append-only. */
export interface AuditEntry extends AuditActor {
  readonly atMs: number;
  /** Such as `redeliver`, `callback-url-responsive`, `expire`. */
  readonly action: string;
  /** What it was done to, such as a client_id. */
  readonly subject: string;
  /** JSON: what exactly. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** JSON: what it was; undefined where there was nothing, or that is not kept. Without keys and secrets. */
  readonly before?: Readonly<Record<string, unknown>>;
  /** JSON: what it became; as `before`. */
  readonly after?: Readonly<Record<string, unknown>>;
}

/** An entry as it was kept. */
export interface StoredAuditEntry extends AuditEntry {
  readonly id: string;
}

/** Which entries are meant. All that is given must hold. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
  /** At or after. */
  readonly fromMs?: number;
  readonly beforeMs?: number;
}

/** Writes the entry of a change in its transaction, from what was there before it; pure. Undefined: nothing is changed by it, so nothing is audited. */
export type AuditOf<T> = (before: T | undefined) => AuditEntry | undefined;

/** What the service itself did. */
export const BY_SERVICE: AuditActor = { actor: 'tidings', authenticatedBy: 'service' };
