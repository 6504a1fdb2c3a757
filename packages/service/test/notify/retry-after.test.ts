import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { retryAfterMs } from '../../src/notify/retry-after.ts';

const NOW_MS = Date.parse('Sat, 21 Nov 2026 08:00:00 GMT');

const GOOD: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['120', 120_000],
  ['007', 7000],
  ['999999999', 999_999_999_000],
  ['Sat, 21 Nov 2026 08:00:30 GMT', 30_000],
  ['Sat, 21 Nov 2026 08:00:00 GMT', 0],
  ['Fri, 20 Nov 2026 08:00:00 GMT', 0],
  ['Sun, 22 Nov 2026 08:00:00 GMT', 86_400_000],
];

for (const [header, expectedMs] of GOOD) {
  test(`Retry-After "${header}" asks for ${expectedMs} ms`, () => {
    assert.equal(retryAfterMs(header, NOW_MS), expectedMs);
  });
}

const NONSENSE = [
  '',
  ' 5',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '0x10',
  '1000000000',
  '5 seconds',
  '٣',
  'tomorrow',
  '2026-11-21T08:00:30Z',
  'Sat, 21 Nov 2026 08:00:30',
  'Sat, 21 Nov 2026 08:00:30 CET',
  'Sat, 21 Nov 2026 99:00:30 GMT',
  'Sat, 21 Xyz 2026 08:00:30 GMT',
];

for (const header of NONSENSE) {
  test(`Retry-After "${header}" is nonsense and asks for nothing`, () => {
    assert.equal(retryAfterMs(header, NOW_MS), undefined);
  });
}

test('no Retry-After asks for nothing', () => {
  assert.equal(retryAfterMs(undefined, NOW_MS), undefined);
});

test('whatever the header holds, the answer is undefined or a whole number from 0', async () => {
  await fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9, A-Za-z:]{0,40}$/)), (header) => {
      const askedMs = retryAfterMs(header, NOW_MS);
      assert.ok(askedMs === undefined || (Number.isSafeInteger(askedMs) && askedMs >= 0));
    }),
  );
});
