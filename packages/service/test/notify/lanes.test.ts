import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ATTEMPTS } from '../../src/model/attempt-health.ts';
import type { ClaimedNotification, Target } from '../../src/model/notification.ts';
import type { Queued, Taken } from '../../src/notify/lanes.ts';
import { Lanes, type LanesOptions } from '../../src/notify/lanes.ts';
import { numbered } from '../store/opened.ts';
import { urlOf } from '../support/bank-events.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NEVER_MS = Number.POSITIVE_INFINITY;

/** Lanes with limits that are easy to reckon with: 4 attempts of one TPP at once, 16 that wait. */
function lanesWith(limits: Partial<LanesOptions> = {}): Lanes {
  return new Lanes({
    ...{ concurrencyMax: 64, concurrencyPerTppMax: 4, queueMax: 100, queuePerTppMax: 16 },
    breaker: { attemptsMin: 1000, failureShare: 1, pauseMs: 1000, pauseMaxMs: 1000 },
    unresponsive: { ...{ probeDelayMs: 1, probeDelayMaxMs: 1 }, rampPerSecond: 1, rampDoublingMs: 1, rampMs: 0 },
    clock: new FakeClock(),
    ...limits,
  });
}

function target(clientId: string): Target {
  return {
    ...{ clientId, callbackUrl: urlOf(clientId), retry: undefined, unresponsiveSinceMs: undefined },
    ...{ probeAtMs: undefined, probes: 0, recoveredAtMs: undefined, claimedSinceRecovery: 0, ...NO_ATTEMPTS },
  };
}

function claimed(clientId: string, jti: string): ClaimedNotification {
  return {
    ...{ jti, clientId, callbackUrl: urlOf(clientId), set: undefined, publishedAtMs: 0, attempts: 0, round: 0 },
    claims: { iss: 'i', iat: 0, jti, aud: clientId, sub: 's', txn: 't', toe: 0, events: {} },
    ...{ roundAttempts: 0, roundBeganAtMs: undefined, traceContext: undefined, retry: undefined, probe: undefined },
    leaseToken: 1,
  };
}

/** Takes notifications of a TPP in and signs them. */
function queue(lanes: Lanes, clientId: string, count: number): void {
  const { taken, tooMuch } = lanes.take(
    numbered(`${clientId}-`, count).map((jti) => claimed(clientId, jti)),
    NEVER_MS,
  );
  assert.deepEqual(tooMuch, []);
  for (const one of taken) assert.ok(lanes.signed(signedOf(one)));
}

function signedOf(taken: Taken): Queued {
  return { ...taken, set: 'set' };
}

/** Begins the next attempt and ends it. */
function attempt(lanes: Lanes, clientId: string, hasFailed: boolean): void {
  const queued = lanes.begin() ?? assert.fail('nothing may begin');
  assert.equal(queued.claimed.clientId, clientId);
  lanes.note(clientId, hasFailed);
  lanes.ended(queued.claimed);
  lanes.finished(queued.claimed);
}

/** How many notifications of a TPP may be claimed in all, after attempts of which each failed or not. */
function capacityAfter(...hasFailed: readonly boolean[]): number {
  const lanes = lanesWith();
  // What waits all the while, so that the lane is not forgotten.
  queue(lanes, 'a', 1);
  for (const failed of hasFailed) {
    queue(lanes, 'a', 1);
    attempt(lanes, 'a', failed);
  }
  return lanes.capacityFor(target('a')) + 1;
}

const OK = false;
const FAILED = true;

test('the window of a TPP grows by one with each acknowledgement, up to what may wait and be under way', () => {
  assert.equal(capacityAfter(), 4);
  assert.equal(capacityAfter(OK), 5);
  assert.equal(capacityAfter(OK, OK, OK), 7);
  assert.equal(capacityAfter(...Array.from({ length: 50 }, () => OK)), 20);
});

test('the window of a TPP halves with each failure, down to one', () => {
  assert.equal(capacityAfter(FAILED), 2);
  assert.equal(capacityAfter(FAILED, FAILED), 1);
  assert.equal(capacityAfter(FAILED, FAILED, FAILED, FAILED), 1);
  assert.equal(capacityAfter(...Array.from({ length: 50 }, () => OK), FAILED), 10);
  assert.equal(capacityAfter(FAILED, FAILED, OK, OK), 3, 'it grows again');
  const lanes = lanesWith();
  for (let failures = 0; failures < 5; failures += 1) {
    queue(lanes, 'a', 1);
    attempt(lanes, 'a', FAILED);
  }
  assert.equal(lanes.capacityFor(target('a')), 1, 'the next can be claimed');
});

test('once three quarters of the queue are taken a TPP may claim no more than it may have under way', () => {
  const lanes = lanesWith({ queueMax: 40 });
  queue(lanes, 'a', 1);
  for (let sent = 0; sent < 50; sent += 1) {
    queue(lanes, 'a', 1);
    attempt(lanes, 'a', OK);
  }
  assert.equal(lanes.capacityFor(target('a')), 19);
  for (const clientId of numbered('other', 7)) queue(lanes, clientId, 4);
  assert.equal(lanes.queued, 29);
  assert.equal(lanes.capacityFor(target('a')), 19, 'one more is missing to three quarters');
  queue(lanes, 'last', 1);
  assert.equal(lanes.queued, 30);
  assert.equal(lanes.capacityFor(target('a')), 3, 'four, of which one is claimed');
  assert.equal(lanes.capacityFor(target('new')), 4, 'who has nothing there can claim as much');
  assert.equal(lanes.capacityToReserve(target('a')), 3);
});

