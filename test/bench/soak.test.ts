import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf } from '../../bench/soak.ts';

// A soak itself is in soak.long.test.ts.

test('a soak fails by memory that grows, abuse that is served or breaks the service, and good requests that are not served', () => {
  const flat = { isFlat: true, slopeBytesPerSecond: 0 };
  const none = { requests: 9, failed: 0 };
  const refused = { slow: { begun: 2, came: { '408': 1, closed: 1 } } };
  assert.deepEqual(findingsOf(flat, refused, none, 0), []);
  assert.deepEqual(findingsOf({ isFlat: false, slopeBytesPerSecond: 20_480 }, refused, none, 0), [
    'memory grows by 20480 bytes a second',
  ]);
  const served = { 'no token': { begun: 3, came: { '200': 1, '401': 1, '500': 1 } }, silent: { begun: 0, came: {} } };
  assert.deepEqual(findingsOf(flat, served, { requests: 9, failed: 2 }, 1), [
    '1 × "no token" got 200',
    '1 × "no token" got 500',
    '"silent" was never sent',
    '2 of 9 good requests failed',
    '1 notifications were lost',
  ]);
});
