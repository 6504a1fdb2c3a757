import type { Resolution } from '../model/activity.ts';
import type { RecentAttempts } from '../model/attempt.ts';
import type { AuditDrop, AuditEntry, AuditFilter, StoredAuditEntry } from '../model/audit.ts';
import type { Target } from '../model/notification.ts';
import type { RegistrationsOfTpp } from '../model/registration.ts';
import type { SigningKeyJwk, SigningKeyUses, StoredSigningKey } from '../model/signing-key.ts';

/**
 * Which notifications the operator means. All that is given must hold; never meant are those that are withdrawn, expired
 * or under way, and those of a TPP that has no registration any more.
 */
export interface NotificationFilter {
  readonly jtis?: readonly string[];
  readonly clientId?: string;
  /** Published at or after. */
  readonly publishedFromMs?: number;
  /** Published before. */
  readonly publishedBeforeMs?: number;
  /**
   * `failed`: awaiting, and an attempt failed or the TPP reported an error. `awaiting`: not acknowledged. Undefined:
   * acknowledged ones too, which are then awaiting again under the same jti, with the same SET.
   */
  readonly only?: 'failed' | 'awaiting';
}

/** A portion of an operation in bulk: a withdrawal, or what a redelivery has in common with it. */
export interface BulkPortion {
  /**
   * A withdrawal selects only what is awaiting: `only` can narrow it to `failed`, and whether the TPP has a registration does
   * not matter.
   */
  readonly filter: NotificationFilter;
  /** `next` of the portion before; undefined: from the oldest. */
  readonly after: string | undefined;
  /** Most notifications of this portion. */
  readonly limit: number;
  /** True: nothing is changed, only counted. */
  readonly isDryRun: boolean;
  /** `atMs` is the time of the operation: what is leased then is under way, and left alone. */
  readonly audit: AuditEntry;
}

/** A portion of a redelivery. */
export interface Redelivery extends BulkPortion {
  /** When the first is due; each further one `spacingMs` later, so that a TPP is not flooded. */
  readonly firstDueAtMs: number;
  readonly spacingMs: number;
}

/** The result of a portion of an operation in bulk. */
export interface BulkResult {
  /** Notifications changed (dry run: that would be); may be fewer than the limit, even 0, though there is a `next`. */
  readonly count: number;
  /** Where the next portion begins; undefined when this was the last. */
  readonly next: string | undefined;
}

/** Ages at which history is dropped. Awaiting notifications never are. */
export interface Retention {
  /** Acknowledged, withdrawn and expired notifications that became so before, with their attempts and reported errors. */
  readonly notificationsBeforeMs: number;
  /** Events published before whose notification, if any, is gone. Their id may be published again then. */
  readonly eventsBeforeMs: number;
  /** Most rows of this portion, so that traffic does not wait. */
  readonly limit: number;
}

/** How much there is. Counted often: cheap, and may lag by a few seconds where several processes share the store. */
export interface StoreCounts {
  readonly awaiting: number;
  readonly unresponsive: number;
}

/** Which counts are asked for. */
export interface StatisticsQuery {
  readonly resolution: Resolution;
  /** Undefined: of all TPPs together. */
  readonly clientId: string | undefined;
  readonly fromMs: number;
  readonly beforeMs: number;
}

/** Ages at which activity and statistics are dropped. */
export interface WatchRetention {
  /** Rows of the activity log that were appended before; the newest row stays, whatever its age. */
  readonly activityBeforeMs: number;
  /** Minutes that began before. */
  readonly minutesBeforeMs: number;
  readonly hoursBeforeMs: number;
  /** Most rows of this portion, of each of the two. */
  readonly limit: number;
}

