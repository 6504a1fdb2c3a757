import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Outcome } from '../../src/model/attempt.ts';
import {
  type AfterFailure,
  afterFailure,
  type FailedAttempt,
  policyFor,
  type RetryPolicy,
} from '../../src/notify/retry-policy.ts';
import { START_MS } from '../support/fake-clock.ts';

const POLICY: RetryPolicy = {
  delayMs: 1000,
  delayMaxMs: 60_000,
  retriesMax: 10,
  intervalMaxMs: 3_600_000,
  jitter: 0,
};
const REFUSED: Outcome = { kind: 'refused', status: 503 };
const FIRST: FailedAttempt = { outcome: REFUSED, attempts: 1, roundBeganAtMs: START_MS, nowMs: START_MS, fraction: 0 };

const policies: fc.Arbitrary<RetryPolicy> = fc
  .record({
    delayMs: fc.integer({ min: 10, max: 3_600_000 }),
    delayMaxMs: fc.integer({ min: 10, max: 86_400_000 }),
    retriesMax: fc.integer({ min: 0, max: 1000 }),
    intervalMaxMs: fc.integer({ min: 1000, max: 2_592_000_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map((policy) => ({ ...policy, delayMaxMs: Math.max(policy.delayMs, policy.delayMaxMs) }));

const failures: fc.Arbitrary<FailedAttempt> = fc.record({
  attempts: fc.integer({ min: 1, max: 1001 }),
  roundBeganAtMs: fc.constant(START_MS),
  nowMs: fc.integer({ min: 0, max: 3_000_000_000 }).map((afterMs) => START_MS + afterMs),
  outcome: fc.oneof(
    fc.constant<Outcome>(REFUSED),
    fc.constant<Outcome>({ kind: 'unreachable', errorClass: 'timeout', detail: '' }),
    fc.integer({ min: 0, max: 999_999_999_000 }).map((retryAfterMs): Outcome => ({ ...REFUSED, retryAfterMs })),
  ),
  fraction: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

function waitMs(next: AfterFailure, failed: FailedAttempt): number {
  assert.equal(next.kind, 'retry');
  return next.atMs - failed.nowMs;
}

test('without jitter each wait is twice the one before, up to the longest', () => {
  const waits = Array.from({ length: 10 }, (_, at) => {
    const failed = { ...FIRST, attempts: at + 1 };
    return waitMs(afterFailure(POLICY, failed), failed);
  });
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
});

test('attempts cease after the last retry, not before', () => {
  assert.equal(afterFailure(POLICY, { ...FIRST, attempts: POLICY.retriesMax }).kind, 'retry');
  assert.equal(afterFailure(POLICY, { ...FIRST, attempts: POLICY.retriesMax + 1 }).kind, 'cease');
  assert.equal(afterFailure({ ...POLICY, retriesMax: 0 }, FIRST).kind, 'cease');
});

test('a retry may fall on the end of the interval, but not after it', () => {
  const lastMs = START_MS + POLICY.intervalMaxMs - 1000;
  assert.deepEqual(afterFailure(POLICY, { ...FIRST, nowMs: lastMs }), { kind: 'retry', atMs: lastMs + 1000 });
  assert.deepEqual(afterFailure(POLICY, { ...FIRST, nowMs: lastMs + 1 }), { kind: 'cease' });
});

test('Retry-After lengthens a wait, never shortens it, and never beyond the longest', () => {
  const asked = (retryAfterMs: number) =>
    waitMs(afterFailure(POLICY, { ...FIRST, outcome: { ...REFUSED, retryAfterMs } }), FIRST);
  assert.deepEqual(
    [0, 999, 1001, 60_000, 60_001, 999_999_999_000].map(asked),
    [1000, 1000, 1001, 60_000, 60_000, 60_000],
  );
});

test('whatever the policy, no retry comes beyond its limits', async () => {
  await fc.assert(
    fc.property(policies, failures, (policy, failed) => {
      const next = afterFailure(policy, failed);
      if (failed.attempts > policy.retriesMax) assert.equal(next.kind, 'cease');
      if (next.kind !== 'retry') return;
      assert.ok(Number.isSafeInteger(next.atMs), 'a time is a whole number of milliseconds');
      assert.ok(failed.attempts <= policy.retriesMax);
      assert.ok(next.atMs <= failed.roundBeganAtMs + policy.intervalMaxMs);
      assert.ok(next.atMs - failed.nowMs <= policy.delayMaxMs);
    }),
    { numRuns: 1000 },
  );
});

test('whatever the fraction, a wait lies between the backoff without its jitter and the whole of it', async () => {
  await fc.assert(
    fc.property(policies, failures, (policy, failedSomehow) => {
      const failed = { ...failedSomehow, outcome: REFUSED };
      const next = afterFailure({ ...policy, intervalMaxMs: Number.MAX_SAFE_INTEGER / 2 }, failed);
      if (next.kind !== 'retry') return;
      const backoffMs = Math.min(policy.delayMs * 2 ** (failed.attempts - 1), policy.delayMaxMs);
      const wait = waitMs(next, failed);
      assert.ok(wait >= Math.floor(backoffMs * (1 - policy.jitter)), `${wait} is below the jittered backoff`);
      assert.ok(wait <= backoffMs, `${wait} is above the backoff`);
    }),
    { numRuns: 1000 },
  );
});

test('whatever was asked for, Retry-After never makes the next attempt come sooner', async () => {
  await fc.assert(
    fc.property(policies, failures, (policy, failed) => {
      const unbounded = { ...policy, intervalMaxMs: Number.MAX_SAFE_INTEGER / 2 };
      const withIt = afterFailure(unbounded, failed);
      const withoutIt = afterFailure(unbounded, { ...failed, outcome: REFUSED });
      assert.equal(withIt.kind, withoutIt.kind);
      if (withIt.kind === 'retry') assert.ok(waitMs(withIt, failed) >= waitMs(withoutIt, failed));
    }),
    { numRuns: 500 },
  );
});

test('410 Gone ends the attempts at once, whatever else it says', () => {
  const outcome: Outcome = { kind: 'refused', status: 410, retryAfterMs: 10 };
  assert.deepEqual(afterFailure(POLICY, { ...FIRST, outcome }), { kind: 'cease' });
});

test('what a TPP has of its own stands in place of the configuration, the rest holds', () => {
  assert.deepEqual(policyFor(POLICY, undefined), POLICY);
  const own = policyFor(POLICY, { retriesMax: 2, delayMs: 50 });
  assert.deepEqual(own, { ...POLICY, retriesMax: 2, delayMs: 50 });
  assert.equal(afterFailure(own, { ...FIRST, attempts: 3 }).kind, 'cease');
});
