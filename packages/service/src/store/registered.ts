import type { AffectedResource, ApiVersion, EventTypeRule, SetClaims } from '@tidings/protocol';

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

/** The two kinds of registration. A TPP has at most one of each; an event subscription supersedes a callback URL. */
export type RegistrationKind = 'event-subscription' | 'callback-url';

/** A registration of a TPP with what the service knows about it. */
export interface Registration {
  readonly kind: RegistrationKind;
  readonly clientId: string;
  /** Its EventSubscriptionId or CallbackUrlId. */
  readonly id: string;
  /** The version of the API that it was created or last replaced through. */
  readonly apiVersion: ApiVersion;
  /** Minimum version of the resources that it wants events about. */
  readonly version: string;
  /** Undefined: an event subscription that only polls. */
  readonly callbackUrl: string | undefined;
  /** As the TPP sent them; undefined: all that it may have. A callback URL has none. */
  readonly eventTypes: readonly string[] | undefined;
  /**
   * Since when its callback URL is past a limit of the retry policy; undefined while it is responsive, and while another
   * registration supersedes it.
   */
  readonly unresponsiveSinceMs: number | undefined;
}

/** A new or replaced registration. */
export type RegistrationToStore = Omit<Registration, 'unresponsiveSinceMs'>;

/** Which registration is to be deleted, by which TPP and through which version of the API. */
export interface RegistrationToDelete extends Pick<Registration, 'kind' | 'clientId' | 'id'> {
  readonly through: ApiVersion;
}

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

/** The decision of fan-out about an event. */
export type FanOut =
  | { readonly kind: 'notification'; readonly claims: SetClaims }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason };

/** Decides, within the transaction, what an event becomes; pure. */
export type DecideFanOut = (event: BankEvent, tpp: Tpp | undefined, registration: Registration | undefined) => FanOut;

/** The result of a change to a registration. A registration of v4.0 cannot be changed through v3.1. */
export type ChangeResult = 'changed' | 'unknown' | 'of-another-tpp' | 'of-newer-version';

/** A public signing key as it stands in a JWKS. */
export interface SigningKeyJwk {
  readonly kid: string;
  readonly [member: string]: unknown;
}

/**
 * `next`: announced in the JWKS, and signs nothing yet. `current`: signs. `former`: signed, and may be needed to verify.
 * `withdrawn`: taken out of the JWKS for good; kept for evidence.
 */
export type SigningKeyState = 'next' | 'current' | 'former' | 'withdrawn';

/** A signing key of ours that was announced or used at some time. What an older version of Tidings did not keep is undefined. */
export interface StoredSigningKey {
  readonly publicJwk: SigningKeyJwk;
  readonly state: SigningKeyState;
  readonly announcedAtMs: number | undefined;
  /** When it last became the current one. */
  readonly usedFromMs: number | undefined;
  /** When another took its place. */
  readonly retiredAtMs: number | undefined;
  /** When an instance that lacks the current key last said that it still signs with this one. */
  readonly usedUntilMs: number | undefined;
  readonly withdrawnAtMs: number | undefined;
}

/** Of the awaiting notifications that were looked at, about the oldest first, how many have a SET that a key signed. */
export interface SigningKeyUses {
  /** By kid; a key that is not in it signed none of them. */
  readonly byKid: ReadonlyMap<string, SigningKeyUse>;
  /** Whether these were all; else there may be more of each. */
  readonly isAll: boolean;
}

/** Awaiting notifications that depend on one key. */
export interface SigningKeyUse {
  readonly count: number;
  /** The one of them that was published first. */
  readonly oldestJti: string;
  readonly oldestPublishedAtMs: number;
}

/** The registrations of one TPP: of one of the two kinds, or both. */
export interface RegistrationsOfTpp {
  readonly clientId: string;
  readonly isSuspended: boolean;
  /** The one that holds is the first. */
  readonly registrations: readonly Registration[];
}
