import type { AffectedResource, ApiVersion, EventSubscription, EventTypeRule, SetClaims } from '@tidings/protocol';
import type { Outcome } from '../base/outcome.ts';

/** A TPP that the bank registered with this service: one client_id. */
export interface Tpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  /** Its JWKS as the bank gave it; holds transport keys too. */
  readonly jwks: unknown;
}

/** An event subscription with what the service knows about it. */
export interface StoredSubscription extends EventSubscription {
  readonly clientId: string;
  /** The version of the API that it was created or last replaced through. */
  readonly apiVersion: ApiVersion;
  /** Since when its callback URL is past a limit of the retry policy; undefined while it is responsive. */
  readonly unresponsiveSinceMs: number | undefined;
}

/** What is kept of a new or replaced event subscription. */
export type SubscriptionToStore = Omit<StoredSubscription, 'unresponsiveSinceMs'>;

/** An event as the bank published it, parsed. */
export interface BankEvent {
  readonly id: string;
  readonly clientId: string;
  readonly occurredAtMs: number;
  readonly transactionId: string | undefined;
  readonly resource: AffectedResource & { readonly version: string };
  readonly events: readonly { readonly type: EventTypeRule; readonly reason: string | undefined }[];
  /** SHA-256 of its content, hexadecimal: tells a repetition from another event under the same id. */
  readonly fingerprint: string;
}

/** Why an event made no notification. */
export type NoNotificationReason = 'unknown-client' | 'no-registration' | 'type-filtered' | 'version-below-minimum';

/** What fan-out makes of an event. */
export type FanOut =
  | { readonly kind: 'notification'; readonly claims: SetClaims }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason };

/** Decides, within the transaction, what an event becomes; pure. */
export type DecideFanOut = (
  event: BankEvent,
  tpp: Tpp | undefined,
  subscription: StoredSubscription | undefined,
) => FanOut;

/** What publishing one event came to. `repeated`: it was published before, and this is what came of it then. */
export type PublishOutcome = { readonly eventId: string; readonly repeated: boolean } & (
  | { readonly kind: 'notification'; readonly jti: string }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason }
);

/** Publishing is all or nothing: one event whose id was used for other content refuses the batch. */
export type PublishResult =
  | { readonly kind: 'published'; readonly outcomes: readonly PublishOutcome[] }
  | { readonly kind: 'conflict'; readonly eventIds: readonly string[] };

/** A notification that is this process's to deliver until its lease runs out. */
export interface ClaimedNotification {
  readonly jti: string;
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly claims: SetClaims;
  /** The signed token; undefined until it is first needed. */
  readonly set: string | undefined;
  /** Attempts made so far, ever. */
  readonly attempts: number;
  /** Attempts made in the current run of the retry policy; it starts anew when a callback URL comes back. */
  readonly roundAttempts: number;
  /** When the first attempt of this round began; undefined before it. */
  readonly roundBeganAtMs: number | undefined;
  /** Fences the claim: a record under an older token is ignored. */
  readonly leaseToken: number;
}

/** One POST to a callback URL. */
export interface Attempt {
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly interactionId: string;
  readonly callbackUrl: string;
  readonly outcome: Outcome;
}

/** What follows an attempt. */
export type NextStep =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'retry'; readonly atMs: number }
  /** A limit of the retry policy: attempts cease, the callback URL is unresponsive, the notification stays awaiting. */
  | { readonly kind: 'cease' };

/** A notification as the operator sees it. */
export interface NotificationRecord {
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  readonly state: 'awaiting' | 'acknowledged' | 'withdrawn';
  readonly claims: SetClaims;
  readonly set: string | undefined;
  readonly publishedAtMs: number;
  readonly acknowledgedAtMs: number | undefined;
  /** When the next attempt is due; undefined when none is. */
  readonly nextAttemptAtMs: number | undefined;
  readonly attempts: readonly Attempt[];
}

export interface ClaimOptions {
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Most notifications to claim. */
  readonly limit: number;
  /** Most notifications of one TPP that may be under way, those in `inFlight` counted. */
  readonly perTppMax: number;
  /** How many of each TPP are under way in this process. */
  readonly inFlight: ReadonlyMap<string, number>;
}

/**
 * What is kept, offered as whole operations, each atomic and durable when its promise resolves: after a crash at any
 * moment everything that was promised is there. Times are milliseconds since the epoch and are given by the caller.
 * Every method rejects with {@link StoreError} when the store cannot be read or written.
 */
export interface Store {
  /** Adds or changes a TPP. */
  putTpp(tpp: Tpp): Promise<void>;
  tpp(clientId: string): Promise<Tpp | undefined>;

  /** Creates the one event subscription of a TPP. */
  createSubscription(subscription: SubscriptionToStore): Promise<'created' | 'exists'>;
  subscriptionOf(clientId: string): Promise<StoredSubscription | undefined>;
  /**
   * Replaces an event subscription; its callback URL counts as responsive again, and what is awaiting goes to the new
   * one. Notifications that are made keep their content whatever the new `EventTypes`.
   */
  replaceSubscription(subscription: SubscriptionToStore, nowMs: number): Promise<ChangeResult>;
  /** Deletes an event subscription; its awaiting notifications are withdrawn. */
  deleteSubscription(clientId: string, eventSubscriptionId: string): Promise<ChangeResult>;

  /** Commits events and their notifications in one transaction. */
  publish(events: readonly BankEvent[], decide: DecideFanOut, nowMs: number): Promise<PublishResult>;

  /** Claims due notifications, oldest first within a TPP, fairly across TPPs, for a lease. */
  claimDue(options: ClaimOptions): Promise<readonly ClaimedNotification[]>;
  /** Keeps the SET unless one is kept already. @returns the one that is kept: the only one that may ever be sent */
  keepSet(jti: string, set: string): Promise<string>;
  /**
   * Records an attempt and what follows. An acknowledgement counts even when the lease has run out: the TPP has the
   * notification. It makes the callback URL responsive again, with everything that had ceased.
   *
   * @returns false when the notification had been taken over or withdrawn, and only the attempt was kept
   */
  recordAttempt(claimed: ClaimedNotification, attempt: Attempt, next: NextStep): Promise<boolean>;
  /** Hands claimed notifications back at once, as at shutdown. */
  release(claimed: readonly ClaimedNotification[], nowMs: number): Promise<void>;
  /**
   * When the next attempt, or lease to take over, is due; undefined when nothing is.
   *
   * @param without client_ids that are left out, because they have no room for more attempts
   */
  nextDueAtMs(without: ReadonlySet<string>): Promise<number | undefined>;

  notification(jti: string): Promise<NotificationRecord | undefined>;

  close(): Promise<void>;
}

/** What a change to a registration came to. */
export type ChangeResult = 'changed' | 'unknown' | 'of-another-tpp';

/** The store cannot do its work now: full, locked, broken. Nothing of the operation was kept. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}
