import { type Attempt, attemptClassOf, type FailureClass, type Outcome } from './attempt.ts';

/** The last attempt that a TPP did not acknowledge, in short. */
export interface Failure {
  /** When the attempt ended. */
  readonly atMs: number;
  readonly class: FailureClass;
  /** Of the response; undefined where there was none. */
  readonly status?: number;
  /** Code of the system, of TLS or of the HTTP client, such as `ECONNREFUSED`; only where there was no response. */
  readonly code?: string;
  /** Error in the body of a 400 (RFC 8935 section 2.4). Chosen by the TPP, and cut to size. */
  readonly err?: string;
  readonly description?: string;
}

/** How attempts to a callback URL went since its registration was last changed. */
export interface AttemptHealth {
  /** When the first attempt failed after the last acknowledgement; undefined: none has failed since. */
  readonly failingSinceMs: number | undefined;
  /** Attempts that failed since the last acknowledgement, probes included. */
  readonly failures: number;
  /** It stays after an acknowledgement. */
  readonly lastFailure: Failure | undefined;
  /** When the last acknowledgement came, within {@link ACKNOWLEDGED_RESOLUTION_MS}; undefined: none has come. */
  readonly acknowledgedAtMs: number | undefined;
}

/** The attempt health of a callback URL of which nothing is known. */
export const NO_ATTEMPTS: AttemptHealth = {
  failingSinceMs: undefined,
  failures: 0,
  lastFailure: undefined,
  acknowledgedAtMs: undefined,
};

/** While all goes well, the time of the last acknowledgement is written this often: deliveries pay nothing for it. */
export const ACKNOWLEDGED_RESOLUTION_MS = 10_000;

/** The statement of a batch of attempts about a callback URL. */
export interface HealthChange {
  readonly clientId: string;
  readonly callbackUrl: string;
  /** Of the last acknowledgement of the batch; undefined: it holds none. */
  readonly acknowledgedAtMs: number | undefined;
  /** Attempts that failed after that acknowledgement. */
  readonly failures: number;
  /** When the first of them ended; undefined: there are none. */
  readonly failingSinceMs: number | undefined;
  /** The last failure of the batch. */
  readonly lastFailure: Failure | undefined;
}

/** The statement of attempts to one callback URL, given in their order; pure. */
export function healthChangeOf(clientId: string, callbackUrl: string, attempts: readonly Attempt[]): HealthChange {
  const acknowledged = attempts.findLastIndex(({ outcome }) => outcome.kind === 'acknowledged');
  const failed = attempts.slice(acknowledged + 1);
  const [first] = failed;
  const last = attempts.findLast(({ outcome }) => outcome.kind !== 'acknowledged');
  return {
    ...{ clientId, callbackUrl, failures: failed.length },
    acknowledgedAtMs: attempts[acknowledged] && endOf(attempts[acknowledged]),
    failingSinceMs: first && endOf(first),
    lastFailure: last && failureOf(last),
  };
}

/** Whether a change is worth a write. An acknowledgement where all goes well is not, but for its time now and then. */
export function isNews({ failures, acknowledgedAtMs }: HealthChange, known: AttemptHealth): boolean {
  if (failures > 0) return true;
  if (acknowledgedAtMs === undefined) return false;
  const before = known.acknowledgedAtMs ?? Number.NEGATIVE_INFINITY;
  return known.failingSinceMs !== undefined || acknowledgedAtMs - before >= ACKNOWLEDGED_RESOLUTION_MS;
}

/** The attempt health after a change; pure. */
export function afterChange(known: AttemptHealth, change: HealthChange): AttemptHealth {
  const isAcknowledged = change.acknowledgedAtMs !== undefined;
  return {
    failingSinceMs: isAcknowledged ? change.failingSinceMs : (known.failingSinceMs ?? change.failingSinceMs),
    failures: (isAcknowledged ? 0 : known.failures) + change.failures,
    lastFailure: change.lastFailure ?? known.lastFailure,
    acknowledgedAtMs: latest(known.acknowledgedAtMs, change.acknowledgedAtMs),
  };
}

function latest(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.max(left, right);
}

/** When an attempt ended. */
export function endOf({ startedAtMs, durationMs }: Pick<Attempt, 'startedAtMs' | 'durationMs'>): number {
  return startedAtMs + Math.round(durationMs);
}

function failureOf(attempt: Attempt): Failure | undefined {
  const { outcome } = attempt;
  const failure = attemptClassOf(outcome);
  return failure === 'acknowledged' ? undefined : { atMs: endOf(attempt), class: failure, ...reasonOf(outcome) };
}

function reasonOf(outcome: Outcome): Omit<Failure, 'atMs' | 'class'> {
  if (outcome.kind === 'unreachable') return { code: outcome.detail };
  if (outcome.kind === 'acknowledged') return {};
  const { status, err, description } = outcome;
  return { status, ...(err !== undefined && { err }), ...(description !== undefined && { description }) };
}

/** A callback URL began to fail, or does so no longer. */
export type HealthTurn = { readonly clientId: string; readonly atMs: number } & (
  | { readonly to: 'failing'; readonly failure: Failure }
  | { readonly to: 'healthy'; readonly failingSinceMs: number }
);
