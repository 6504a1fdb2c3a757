/** Why no answer came from a callback URL. */
export type UnreachableClass =
  | 'dns'
  /** The host leads to an address, or the URL has a port, that callback URLs may not have: nothing was sent. */
  | 'forbidden-address'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'oversized'
  | 'malformed';

/** The outcome of an attempt. A refused delivery is data, not an exception. */
export type Outcome =
  /** Only 202 acknowledges. A TPP that does not echo the interaction id has still acknowledged; the breach is kept. */
  | {
      readonly kind: 'acknowledged';
      readonly status: 202;
      readonly interactionIdEchoed: boolean;
      /** The value returned instead, cut to 64 characters; undefined: none, or the echo is right. */
      readonly interactionIdReturned?: string;
    }
  | {
      readonly kind: 'refused';
      readonly status: number;
      /** The wait that a 429 or 503 asked for. */
      readonly retryAfterMs?: number;
      /** Error code in the body of a 400 (RFC 8935 section 2.4), at most 40 characters. Chosen by the TPP. */
      readonly err?: string;
      /** Its description, at most 256 characters. Chosen by the TPP. */
      readonly description?: string;
    }
  | { readonly kind: 'unreachable'; readonly errorClass: UnreachableClass; readonly detail: string };

/** One POST to a callback URL. */
export interface Attempt {
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly interactionId: string;
  readonly callbackUrl: string;
  readonly outcome: Outcome;
}

/** An attempt with what it was for. */
export interface RecentAttempt extends Attempt {
  readonly jti: string;
}

/** The last attempts that one process made for one TPP, the newest first. */
export interface RecentAttempts {
  readonly clientId: string;
  /** Of the process. */
  readonly instance: string;
  readonly attempts: readonly RecentAttempt[];
}

/** The next step after an attempt. */
export type NextStep =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'retry'; readonly atMs: number }
  /**
   * A limit of the retry policy, or a probe that failed: attempts cease for all notifications of the callback URL, which
   * is unresponsive and stays so; they stay awaiting. `probeAtMs`: when it may be probed.
   */
  | { readonly kind: 'cease'; readonly probeAtMs: number };

/** The outcome of an attempt in one word: `refused-` by the class of the status, `unreachable-` by why no answer came. */
export type AttemptClass =
  | 'acknowledged'
  | 'refused-410'
  | 'refused-429'
  | 'refused-4xx'
  | 'refused-5xx'
  | 'refused-other'
  | `unreachable-${UnreachableClass}`;

/** As {@link AttemptClass}, of an attempt that was not acknowledged. */
export type FailureClass = Exclude<AttemptClass, 'acknowledged'>;

/** The outcome of an attempt in one word, of a small set. */
export function attemptClassOf(outcome: Outcome): AttemptClass {
  if (outcome.kind === 'acknowledged') return 'acknowledged';
  if (outcome.kind === 'unreachable') return `unreachable-${outcome.errorClass}`;
  const { status } = outcome;
  if (status === 410) return 'refused-410';
  if (status === 429) return 'refused-429';
  if (status >= 400 && status < 500) return 'refused-4xx';
  return status >= 500 && status < 600 ? 'refused-5xx' : 'refused-other';
}
