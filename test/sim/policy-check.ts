import type { AttemptRecord, RetryOverrides } from '../../packages/service/test/support/parts.ts';
import type { Post } from './ledger.ts';
import type { Settings } from './settings.ts';

// Times of day are whole milliseconds, and each of two may be rounded.
const TOLERANCE_MS = 3;

/**
 * Holds what an instance says follows an attempt against the retry policy, reckoned here once more.
 *
 * @returns what is wrong with it
 */
export function policyBreach(
  settings: Settings,
  retry: RetryOverrides | undefined,
  { claimed, attempt, next }: AttemptRecord,
  post: Post,
): string | undefined {
  if ((next.kind === 'acknowledged') !== (post.told === 'acknowledged')) {
    return `the answer was ${post.told}, and what follows is ${next.kind}`;
  }
  if (next.kind === 'acknowledged') return undefined;
  const endedAtMs = attempt.startedAtMs + attempt.durationMs;
  if (next.kind === 'cease') {
    const probes = claimed.probe === undefined ? 0 : claimed.probe + 1;
    const { probeDelayMs, probeDelayMaxMs } = settings.unresponsive;
    const waitMs = Math.min(probeDelayMs * 2 ** probes, probeDelayMaxMs);
    if (next.probeAtMs < endedAtMs + waitMs - TOLERANCE_MS) {
      return `a probe ${next.probeAtMs - endedAtMs} ms after an attempt, not ${waitMs}`;
    }
  }
  if (claimed.probe !== undefined) return next.kind === 'retry' ? 'a probe that failed is retried' : undefined;
  const policy = { ...settings.policy, ...retry };
  const failures = claimed.roundAttempts + 1;
  const isAtLimit = failures > policy.retriesMax || post.told === 410;
  const backoffMs = Math.min(policy.delayMs * 2 ** (failures - 1), policy.delayMaxMs);
  const { minMs, maxMs } = post.plan?.asked ?? { minMs: 0, maxMs: 0 };
  const longestMs = Math.min(Math.max(backoffMs, maxMs), policy.delayMaxMs);
  const lastAtMs = (claimed.roundBeganAtMs ?? attempt.startedAtMs) + policy.intervalMaxMs;
  if (next.kind === 'cease') {
    // An interval that is measured with a clock which was set meanwhile says nothing.
    const isIntervalOver = settings.clocks !== 'true' || endedAtMs + longestMs > lastAtMs - TOLERANCE_MS;
    return isAtLimit || isIntervalOver ? undefined : `attempts cease after ${failures}`;
  }
  if (isAtLimit) return `attempt ${failures} was followed by a retry`;
  const shortestMs = Math.min(Math.max(backoffMs * (1 - policy.jitter), minMs), policy.delayMaxMs);
  const waitMs = next.atMs - endedAtMs;
  if (waitMs < shortestMs - TOLERANCE_MS) return `a retry after ${waitMs} ms, not ${shortestMs}`;
  if (waitMs > longestMs + TOLERANCE_MS) return `a retry after ${waitMs} ms, not within ${longestMs}`;
  const isLate = settings.clocks === 'true' && next.atMs > lastAtMs + TOLERANCE_MS;
  return isLate ? 'a retry after the longest interval' : undefined;
}
