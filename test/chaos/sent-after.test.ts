import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSentAfterRecorded, type Sending } from './sent-after.ts';

// An attempt begins within 1,250 ms of its claim, and a lease stands 3,000 ms.
const ATTEMPT: Sending = { acknowledgedBeganAtMs: 10_000, recordedByMs: 10_020, beganAtMs: 12_000, spawnedAtMs: 0 };

test('what begins after the record of an acknowledgement is sent after it, if nobody else could have claimed it before', () => {
  assert.ok(isSentAfterRecorded(ATTEMPT));
  assert.ok(isSentAfterRecorded({ ...ATTEMPT, beganAtMs: 10_021 }), 'even a moment after it');
  assert.ok(!isSentAfterRecorded({ ...ATTEMPT, beganAtMs: 10_010 }), 'the POST came later, and had begun before');
});

test('a process that is spawned after the record has claimed after it, whether or not its attempt is recorded', () => {
  const killed = { ...ATTEMPT, recordedByMs: 14_000, beganAtMs: undefined };
  assert.ok(isSentAfterRecorded({ ...killed, spawnedAtMs: 14_100 }));
  assert.ok(!isSentAfterRecorded({ ...killed, spawnedAtMs: 13_900 }));
});

test('what was claimed when the lease had run out, before a frozen process recorded its 202, is not sent after it', () => {
  const late = { ...ATTEMPT, recordedByMs: 14_000 };
  assert.ok(!isSentAfterRecorded({ ...late, beganAtMs: 14_800 }), 'claimed between 13,550 and 14,800');
  assert.ok(isSentAfterRecorded({ ...late, beganAtMs: 15_300 }), 'claimed after 14,050');
});

test('a record of which nobody knows when it was made proves nothing', () => {
  assert.ok(!isSentAfterRecorded({ ...ATTEMPT, recordedByMs: Number.POSITIVE_INFINITY, spawnedAtMs: 99_000 }));
});
