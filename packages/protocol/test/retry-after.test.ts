import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { retryAfterMs } from '../src/retry-after.ts';

const NOW_MS = Date.parse('2026-11-29T09:00:00Z');
const ASKED_MAX_MS = 2_147_483_648_000;

const GOOD: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['120', 120_000],
  ['007', 7000],
  ['999999999', 999_999_999_000],
  ['1000000000', 1_000_000_000_000],
  ['99999999999', ASKED_MAX_MS],
  ['9'.repeat(400), ASKED_MAX_MS],
  ['Sun, 29 Nov 2026 09:00:20 GMT', 20_000],
  ['Sun, 29 Nov 2026 09:00:00 GMT', 0],
  ['Sat, 28 Nov 2026 09:00:20 GMT', 0],
  ['Mon, 30 Nov 2026 09:00:00 GMT', 86_400_000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', ASKED_MAX_MS],
  ['Sat, 01 Jan 0000 00:00:00 GMT', 0],
  ['Sun, 29 Nov 2026 09:00:60 GMT', 60_000],
  ['Thu, 31 Dec 2026 23:59:60 GMT', Date.parse('2027-01-01T00:00:00Z') - NOW_MS],
  ['Sunday, 29-Nov-26 09:00:20 GMT', 20_000],
  ['Sunday, 29-Nov-26 09:00:60 GMT', 60_000],
  ['Wednesday, 01-Jan-76 00:00:00 GMT', Date.parse('2076-01-01T00:00:00Z') - NOW_MS],
  ['Saturday, 01-Jan-77 00:00:00 GMT', 0],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
  ['Sun Nov 29 09:00:20 2026', 20_000],
  ['Tue Dec  1 09:00:00 2026', 2 * 86_400_000],
  ['Tue Dec 01 09:00:00 2026', 2 * 86_400_000],
  ['Sun Nov  6 08:49:37 1994', 0],
  ['Sun Nov 29 09:00:60 2026', 60_000],
  ['Thu, 29 Feb 2028 00:00:00 GMT', Date.parse('2028-02-29T00:00:00Z') - NOW_MS],
];

for (const [header, expectedMs] of GOOD) {
  test(`Retry-After "${header.slice(0, 40)}" asks for ${expectedMs} ms`, () => {
    assert.equal(retryAfterMs(header, NOW_MS), expectedMs);
  });
}

test('a two-digit year is resolved from the current year, also across the turn of a century', () => {
  const nowMs = Date.parse('2099-12-31T23:59:50Z');
  assert.equal(retryAfterMs('Thursday, 31-Dec-99 23:59:55 GMT', nowMs), 5000);
  assert.equal(retryAfterMs('Friday, 01-Jan-49 00:00:00 GMT', nowMs), 0);
});

test('a fraction of a millisecond in the clock is rounded up, so that a retry is never early', () => {
  assert.equal(retryAfterMs('Sun, 29 Nov 2026 09:00:20 GMT', NOW_MS + 0.25), 20_000);
});

const NONSENSE = [
  '',
  ' 5',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '0x10',
  '5 seconds',
  '5, 10',
  '٣',
  'tomorrow',
  '2026-11-29',
  '2026-11-29T09:00:30Z',
  'Sun, 29 Nov 2026 09:00:30',
  'Sun, 29 Nov 2026 09:00:30 CET',
  'Sun, 29 Nov 2026 24:00:30 GMT',
  'Sun, 29 Nov 2026 09:60:30 GMT',
  'Sun, 29 Nov 2026 09:00:61 GMT',
  'Sun, 29 Xyz 2026 09:00:30 GMT',
  'Sun, 9 Nov 2026 09:00:30 GMT',
  'Sun, 00 Nov 2026 09:00:30 GMT',
  'Tue, 31 Nov 2026 09:00:30 GMT',
  'Sun, 29 Feb 2026 09:00:30 GMT',
  'sun, 29 nov 2026 09:00:30 gmt',
  'Sunday, 29-Nov-2026 09:00:30 GMT',
  'Sun, 29-Nov-26 09:00:30 GMT',
  'Sunday, 31-Nov-26 09:00:30 GMT',
  'Sun Nov 29 09:00:30 2026 GMT',
  'Sun Nov 9 09:00:30 2026',
  'Sun Nov 31 09:00:30 2026',
  'Sunday Nov 29 09:00:30 2026',
];

for (const header of NONSENSE) {
  test(`Retry-After "${header}" is nonsense and asks for nothing`, () => {
    assert.equal(retryAfterMs(header, NOW_MS), undefined);
  });
}

test('no Retry-After asks for nothing', () => {
  assert.equal(retryAfterMs(undefined, NOW_MS), undefined);
  assert.equal(retryAfterMs(null, NOW_MS), undefined);
});

test('for any header the result is undefined or a whole number of at least 0', async () => {
  await fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9, A-Za-z:-]{0,40}$/)), (header) => {
      const askedMs = retryAfterMs(header, NOW_MS);
      assert.ok(askedMs === undefined || (Number.isSafeInteger(askedMs) && askedMs >= 0));
    }),
  );
});

test('the same time in all three forms gives the same delay', async () => {
  const from = Date.parse('1980-01-01T00:00:00Z');
  const moments = fc.integer({ min: from, max: from + 90 * 365 * 86_400_000 }).map((ms) => ms - (ms % 1000));
  await fc.assert(
    fc.property(moments, (atMs) => {
      const forms = formsOf(new Date(atMs)).map((form) => retryAfterMs(form, NOW_MS));
      const expectedMs = Math.min(Math.max(atMs - NOW_MS, 0), ASKED_MAX_MS);
      assert.deepEqual(forms, [expectedMs, expectedMs, expectedMs]);
    }),
  );
});

function formsOf(date: Date): readonly string[] {
  const fixed = date.toUTCString();
  const [dayName = '', day = '', month = '', year = '', time = ''] = fixed.replace(',', '').split(' ');
  const long = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' }).format(date);
  return [
    fixed,
    `${long}, ${day}-${month}-${year.slice(2)} ${time} GMT`,
    `${dayName} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`,
  ];
}
