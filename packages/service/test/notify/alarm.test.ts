import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alarm } from '../../src/notify/alarm.ts';
import { FakeClock } from '../support/fake-clock.ts';

function alarm(): { clock: FakeClock; alarm: Alarm; rings: () => number } {
  const clock = new FakeClock();
  let rings = 0;
  return { clock, alarm: new Alarm(clock, () => (rings += 1)), rings: () => rings };
}

test('an alarm rings once, at the earliest moment that it was set to', async () => {
  const { clock, alarm: one, rings } = alarm();
  const nowMs = clock.monotonicMs();
  for (const atMs of [900, 300, 600, Number.POSITIVE_INFINITY]) one.set(nowMs + atMs);
  await clock.advance(299);
  assert.equal(rings(), 0);
  await clock.advance(1);
  assert.equal(rings(), 1);
  await clock.advance(120_000);
  assert.equal(rings(), 1);
});

test('an alarm that is set to a moment that has passed rings soon, and not at once', async () => {
  const { clock, alarm: one, rings } = alarm();
  one.set(clock.monotonicMs() - 1000);
  await clock.advance(4);
  assert.equal(rings(), 0);
  await clock.advance(1);
  assert.equal(rings(), 1);
});

test('an alarm that is set to a moment far away rings within a minute', async () => {
  const { clock, alarm: one, rings } = alarm();
  one.set(clock.monotonicMs() + 3_600_000);
  await clock.advance(60_000);
  assert.equal(rings(), 1);
});

test('an alarm that was ended never rings', async () => {
  const { clock, alarm: one, rings } = alarm();
  one.set(clock.monotonicMs() + 10);
  one.end();
  one.set(clock.monotonicMs() + 10);
  await clock.advance(1000);
  assert.equal(rings(), 0);
});
