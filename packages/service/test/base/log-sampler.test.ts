import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogSampler } from '../../src/base/log.ts';
import { heldClock } from '../support/trust-clock.ts';

test('ten lines of a kind are written in a minute, and the next minute says how many were left out', () => {
  const clock = heldClock();
  const sampler = new LogSampler(clock);
  const admitted = Array.from({ length: 25 }, () => sampler.admit('one'));
  assert.deepEqual(admitted, [
    ...Array.from({ length: 10 }, () => ({})),
    ...Array.from({ length: 15 }, () => undefined),
  ]);
  assert.deepEqual(sampler.admit('two'), {}, 'another kind has its own');
  clock.advance(59_999);
  assert.equal(sampler.admit('one'), undefined);
  clock.advance(1);
  assert.deepEqual(sampler.admit('one'), { leftOut: 16 });
  assert.deepEqual(sampler.admit('one'), {});
});
