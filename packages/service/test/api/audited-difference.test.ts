import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { differenceOf } from '../../src/api/registrations.ts';

const KEPT = {
  apiVersion: 'v4.0',
  version: '4.0',
  unresponsiveSinceMs: undefined,
};

test('the same registration makes no difference, whatever is undefined or left out', () => {
  assert.equal(differenceOf(KEPT, { apiVersion: 'v4.0', version: '4.0' }), undefined);
  assert.equal(differenceOf(KEPT, { apiVersion: 'v4.0', version: '4.0', eventTypes: undefined }), undefined);
});

test('an event type that is empty is another than none', () => {
  assert.deepEqual(differenceOf(KEPT, { apiVersion: 'v4.0', version: '4.0', eventTypes: [] }), {
    before: {},
    after: { eventTypes: [] },
  });
});

test('a callback URL that is responsive again by being put as it is makes a difference', () => {
  const difference = differenceOf({ ...KEPT, unresponsiveSinceMs: 5 }, { apiVersion: 'v4.0', version: '4.0' });
  assert.deepEqual(difference, { before: { unresponsiveSinceMs: 5 }, after: {} });
});

test('an API version that is upgraded makes a difference', () => {
  assert.deepEqual(differenceOf({ ...KEPT, apiVersion: 'v3.1' }, { apiVersion: 'v4.0', version: '4.0' }), {
    before: { apiVersion: 'v3.1' },
    after: { apiVersion: 'v4.0' },
  });
});

const anyRegistration = fc.record(
  {
    apiVersion: fc.constantFrom('v3.1', 'v4.0'),
    version: fc.string({ maxLength: 10 }),
    callbackUrl: fc.string({ maxLength: 2048 }),
    eventTypes: fc.array(fc.string({ maxLength: 5000 }), { maxLength: 300, size: 'max' }),
  },
  { requiredKeys: ['apiVersion', 'version'] },
);

test('a difference is bounded in size, whatever was and whatever becomes', () => {
  fc.assert(
    fc.property(fc.option(anyRegistration), fc.option(anyRegistration), (was, becomes) => {
      const difference = differenceOf(was ?? undefined, becomes ?? undefined);
      assert.ok(JSON.stringify(difference ?? {}).length < 10_000);
      assert.equal(difference === undefined, JSON.stringify(was) === JSON.stringify(becomes) && was !== null);
    }),
    { numRuns: 50 },
  );
});
