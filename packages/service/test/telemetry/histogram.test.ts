import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  addLatency,
  addTally,
  BUCKET_MAX,
  bucketOf,
  countOf,
  ERROR_MAX,
  emptyTally,
  middleOf,
  percentilesOf,
} from '../../src/telemetry/tally.ts';

const YEAR_MS = 31_536_000_000;
const durations = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: 0, max: 100_000 }),
    fc.integer({ min: 0, max: YEAR_MS }),
    fc.double({ min: 0, max: 1000, noNaN: true }),
  ),
  { minLength: 1, maxLength: 200 },
);
const PARTS = [0.01, 0.5, 0.9, 0.99, 1];

function tallyOf(latenciesMs: readonly number[]) {
  const tally = emptyTally();
  for (const latencyMs of latenciesMs) addLatency(tally, latencyMs);
  return tally;
}

test('a percentile is the exact one by nearest rank, to within the error that is promised', () => {
  void fc.assert(
    fc.property(durations, (latenciesMs) => {
      const sorted = latenciesMs.toSorted((left, right) => left - right);
      const found = percentilesOf(tallyOf(latenciesMs).latency, PARTS) ?? assert.fail('there are durations');
      for (const [at, part] of PARTS.entries()) {
        const exact = sorted[Math.max(Math.ceil(sorted.length * part), 1) - 1] ?? Number.NaN;
        const told = found[at] ?? Number.NaN;
        if (exact < 1) assert.equal(told, 0);
        else assert.ok(Math.abs(told - exact) <= exact * ERROR_MAX, `${told} for ${exact}`);
      }
    }),
  );
});

test('buckets rise with the duration, and take whatever there is', () => {
  void fc.assert(
    fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (one, other) => {
      const [less, more] = one < other ? [one, other] : [other, one];
      assert.ok(bucketOf(less) <= bucketOf(more));
      assert.ok(bucketOf(more) <= BUCKET_MAX && bucketOf(less) >= 0 && Number.isInteger(bucketOf(less)));
    }),
  );
  assert.deepEqual([-5, 0, 0.99, 1, Number.NaN].map(bucketOf), [0, 0, 0, 1, 0]);
  assert.ok(middleOf(BUCKET_MAX) > YEAR_MS);
});

test('counts of parts add up to the counts of the whole, in any order, and nothing is lost', () => {
  void fc.assert(
    fc.property(durations, durations, (one, other) => {
      const sum = emptyTally();
      addTally(sum, tallyOf(other));
      addTally(sum, tallyOf(one));
      assert.deepEqual(sum, tallyOf([...one, ...other]));
      assert.equal(countOf(sum.latency), one.length + other.length);
    }),
  );
});

test('there is no percentile of nothing', () => {
  assert.equal(percentilesOf({}, PARTS), undefined);
});
