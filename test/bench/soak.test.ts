import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf, soak, soakText } from '../../bench/soak.ts';

// The long form is its own command: npm run soak

test('in a short soak good requests are served, and no abuse is answered with a success or a 5xx', async () => {
  const report = await soak({
    ...{ store: 'sqlite', seconds: 3, perSecond: 10, tpps: 3, logLevel: 'info', profileFolder: undefined },
    // In seconds, memory has not settled.
    ...{ slopeMaxBytesPerSecond: Number.POSITIVE_INFINITY, say: () => undefined },
  });
  assert.deepEqual(report.findings, []);
  assert.ok(report.accepted > 0 && report.goodRequests > 0, 'nobody behaved: the soak shows nothing');
  const came = new Set(Object.values(report.abuse).flatMap((count) => Object.keys(count.came)));
  for (const status of ['400', '401', '413', '431', 'refused']) assert.ok(came.has(status), `nothing was ${status}`);
  assert.ok(report.rss.firstBytes > 20 * 2 ** 20, `${report.rss.firstBytes} bytes is no Node process`);
  assert.match(soakText(report), /\npassed\n$/);
});

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