test('the last quarter of the attempts is kept for TPPs that have none under way', () => {
  const lanes = lanesWith({ concurrencyMax: 8, concurrencyPerTppMax: 8 });
  queue(lanes, 'a', 8);
  const begun = () => {
    let count = 0;
    while (lanes.begin() !== undefined) count += 1;
    return count;
  };
  assert.equal(begun(), 6);
  queue(lanes, 'b', 2);
  queue(lanes, 'c', 2);
  assert.equal(begun(), 2, 'one of each');
});

test('what waits to be recorded takes capacity once it is more than may be under way', () => {
  const lanes = lanesWith({ concurrencyMax: 4, concurrencyPerTppMax: 4, queueMax: 10, queuePerTppMax: 10 });
  const capacities: number[] = [];
  for (let sent = 0; sent < 7; sent += 1) {
    queue(lanes, 'a', 1);
    const { claimed } = lanes.begin() ?? assert.fail('nothing may begin');
    lanes.note('a', OK);
    lanes.ended(claimed);
    capacities.push(lanes.capacity);
  }
  assert.deepEqual(capacities, [10, 10, 10, 10, 9, 8, 7]);
});

test('a TPP with a backlog wants more when half of its window is free, or when it has nothing else', () => {
  const lanes = lanesWith();
  queue(lanes, 'a', 4);
  assert.equal(lanes.wantsMore('a'), false, 'there is no backlog');
  lanes.noteBacklog('a');
  const wants = () => lanes.wantsMore('a');
  assert.equal(wants(), false);
  for (const expected of [false, true, true]) {
    const { claimed } = lanes.begin() ?? assert.fail('nothing may begin');
    lanes.ended(claimed);
    lanes.finished(claimed);
    assert.equal(wants(), expected);
  }
});

test('a claim clears a backlog that was noted before it was asked for, and none that was noted since', () => {
  const lanes = lanesWith();
  lanes.noteBacklog('a');
  const before = lanes.backlogNotes;
  lanes.noteBacklog('b');
  lanes.noteNoBacklog('a', before);
  lanes.noteNoBacklog('b', before);
  assert.deepEqual([lanes.wantsMore('a'), lanes.wantsMore('b')], [false, true]);
  lanes.noteNoBacklog('b', lanes.backlogNotes);
  assert.equal(lanes.wantsMore('b'), false);
});

test('notifications left behind by the publisher are not overtaken by what it hands over later', () => {
  const lanes = lanesWith();
  assert.equal(lanes.capacityToReserve(target('a')), 4);
  lanes.noteBacklog('a');
  assert.deepEqual([lanes.capacityToReserve(target('a')), lanes.capacityFor(target('a'))], [0, 4]);
});

test('a callback URL that is another one, or recovered, begins with a new window and a closed breaker', () => {
  const breaker = { attemptsMin: 2, failureShare: 1, pauseMs: 1000, pauseMaxMs: 1000 };
  const lanes = lanesWith({ breaker });
  for (const failed of [FAILED, FAILED]) {
    queue(lanes, 'a', 1);
    attempt(lanes, 'a', failed);
  }
  queue(lanes, 'a', 2);
  assert.deepEqual([lanes.breakerOf('a').state, lanes.capacityFor(target('a'))], ['open', 0]);
  const evicted = lanes.evict('a', true);
  assert.deepEqual([evicted.length, lanes.queued], [2, 0]);
  assert.deepEqual([lanes.breakerOf('a').state, lanes.capacityFor(target('a'))], ['closed', 4]);
});

test('the next trial is the earliest end of a pause, among breakers with a backlog, that no claim has followed', async () => {
  const clock = new FakeClock();
  const breaker = { attemptsMin: 1, failureShare: 1, pauseMs: 1000, pauseMaxMs: 1000 };
  const lanes = lanesWith({ breaker, clock });
  const nowMs = clock.monotonicMs();
  const fail = async (clientId: string) => {
    queue(lanes, clientId, 1);
    attempt(lanes, clientId, FAILED);
    await clock.advance(100);
  };
  for (const clientId of ['a', 'b', 'c']) await fail(clientId);
  assert.equal(lanes.nextTrialAtMs(nowMs), NEVER_MS);
  for (const clientId of ['b', 'c']) lanes.noteBacklog(clientId);
  assert.equal(lanes.nextTrialAtMs(nowMs), nowMs + 1100);
  await clock.advance(5000);
  assert.equal(lanes.nextTrialAtMs(nowMs), nowMs + 1100, 'it has passed, and no claim was made');
  assert.equal(lanes.nextTrialAtMs(nowMs + 1100), nowMs + 1200);
  lanes.evict('c', true);
  assert.equal(lanes.nextTrialAtMs(nowMs + 1100), NEVER_MS, 'its breaker was closed');
});
