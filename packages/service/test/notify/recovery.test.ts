import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ATTEMPTS } from '../../src/model/attempt-health.ts';
import type { Target } from '../../src/model/notification.ts';
import { isRampingUp, probeDelayMs, rampCapacity } from '../../src/notify/retry-policy.ts';
import { START_MS } from '../support/fake-clock.ts';

const SETTINGS = {
  ...{ probeDelayMs: 1000, probeDelayMaxMs: 10_000 },
  ...{ rampPerSecond: 10, rampDoublingMs: 1000, rampMs: 5000 },
};

function recoveredTarget(claimedSinceRecovery: number, recoveredAtMs: number | undefined = START_MS): Target {
  const never = { retry: undefined, unresponsiveSinceMs: undefined, probeAtMs: undefined, probes: 0 };
  return {
    clientId: 'a',
    callbackUrl: 'https://a.example/',
    ...never,
    ...NO_ATTEMPTS,
    recoveredAtMs,
    claimedSinceRecovery,
  };
}

test('the wait before a probe doubles up to the longest, however many have failed', () => {
  const waits = [0, 1, 2, 3, 4, 5000].map((probes) => probeDelayMs(SETTINGS, probes));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test('a callback URL ramps up for its time after it recovered, and one that never did does not', () => {
  const at = (afterMs: number) => isRampingUp(recoveredTarget(0), SETTINGS, START_MS + afterMs);
  assert.deepEqual([-1, 0, 4999, 5000].map(at), [false, true, true, false]);
  assert.equal(isRampingUp({ ...recoveredTarget(0), recoveredAtMs: undefined }, SETTINGS, START_MS), false);
});

test('one is allowed at once, and what is allowed a second doubles', () => {
  const allowed = [0, 1000, 2000, 3000, 4000].map((afterMs) =>
    rampCapacity(recoveredTarget(0), SETTINGS, START_MS + afterMs),
  );
  assert.equal(allowed[0], 1);
  const perSecond = allowed.slice(1).map((sum, at) => sum - (allowed[at] ?? 0));
  // 10 a second at first: 10/ln 2 in the first second, for the rate grows within it too.
  assert.deepEqual(perSecond, [14, 29, 57, 116]);
});

test('what was claimed since it recovered is taken off, and it never goes below nothing', () => {
  const capacity = (claimed: number) => rampCapacity(recoveredTarget(claimed), SETTINGS, START_MS + 1000);
  assert.deepEqual([0, 10, 15, 16, 1000].map(capacity), [15, 5, 0, 0, 0]);
});
