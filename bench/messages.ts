/** Maximum number of entries in one message: a million would block the pipe for seconds. */
export const LEDGER_CHUNK = 20_000;

export type ToReceiver =
  /** Opens this many listeners, each with its own origin. */
  | { readonly kind: 'listen'; readonly origins: number; readonly certificatePem: string; readonly keyPem: string }
  /** These TPPs accept connections and requests and never respond. */
  | { readonly kind: 'hang'; readonly tpps: readonly number[] }
  | { readonly kind: 'heal' }
  | { readonly kind: 'report' };

export type FromReceiver =
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  /** `answered` counts each notification once; `answers` includes repetitions. */
  | { readonly kind: 'progress'; readonly answered: number; readonly answers: number }
  | {
      readonly kind: 'ledger';
      readonly jtis: readonly string[];
      /** When each notification first got its 202. */
      readonly answeredMs: Float64Array;
      readonly counts: Uint32Array;
    }
  | { readonly kind: 'reported'; readonly samples: readonly string[] };

/** Load that the publisher generates until it is done or stopped. */
export type Load =
  /**
   * As fast as the service accepts, with at most this many notifications requested or accepted and not yet delivered.
   */
  | { readonly kind: 'saturate'; readonly batch: number; readonly outstandingMax: number }
  /** An open loop: evenly paced, however long responses take. */
  | { readonly kind: 'pace'; readonly perSecond: number; readonly everyMs: number }
  /** A fixed number, as fast as the service accepts, regardless of deliveries. */
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
  /** The load is done or stopped, and all requests have a response. */
  | { readonly kind: 'idle'; readonly accepted: number; readonly postponed: number }
  | { readonly kind: 'failed'; readonly why: string }
  | {
      readonly kind: 'ledger';
      readonly jtis: readonly string[];
      /** Index of the TPP of each notification. */
      readonly tpps: Uint16Array;
      /** When the publishing request of each notification started, and when its response was received. */
      readonly sentMs: Float64Array;
      readonly acceptedMs: Float64Array;
    }
  | { readonly kind: 'reported' };
