import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak, soakText } from '../../bench/soak.ts';

// A soak of any length is a command: npm run soak

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
