import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { freeBytesOf } from '../../src/base/disk.ts';
import { createPublishingGate } from '../../src/operator/admission.ts';
import { Problem } from '../../src/operator/problem.ts';
import { StoreError } from '../../src/store/store.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = {
  ...{ requestsMax: 3, inFlightBytesMax: 1000, bodyBytesMax: 400 },
  ...{ awaitingMax: 10, diskFreeBytesMin: 500 },
};

function gateOf(changed: Partial<typeof LIMITS> & { isOnDisk?: boolean } = {}) {
  const clock = new FakeClock();
  const state = { awaiting: 0, freeBytes: 1_000_000 as number | Error, error: undefined as Error | undefined };
  const looks = { counts: 0, disk: 0 };
  const logged: string[] = [];
  const note = (_facts: unknown, message?: string) => {
    logged.push(message ?? String(_facts));
  };
  const gate = createPublishingGate({
    ...{ ...LIMITS, ...changed, clock, log: { info: note, warn: note } },
    counts: async () => {
      looks.counts += 1;
      if (state.error !== undefined) throw state.error;
      return { awaiting: state.awaiting };
    },
    freeBytes:
      changed.isOnDisk === false
        ? undefined
        : async () => {
            looks.disk += 1;
            if (state.freeBytes instanceof Error) throw state.freeBytes;
            return state.freeBytes;
          },
  });
  return { gate, clock, state, looks, logged };
}

const refusal = (status: number, detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem);
  assert.equal(error.status, status);
  assert.match(error.message, detail);
  assert.ok(error.retryAfterSeconds !== undefined && error.retryAfterSeconds > 0);
  return true;
};

test('as many requests as configured are worked on at once, and one more when one is done', async () => {
  const { gate } = gateOf();
  const leave = await gate.enter(1);
  await gate.enter(1);
  await gate.enter(1);
  await assert.rejects(gate.enter(1), refusal(429, /"publishing\.requestsMax"/));
  leave();
  leave();
  await gate.enter(1);
  await assert.rejects(gate.enter(1), refusal(429, /requestsMax/), 'leaving twice counts once');
});

test('bodies are bounded together by their length, and by the largest there may be where that is not told', async () => {
  const { gate } = gateOf({ requestsMax: 100 });
  const leave = await gate.enter(undefined);
  await gate.enter(600_000);
  await gate.enter(200);
  await assert.rejects(gate.enter(1), refusal(429, /"publishing\.inFlightBytesMax"/));
  await gate.enter(0);
  leave();
  await gate.enter(400);
  await assert.rejects(gate.enter(1), refusal(429, /inFlightBytesMax/));
});

test('a body above the bound on all of them is let in alone', async () => {
  const { gate } = gateOf({ inFlightBytesMax: 100 });
  const leave = await gate.enter(400);
  await assert.rejects(gate.enter(1), refusal(429, /inFlightBytesMax/));
  leave();
  await gate.enter(1);
});

test('at the limit of what is awaiting it closes with the reason, and opens when there are fewer', async () => {
  const { gate, clock, state, logged } = gateOf();
  state.awaiting = 9;
  (await gate.enter(1))();
  state.awaiting = 10;
  await clock.advance(1000);
  await assert.rejects(
    gate.enter(1),
    refusal(503, /^Publishing is closed: 10 notifications.*"publishing\.awaitingMax" is 10/),
  );
  assert.match(String(await gate.closedBecause()), /awaitingMax/);
  state.awaiting = 9;
  await clock.advance(1000);
  (await gate.enter(1))();
  assert.equal(await gate.closedBecause(), undefined);
  assert.deepEqual(logged, ['publishing is closed', 'publishing is open again']);
});

test('a disk with too little room closes it; at exactly enough it is open', async () => {
  const { gate, clock, state } = gateOf();
  state.freeBytes = 499;
  await assert.rejects(gate.enter(1), refusal(503, /499 bytes free, and "publishing\.diskFreeBytesMin" is 500/));
  state.freeBytes = 500;
  await clock.advance(1000);
  await gate.enter(1);
});

test('what is refused holds no room', async () => {
  const { gate, clock, state } = gateOf({ requestsMax: 1, inFlightBytesMax: 400 });
  state.awaiting = 10;
  await assert.rejects(gate.enter(400), refusal(503, /awaiting/));
  state.awaiting = 0;
  await clock.advance(1000);
  await gate.enter(400);
});

test('room is looked for once a second, however many ask', async () => {
  const { gate, clock, looks } = gateOf({ requestsMax: 1000 });
  await Promise.all(Array.from({ length: 50 }, () => gate.enter(1)));
  await clock.advance(999);
  await gate.enter(1);
  assert.deepEqual(looks, { counts: 1, disk: 1 });
  await clock.advance(1);
  await gate.enter(1);
  assert.deepEqual(looks, { counts: 2, disk: 2 });
});

test('a store that cannot be asked refuses with its own error, holds no room, and is asked again', async () => {
  const { gate, state } = gateOf({ requestsMax: 1 });
  state.error = new StoreError('away');
  await assert.rejects(gate.enter(1), StoreError);
  state.error = undefined;
  await gate.enter(1);
});

test('a disk that cannot be asked refuses nobody, since the store says itself when it is full', async () => {
  const { gate, state, logged } = gateOf();
  state.freeBytes = new Error('no such system call');
  await gate.enter(1);
  assert.deepEqual(logged, ['free disk space could not be determined']);
});

test('no disk is asked where the store is elsewhere, or no room is demanded', async () => {
  for (const changed of [{ isOnDisk: false }, { diskFreeBytesMin: 0 }]) {
    const { gate, state, looks } = gateOf(changed);
    state.freeBytes = 0;
    await gate.enter(1);
    assert.equal(looks.disk, 0);
  }
});

test('the free bytes of a folder come from the system', async () => {
  const bytes = await freeBytesOf(tmpdir());
  assert.ok(Number.isSafeInteger(bytes) && bytes > 0);
  await assert.rejects(freeBytesOf('/there/is/no/such/folder'));
});
