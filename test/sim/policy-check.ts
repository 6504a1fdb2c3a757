import type { AttemptRecord, NextStep, RetryOverrides } from '../../packages/service/test/support/parts.ts';
import type { Post } from './ledger.ts';
import type { Settings } from './settings.ts';

// Times of day are whole milliseconds, and each of two may be rounded.
const TOLERANCE_MS = 3;

type Retry = NextStep & { readonly kind: 'retry' };
type Cease = NextStep & { readonly kind: 'cease' };

/** The bounds that the retry policy sets to what follows a failure. */
interface Bounds {
  readonly failures: number;
  /** The last attempt that there may be. */
  readonly isLast: boolean;
  readonly shortestMs: number;
  readonly longestMs: number;
  readonly endedAtMs: number;
  /** No retry may come later; undefined: it is measured with clocks that were set meanwhile. */
  readonly lastAtMs: number | undefined;
}

/**
 * Holds what an instance says follows an attempt against the retry policy, reckoned here once more.
 *
 * @returns what is wrong with it
 */
export function policyBreach(
  settings: Settings,
  retry: RetryOverrides | undefined,
  record: AttemptRecord,
  post: Post,
): string | undefined {
  const { claimed, next } = record;
  if ((next.kind === 'acknowledged') !== (post.told === 'acknowledged')) {
    return `the answer was ${post.told}, and what follows is ${next.kind}`;
  }
  if (next.kind === 'acknowledged') return undefined;
  const bounds = boundsOf(settings, retry, record, post);
  if (next.kind === 'cease') {
    return (
      probeBreach(settings, record, next, bounds) ?? (claimed.probe === undefined ? ceaseBreach(bounds) : undefined)
    );
  }
  return claimed.probe === undefined ? retryBreach(next, bounds) : 'a probe that failed is retried';
}

function boundsOf(
  settings: Settings,
  retry: RetryOverrides | undefined,
  { claimed, attempt }: AttemptRecord,
  post: Post,
): Bounds {
  const policy = { ...settings.policy, ...retry };
  const failures = claimed.roundAttempts + 1;
  const backoffMs = Math.min(policy.delayMs * 2 ** (failures - 1), policy.delayMaxMs);
  const { minMs, maxMs } = post.plan?.asked ?? { minMs: 0, maxMs: 0 };
  const beganAtMs = claimed.roundBeganAtMs ?? attempt.startedAtMs;
  return {
    failures,
    isLast: failures > policy.retriesMax || post.told === 410,
    shortestMs: Math.min(Math.max(backoffMs * (1 - policy.jitter), minMs), policy.delayMaxMs),
    longestMs: Math.min(Math.max(backoffMs, maxMs), policy.delayMaxMs),
    endedAtMs: attempt.startedAtMs + attempt.durationMs,
    lastAtMs: settings.clocks === 'true' ? beganAtMs + policy.intervalMaxMs : undefined,
  };
}

function probeBreach(
  { unresponsive }: Settings,
  { claimed }: AttemptRecord,
  { probeAtMs }: Cease,
  { endedAtMs }: Bounds,
): string | undefined {
  const probes = claimed.probe === undefined ? 0 : claimed.probe + 1;
  const waitMs = Math.min(unresponsive.probeDelayMs * 2 ** probes, unresponsive.probeDelayMaxMs);
  const isEarly = probeAtMs < endedAtMs + waitMs - TOLERANCE_MS;
  return isEarly ? `a probe ${probeAtMs - endedAtMs} ms after an attempt, not ${waitMs}` : undefined;
}

function ceaseBreach({ failures, isLast, longestMs, endedAtMs, lastAtMs }: Bounds): string | undefined {
  const isIntervalOver = lastAtMs === undefined || endedAtMs + longestMs > lastAtMs - TOLERANCE_MS;
  return isLast || isIntervalOver ? undefined : `attempts cease after ${failures}`;
}

function retryBreach({ atMs }: Retry, bounds: Bounds): string | undefined {
  const { failures, isLast, shortestMs, longestMs, endedAtMs, lastAtMs } = bounds;
  if (isLast) return `attempt ${failures} was followed by a retry`;
  const waitMs = atMs - endedAtMs;
  if (waitMs < shortestMs - TOLERANCE_MS) return `a retry after ${waitMs} ms, not ${shortestMs}`;
  if (waitMs > longestMs + TOLERANCE_MS) return `a retry after ${waitMs} ms, not within ${longestMs}`;
  const isLate = lastAtMs !== undefined && atMs > lastAtMs + TOLERANCE_MS;
  return isLate ? 'a retry after the longest interval' : undefined;
}
