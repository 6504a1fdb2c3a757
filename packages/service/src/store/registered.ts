import type {
  AffectedResource,
  ApiVersion,
  CallbackUrl,
  EventSubscription,
  EventTypeRule,
  SetClaims,
} from '@tidings/protocol';

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
  /** As for an event subscription; undefined too while one supersedes it. */
  readonly unresponsiveSinceMs: number | undefined;
}

/** What is kept of a new or replaced callback URL. */
export type CallbackUrlToStore = Omit<StoredCallbackUrl, 'unresponsiveSinceMs'>;

/** The registration that holds for a TPP: its event subscription, else its callback URL, which that supersedes. */
export type Registration =
  | ({ readonly kind: 'event-subscription' } & StoredSubscription)
  | ({ readonly kind: 'callback-url' } & StoredCallbackUrl);

/** W3C trace context, as the publisher sent it: only its lengths are checked. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

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
  /** The trace that it belongs to; no part of its content. */
  readonly traceContext?: TraceContext;
}

/** Why an event made no notification. */
export type NoNotificationReason = 'unknown-client' | 'no-registration' | 'type-filtered' | 'version-below-minimum';

/** What fan-out makes of an event. */
export type FanOut =
  | { readonly kind: 'notification'; readonly claims: SetClaims }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason };

/** Decides, within the transaction, what an event becomes; pure. */
export type DecideFanOut = (event: BankEvent, tpp: Tpp | undefined, registration: Registration | undefined) => FanOut;

/** What a change to a registration came to. A registration of v4.0 cannot be changed through v3.1. */
export type ChangeResult = 'changed' | 'unknown' | 'of-another-tpp' | 'of-newer-version';

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
