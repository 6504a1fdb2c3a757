import type { AffectedResource, EventTypeRule, SetClaims } from '@tidings/protocol';

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
  | {
      readonly kind: 'notification';
      readonly claims: SetClaims;
      /** The signed token, where it was made in time; undefined: it is signed later. */
      readonly set: string | undefined;
    }
  | { readonly kind: 'none'; readonly reason: NoNotificationReason };
