import type { Outcome } from '../../base/outcome.ts';
import { afterFailure, type RetryPolicy } from '../../notify/retry-policy.ts';
import { sayDuration } from './words.ts';

/** One retry: how long after the attempt before it, and after the first one, at the latest. */
export interface Retry {
  readonly number: number;
  readonly waitMs: number;
  readonly sinceFirstMs: number;
}

const REFUSED: Outcome = { kind: 'refused', status: 500 };

/**
 * The retries of a notification that is never acknowledged, by the very function that schedules them: without jitter,
 * without Retry-After, and with attempts that fail at once.
 */
export function scheduleOf(policy: RetryPolicy): readonly Retry[] {
  const retries: Retry[] = [];
  let nowMs = 0;
  while (true) {
    const attempts = retries.length + 1;
    const next = afterFailure(policy, { outcome: REFUSED, attempts, roundBeganAtMs: 0, nowMs, fraction: 0 });
    if (next.kind !== 'retry') return retries;
    retries.push({ number: retries.length + 1, waitMs: next.atMs - nowMs, sinceFirstMs: next.atMs });
    nowMs = next.atMs;
  }
}

/** Rows for the schedule; retries that wait equally long are one row. */
export function scheduleRows(retries: readonly Retry[]): string[][] {
  const rows: { first: Retry; last: Retry }[] = [];
  for (const retry of retries) {
    const row = rows.at(-1);
    if (row !== undefined && row.last.waitMs === retry.waitMs) row.last = retry;
    else rows.push({ first: retry, last: retry });
  }
  return rows.map(({ first, last }) => {
    const since = first === last ? '' : `${sayDuration(first.sinceFirstMs)} to `;
    return [
      first === last ? String(first.number) : `${first.number} to ${last.number}`,
      sayDuration(first.waitMs),
      `${since}${sayDuration(last.sinceFirstMs)}`,
    ];
  });
}
