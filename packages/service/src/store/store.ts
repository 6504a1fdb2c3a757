import type {
  AffectedResource,
  ApiVersion,
  CallbackUrl,
  EventSubscription,
  EventTypeRule,
  SetClaims,
  SetErrorReport,
} from '@tidings/protocol';
import type { Outcome } from '../base/outcome.ts';

/** A TPP that the bank registered with this service: one client_id. */
export interface Tpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  /** Its JWKS as the bank gave it; holds transport keys too. Undefined where `jwksUrl` is given. */
  readonly jwks?: unknown;
  /** Where its JWKS is published, as the software statement names it. */
  readonly jwksUrl?: string | undefined;
  /** Subject of its transport certificate, RFC 4514; undefined: the token's binding alone decides. */
  readonly certificateSubject?: string | undefined;
  /** Scopes that its tokens may be used with; undefined: all. */
  readonly scopes?: readonly string[] | undefined;
  /** A suspended TPP is refused, and nothing is delivered to it; its events are kept. */
  readonly isSuspended?: boolean;
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

/** A callback URL resource with what the service knows about it. */
export interface StoredCallbackUrl extends CallbackUrl {
  readonly clientId: string;
  readonly apiVersion: ApiVersion;
  readonly unresponsiveSinceMs: number | undefined;
}

/** What is kept of a new or replaced callback URL. */
export type CallbackUrlToStore = Omit<StoredCallbackUrl, 'unresponsiveSinceMs'>;

/** The registration that holds for a TPP: its event subscription, else its callback URL, which that supersedes. */
export type Registration =
  | ({ readonly kind: 'event-subscription' } & StoredSubscription)
  | ({ readonly kind: 'callback-url' } & StoredCallbackUrl);

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
export type DecideFanOut = (event: BankEvent, tpp: Tpp | undefined, registration: Registration | undefined) => FanOut;

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

/** An error that a TPP reported for a notification (`setErrs`). */
export interface ReportedError extends Omit<SetErrorReport, 'jti'> {
  readonly reportedAtMs: number;
}

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
  /** How it was acknowledged: 202 on push, `ack` in a poll, or by being offered where no acknowledgement is expected. */
  readonly acknowledgedBy: 'push' | 'poll' | 'offer' | undefined;
  /** Errors that the TPP reported in polls, in their order. */
  readonly errors: readonly ReportedError[];
  /** When the next attempt is due; undefined when none is. */
  readonly nextAttemptAtMs: number | undefined;
  readonly attempts: readonly Attempt[];
}

/** A poll of one TPP, resolved: what it acknowledges and reports, and how much it is to get. */
export interface PollToStore {
  readonly clientId: string;
  readonly acknowledged: readonly string[];
  readonly errors: readonly SetErrorReport[];
  /** 0: nothing is offered. */
  readonly maxEvents: number;
  readonly nowMs: number;
  /** How long an offered notification is not offered again; undefined: offering it acknowledges it. */
  readonly reofferMs: number | undefined;
  /** How long one that was reported as an error is not offered again. */
  readonly reofferAfterErrorMs: number;
}

/** A notification that is offered in a poll. */
export type OfferedNotification = Pick<ClaimedNotification, 'jti' | 'claims' | 'set'>;

/** What a poll came to. */
export interface PolledNotifications {
  /** Oldest first. */
  readonly notifications: readonly OfferedNotification[];
  /** True exactly when more could be offered now. */
  readonly moreAvailable: boolean;
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
  /** Adds or changes a TPP. Suspending it ends its deliveries; taking that back makes what is awaiting due. */
  putTpp(tpp: Tpp, nowMs: number): Promise<void>;
  tpp(clientId: string): Promise<Tpp | undefined>;
  /** TPPs in the order of their client_id. @param after client_id to begin after; empty for the first */
  tpps(after: string, limit: number): Promise<readonly Tpp[]>;
  /** Removes a TPP and its registrations; what is awaiting is withdrawn. @returns false when it is not known */
  removeTpp(clientId: string): Promise<boolean>;

  /** Creates the one event subscription of a TPP; it supersedes a callback URL, whose awaiting notifications it takes. */
  createSubscription(subscription: SubscriptionToStore, nowMs: number): Promise<'created' | 'exists'>;
  subscriptionOf(clientId: string): Promise<StoredSubscription | undefined>;
  /**
   * Replaces an event subscription; its callback URL counts as responsive again, and what is awaiting goes to the new
   * one. Notifications that are made keep their content whatever the new `EventTypes`.
   */
  replaceSubscription(subscription: SubscriptionToStore, nowMs: number): Promise<ChangeResult>;
  /**
   * Deletes an event subscription; its awaiting notifications are withdrawn. A callback URL of the same TPP is effective
   * again, for events from then on.
   */
  deleteSubscription(clientId: string, eventSubscriptionId: string, through: ApiVersion): Promise<ChangeResult>;

  /** Creates the one callback URL of a TPP. */
  createCallbackUrl(callbackUrl: CallbackUrlToStore, nowMs: number): Promise<'created' | 'exists'>;
  callbackUrlOf(clientId: string): Promise<StoredCallbackUrl | undefined>;
  /** As {@link Store.replaceSubscription}; of no effect on deliveries while an event subscription supersedes it. */
  replaceCallbackUrl(callbackUrl: CallbackUrlToStore, nowMs: number): Promise<ChangeResult>;
  /** Deletes a callback URL; what is awaiting is withdrawn unless an event subscription supersedes it. */
  deleteCallbackUrl(clientId: string, callbackUrlId: string, through: ApiVersion): Promise<ChangeResult>;

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

  /** Acknowledges, records errors, then offers: in this order, in one transaction. Touches no other TPP's. */
  poll(poll: PollToStore): Promise<PolledNotifications>;
  /** When a notification of the TPP that is withheld now may be offered again; undefined when none is. */
  nextOfferAtMs(clientId: string): Promise<number | undefined>;
  /**
   * Tells of TPPs for which something new may be offered, after the commit.
   *
   * @returns ends it
   */
  onOffer(listener: (clientIds: ReadonlySet<string>) => void): () => void;

  /** Remembers the key that signs from now on; the one before it is retired. Of no effect when it is the current one. */
  useSigningKey(publicJwk: SigningKeyJwk, nowMs: number): Promise<void>;
  /** Every key that ever signed, the current one first. */
  signingKeys(): Promise<readonly StoredSigningKey[]>;
  /** When the oldest awaiting notification was published: a key retired before it is needed by none. */
  oldestAwaitingAtMs(): Promise<number | undefined>;

  notification(jti: string): Promise<NotificationRecord | undefined>;

  close(): Promise<void>;
}

/** A public signing key as it stands in a JWKS. */
export interface SigningKeyJwk {
  readonly kid: string;
  readonly [member: string]: unknown;
}

/** A signing key of ours that was used at some time. */
export interface StoredSigningKey {
  readonly publicJwk: SigningKeyJwk;
  /** Undefined: the current one. */
  readonly retiredAtMs: number | undefined;
}

/** What a change to a registration came to. A registration of v4.0 cannot be changed through v3.1. */
export type ChangeResult = 'changed' | 'unknown' | 'of-another-tpp' | 'of-newer-version';

/** The store cannot do its work now: full, locked, broken. Nothing of the operation was kept. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}
