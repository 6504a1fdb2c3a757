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
  /** The subject, such as a client_id. */
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

/**
 * How long a TPP's own entry is kept at least, by the clock of the database: triggers refuse to drop a younger one. Entries
 * of operators and of the service are never dropped.
 */
export const TPP_AUDIT_KEPT_MS_MIN = 2_592_000_000;

/** Most entries that are dropped at once. */
export const AUDIT_DROPPED_MAX = 500;

/** TPPs' own entries that were archived elsewhere and are to go. */
export interface AuditDrop {
  /** At most {@link AUDIT_DROPPED_MAX}. */
  readonly ids: readonly string[];
  /** Only what was made before. */
  readonly beforeMs: number;
  /**
   * Writes the entry of the drop from those that go, in the order of `ids`; pure. Of `ids` whatever is not a TPP's own, is
   * younger or is gone is not among them. When it throws, nothing is dropped, and the error is passed on.
   */
  readonly audit: (dropped: readonly StoredAuditEntry[]) => AuditEntry;
}

/** The actor of changes by the service itself. */
export const BY_SERVICE: AuditActor = { actor: 'tidings', authenticatedBy: 'service' };
