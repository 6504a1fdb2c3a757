import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomFraction, waitFor } from '../src/clock.ts';
import { forEachConcurrently } from '../src/poller/concurrency.ts';
import { createReports } from '../src/poller/reports.ts';
import { startBank } from './support/fake-bank.ts';
import { NOW_MS } from './support/sets.ts';

for (const [header, expectedMs] of [
  ['30', 30_000],
  ['99999999999', 2_147_483_648_000],
  [new Date(NOW_MS + 5000).toUTCString(), 5000],
  ['Thursday, 01-Jan-98 00:00:00 GMT', 0],
  ['Thu Jan  1 00:00:00 1998', 0],
  ['soon', undefined],
] as const) {
  test(`a refusal with Retry-After "${header}" tells that the bank asks for ${expectedMs} ms`, async (t) => {
    const bank = await startBank(t);
    bank.instead = ({ path }, response) => {
      if (!path.startsWith('/open-banking')) return false;
      response.writeHead(429, { 'retry-after': header }).end();
      return true;
    };
    const expected = { kind: 'refused', status: 429, retryAfterMs: expectedMs };
    await assert.rejects(bank.client.eventSubscriptions.get(), expected);
  });
}

test('a wait ends after its delay or with its signal, whichever comes first', async () => {
  await waitFor(1, new AbortController().signal);
  await waitFor(2_147_483_647, AbortSignal.abort());
  const controller = new AbortController();
  const waiting = waitFor(2_147_483_647, controller.signal);
  controller.abort();
  await waiting;
});

test('a random fraction is from 0 up to 1', () => {
  for (let n = 0; n < 1000; n += 1) assert.ok(randomFraction() >= 0 && randomFraction() < 1);
});

test('reports are sent in batches of at most 10 000, and an acknowledgement wins over an error', () => {
  const reports = createReports();
  for (let n = 0; n < 10_001; n += 1) reports.acknowledge(String(n));
  reports.refuse({ jti: 'x', err: 'e', description: 'd' });
  reports.refuse({ jti: '5', err: 'e', description: 'd' });
  reports.acknowledge('x');
  const first = reports.next(1_000_000);
  assert.deepEqual([first.ack.length, first.ack[0], first.setErrs], [10_000, '0', []]);
  assert.equal(reports.hasMoreThan(first), true);
  reports.reported(first);
  const last = reports.next(1_000_000);
  assert.deepEqual([reports.hasMoreThan(last), last.ack], [false, ['10000', 'x']]);
  reports.reported(last);
  assert.equal(reports.hasAny(), false);
});

test('reports are sent in batches within a number of bytes, at least one each, whatever their characters', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 })), fc.nat(300), (texts, bytesMax) => {
      const reports = createReports();
      const told: string[] = [];
      const jtis = [...new Set(texts)];
      for (const [at, jti] of jtis.entries()) {
        if (at % 2 === 0) reports.acknowledge(jti);
        else reports.refuse({ jti, err: jti, description: jti });
      }
      while (reports.hasAny()) {
        const batch = reports.next(bytesMax);
        const { ack, setErrs } = batch;
        const members = Object.fromEntries(setErrs.map(({ jti, err, description }) => [jti, { err, description }]));
        // Without the brackets and braces around them, and with a comma behind the last of each.
        const written = Buffer.byteLength(JSON.stringify(ack)) + Buffer.byteLength(JSON.stringify(members)) - 4;
        const count = ack.length + setErrs.length;
        assert.ok(count === 1 || written <= bytesMax, `${written} bytes`);
        assert.equal(reports.hasMoreThan(batch), told.length + count < jtis.length);
        told.push(...ack, ...setErrs.map(({ jti }) => jti));
        reports.reported(batch);
      }
      assert.deepEqual(told.toSorted(), jtis.toSorted());
    }),
  );
});

test('each item is processed once, in order, and the first failure is thrown', async () => {
  const begun: number[] = [];
  const items = [1, 2, 3, 4, 5];
  await forEachConcurrently(items, 2, async (item) => void begun.push(item));
  assert.deepEqual(begun, items);
  await forEachConcurrently([], 2, () => Promise.reject(new Error('never')));
  await assert.rejects(
    forEachConcurrently(items, 2, async (item) => {
      if (item === 3) throw new Error('three');
    }),
    /three/,
  );
});
