/** Entries in one message: a million in one would hold the pipe for seconds. */
export const LEDGER_CHUNK = 20_000;

export type ToReceiver =
  /** Opens so many listeners, each an origin. */
  | { readonly kind: 'listen'; readonly origins: number; readonly certificatePem: string; readonly keyPem: string }
  /** These TPPs take connections and requests and never answer. */
  | { readonly kind: 'hang'; readonly tpps: readonly number[] }
  | { readonly kind: 'heal' }
  | { readonly kind: 'report' };

export type FromReceiver =
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  /** `answered` notifications, each counted once, in `answers`, repetitions included. */
  | { readonly kind: 'progress'; readonly answered: number; readonly answers: number }
  | {
      readonly kind: 'ledger';
      readonly jtis: readonly string[];
      /** When each was first answered 202. */
      readonly answeredMs: Float64Array;
      readonly counts: Uint32Array;
    }
  | { readonly kind: 'reported'; readonly samples: readonly string[] };

/** How the publisher publishes until it is stopped, or until it is done. */
export type Load =
  /** As fast as the service accepts, with at most this many accepted or under way and not yet delivered. */
  | { readonly kind: 'saturate'; readonly batch: number; readonly outstandingMax: number }
  /** Evenly, whatever the answers take: an open loop. */
  | { readonly kind: 'pace'; readonly perSecond: number; readonly everyMs: number }
  /** So many, as fast as the service accepts, without regard to deliveries. */
  | { readonly kind: 'count'; readonly batch: number; readonly events: number };

export type ToPublisher =
  | {
      readonly kind: 'connect';
      readonly url: string;
      readonly token: string;
      readonly caPem: string;
      readonly clientIds: readonly string[];
    }
  | { readonly kind: 'load'; readonly load: Load }
  | { readonly kind: 'delivered'; readonly count: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'report' };

export type FromPublisher =
  | { readonly kind: 'connected' }
  | { readonly kind: 'progress'; readonly accepted: number }
  /** The load is done or stopped, and everything that was sent is answered. */
  | { readonly kind: 'idle'; readonly accepted: number; readonly postponed: number }
  | { readonly kind: 'failed'; readonly why: string }
  | {
      readonly kind: 'ledger';
      readonly jtis: readonly string[];
      /** Index of the TPP of each. */
      readonly tpps: Uint16Array;
      /** When the request that carried each was begun, and when its answer had come. */
      readonly sentMs: Float64Array;
      readonly acceptedMs: Float64Array;
    }
  | { readonly kind: 'reported' };
