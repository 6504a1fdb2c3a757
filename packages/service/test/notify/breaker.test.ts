import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Breaker } from '../../src/notify/breaker.ts';

const SETTINGS = { attemptsMin: 4, failureShare: 0.5, pauseMs: 1000, pauseMaxMs: 4000 };

/** Notes the outcomes, F for a failure. @returns which of them opened it */
function note(breaker: Breaker, outcomes: string, nowMs = 0): number[] {
  return [...outcomes].flatMap((outcome, at) => (breaker.note(outcome === 'F', nowMs) ? [at] : []));
}

test('it opens when most of the last attempts failed, and not before it has seen enough of them', () => {
  const breaker = new Breaker(SETTINGS);
  assert.deepEqual(note(breaker, 'FFF'), []);
  assert.equal(breaker.state(0), 'closed');
  assert.deepEqual(note(breaker, 'F'), [0]);
  assert.equal(breaker.state(0), 'open');
});

test('it looks at the last attempts only, and at the share of failures among them', () => {
  assert.deepEqual(note(new Breaker(SETTINGS), 'AAAAAAAAFF'), [9]);
  assert.deepEqual(note(new Breaker(SETTINGS), 'AAFAAAFAAAFA'), []);
  assert.deepEqual(note(new Breaker({ ...SETTINGS, failureShare: 1 }), 'FFFAFFFAFFFA'), []);
});

test('after the pause one attempt is tried; each that fails doubles the pause, up to the longest', () => {
  const breaker = new Breaker(SETTINGS);
  note(breaker, 'FFFF');
  let nowMs = 0;
  const pauses: number[] = [];
  for (let trials = 0; trials < 4; trials += 1) {
    const endsAtMs = breaker.pauseEndsAtMs ?? assert.fail('it is closed');
    pauses.push(endsAtMs - nowMs);
    assert.deepEqual([breaker.state(endsAtMs - 1), breaker.state(endsAtMs)], ['open', 'trial']);
    nowMs = endsAtMs;
    assert.deepEqual(note(breaker, 'F', nowMs), []);
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 4000]);
});

test('what was under way when it opened does not lengthen the pause', () => {
  const breaker = new Breaker(SETTINGS);
  note(breaker, 'FFFFFFFF');
  assert.equal(breaker.pauseEndsAtMs, 1000);
});

test('one acknowledgement closes it, and it must see enough failures again', () => {
  const breaker = new Breaker(SETTINGS);
  note(breaker, 'FFFF');
  note(breaker, 'A', 1000);
  assert.equal(breaker.state(1000), 'closed');
  assert.deepEqual(note(breaker, 'FFF', 1000), [2]);
  note(breaker, 'A', 2000);
  assert.equal(breaker.pauseEndsAtMs, undefined);
});

test('whatever happens, a pause is never longer than the longest, and a fresh one is closed', async () => {
  await fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 10_000 })), { maxLength: 200 }),
      (history) => {
        const breaker = new Breaker(SETTINGS);
        let nowMs = 0;
        for (const [hasFailed, laterMs] of history) {
          nowMs += laterMs;
          breaker.note(hasFailed, nowMs);
          assert.ok((breaker.pauseEndsAtMs ?? nowMs) <= nowMs + SETTINGS.pauseMaxMs);
          if (!hasFailed) assert.equal(breaker.state(nowMs), 'closed');
          if (breaker.isFresh) assert.equal(breaker.state(nowMs), 'closed');
        }
        breaker.reset();
        assert.ok(breaker.isFresh);
      },
    ),
  );
});