/** Operations of operators and of the service's own housekeeping. */
export interface Operations {
  /** Where the notifications of a TPP are pushed; undefined when nowhere. */
  target(clientId: string): Promise<Target | undefined>;
  /**
   * Where the notifications of TPPs are pushed, in the order of their client_id.
   *
   * @param after as in {@link Registry.tpps}
   * @param only undefined: all
   */
  targets(after: string, limit: number, only?: 'responsive' | 'unresponsive'): Promise<readonly Target[]>;
  /**
   * The operator says that a callback URL is responsive again, or is to be probed now. @returns false when the TPP has no
   * target, or one that is responsive
   */
  recover(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): Promise<boolean>;
  /** Makes notifications due again, each with a new round, and keeps the audit entry, in one transaction. */
  redeliver(redelivery: Redelivery): Promise<BulkResult>;
  /**
   * Expires awaiting notifications that were published before and are not under way, the oldest first; audited with the
   * count unless that is 0. @returns how many
   */
  expireAwaiting(publishedBeforeMs: number, limit: number, nowMs: number): Promise<number>;
  /** Drops history in bulk. @returns how many rows went; 0: there is no more */
  dropHistory(retention: Retention): Promise<number>;
  counts(): Promise<StoreCounts>;
  audit(entry: AuditEntry): Promise<void>;
  /** The newest first. @param before id to begin before; undefined for the newest */
  auditEntries(before: string | undefined, limit: number, filter?: AuditFilter): Promise<readonly StoredAuditEntry[]>;
  /** TPPs' own entries that were made before, the oldest first. @param after `ATMS:ID` of the last entry of the page before */
  archivableAudit(beforeMs: number, after: string | undefined, limit: number): Promise<readonly StoredAuditEntry[]>;
  /** Drops TPPs' own entries by their ids, and keeps the entry of that, in one transaction. @returns how many */
  dropAudit(drop: AuditDrop): Promise<number>;
}

/** Operations on our own signing keys. */
export interface SigningKeyStore {
  /**
   * Remembers the key that signs from now on; the one before it is retired. Of no effect when it is the current one, or
   * was withdrawn.
   */
  useSigningKey(publicJwk: SigningKeyJwk, nowMs: number): Promise<void>;
  /** Remembers a key that is to sign later. @returns false when it is known already: nothing is changed then */
  announceSigningKey(publicJwk: SigningKeyJwk, nowMs: number): Promise<boolean>;
  /**
   * Makes a key that is known the current one; the one before it is retired. Kept in the audit when it is done.
   *
   * @returns false when it is the current one already, is unknown, or was withdrawn
   */
  rotateSigningKey(kid: string, nowMs: number, audit: AuditEntry): Promise<boolean>;
  /**
   * Takes a key out of the JWKS for good. Kept in the audit when it is done.
   *
   * @returns false when it is the current one, is unknown, or was withdrawn before
   */
  withdrawSigningKey(kid: string, nowMs: number, audit: AuditEntry): Promise<boolean>;
  /** Remembers that a former key still signs somewhere. */
  noteSigningKeyUsed(kid: string, nowMs: number): Promise<void>;
  /** The current key first, then what is announced, what was retired (the last first), what was withdrawn. */
  signingKeys(): Promise<readonly StoredSigningKey[]>;
  /** Looks at awaiting notifications, about the oldest first. @param limit most to look at */
  signingKeyUses(limit: number): Promise<SigningKeyUses>;
}

/** Reads about all TPPs: their registrations, and the health of their callback URLs. */
export interface CallbackHealthStore {
  /** TPPs that registered something, in the order of their client_id. @param after as in `Store.tpps` */
  registrations(after: string, limit: number): Promise<readonly RegistrationsOfTpp[]>;
  /** How many notifications are awaiting for each TPP. @param countMax beyond it need not be counted: it is one more then */
  awaitingOf(clientIds: readonly string[], countMax: number): Promise<ReadonlyMap<string, number>>;
  /**
   * Keeps the last attempts of a process in place of those kept before, for each TPP. Not waited for by anybody: what was
   * kept in the last moment before the database server crashed may be gone.
   */
  keepRecentAttempts(recent: readonly RecentAttempts[], nowMs: number): Promise<void>;
  /** The last attempts that all processes kept, in no particular order. */
  recentAttempts(clientIds: readonly string[]): Promise<readonly RecentAttempts[]>;
}
