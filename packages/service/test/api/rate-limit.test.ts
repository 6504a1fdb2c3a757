import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from '../../src/api/rate-limit.ts';

/** Sixty requests a minute, one a second, on a clock that a test puts forward. */
function limited(perMinuteMax = 60) {
  let nowMs = 5;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => undefined };
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { rateLimit: new RateLimit(perMinuteMax, clock), pass };
}

test('a minute’s requests may come at once; the next must wait for its share of the minute', () => {
  const { rateLimit, pass } = limited();
  for (let request = 0; request < 60; request += 1) assert.equal(rateLimit.take('a'), undefined);
  assert.equal(rateLimit.take('a'), 1);
  pass(999);
  assert.equal(rateLimit.take('a'), 1);
  pass(1);
  assert.equal(rateLimit.take('a'), undefined);
  assert.equal(rateLimit.take('a'), 1);
});

test('whoever waits as long as the answer said gets in', () => {
  const { rateLimit, pass } = limited(1);
  assert.equal(rateLimit.take('a'), undefined);
  assert.equal(rateLimit.take('a'), 60);
  pass(60_000);
  assert.equal(rateLimit.take('a'), undefined);
});

test('a long pause gives no more than a minute’s requests', () => {
  const { rateLimit, pass } = limited(2);
  pass(3_600_000);
  assert.deepEqual([rateLimit.take('a'), rateLimit.take('a'), rateLimit.take('a')], [undefined, undefined, 30]);
});

test('one TPP does not use up what is another’s', () => {
  const { rateLimit } = limited(1);
  assert.deepEqual([rateLimit.take('a'), rateLimit.take('b'), rateLimit.take('a')], [undefined, undefined, 60]);
});
