import type { AuditEntry } from './audit.ts';
import type { RecentAttempts } from './notification.ts';
import type { RegistrationsOfTpp, SigningKeyJwk, SigningKeyUses, StoredSigningKey } from './registered.ts';

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
