import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { onlyEnvironment } from '../support/command.ts';
import { followStream, type StreamReader } from '../support/event-stream.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// The live stream and the statistics of one instance, and the commands that show them.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'], settings: { activity: { subscribersMax: 4 } } });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const { operatorUrl } = bank.service;
const receiver = await startReceiver(bank);
const [tpp, other] = [await makeTpp(bank, 'tpp-a'), await makeTpp(bank, 'tpp-b')];
const children = new Set<ChildProcess>();
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  tpp.close();
  other.close();
  await receiver.close();
  await bank.stop();
});
await tpp.create('v4.0', 'event-subscriptions', {
  Version: '4.0',
  CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
});
await other.create('v4.0', 'event-subscriptions', { Version: '4.0' });

describe('GET /operator/v1/stream', () => {
  test('tells of a notification from being accepted to being acknowledged', async () => {
    const reader = await followStream(operatorUrl);
    const jti = await bank.publish('tpp-a', { id: 'told' });
    await reader.until((all) => all.some(({ event }) => event === 'acknowledged'), 'it is acknowledged');
    await reader.close();
    const [accepted, attempted, acknowledged] = reader.events.map(({ data: { at, ...rest } }) => {
      assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
      return rest;
    });
    const common = { clientId: 'tpp-a', jti };
    const eventTypes = ['urn:uk:org:openbanking:events:resource-update'];
    assert.deepEqual(accepted, { ...common, kind: 'accepted', eventId: 'told', eventTypes });
    const { durationMs, ...attempt } = attempted;
    assert.deepEqual(attempt, { ...common, kind: 'attempted', attempt: 1, outcome: 'acknowledged', status: 202 });
    const { afterMs, ...rest } = acknowledged;
    assert.deepEqual(rest, { ...common, kind: 'acknowledged', by: 'push' });
    assert.ok(durationMs >= 0 && afterMs >= 0);
    assert.ok(!reader.text().includes(receiver.origin), 'no URL is in the stream');
  });

  test('is filtered by TPP and kind, begins at a time, and goes on after an event', async () => {
    await bank.publish('tpp-b', { id: 'other' });
    const all = await followStream(operatorUrl, '?since=2020-01-01T00:00:00Z');
    await all.until((events) => events.some(({ data }) => data.eventId === 'other'), 'it began before');
    const ofB = await followStream(operatorUrl, '?clientId=tpp-b&kind=accepted,attempted&since=2020-01-01T00:00:00Z');
    await ofB.until((events) => events.length > 0, 'something is of it');
    assert.deepEqual(
      ofB.events.map(({ data }) => data.eventId),
      ['other'],
    );
    await ofB.close();
    const [first] = all.events;
    const rest = await followStream(operatorUrl, `?after=${first?.id}`);
    await rest.until((events) => events.length === all.events.length - 1, 'the rest has come');
    assert.deepEqual(rest.events, all.events.slice(1));
    await Promise.all([all, rest].map((reader) => reader.close()));
  });

  test('says at once where to come back to, though nothing happens', async () => {
    const quiet = await followStream(operatorUrl, '?clientId=nobody');
    await until(() => /^retry: \d+\nid: \d+\n\n/.test(quiet.text()), 'it has come');
    await quiet.close();
  });

  test('is answered 429 when as many follow as may, and has room again when one leaves', async () => {
    const readers: StreamReader[] = [];
    // Those of other tests may be leaving still.
    for (let isFull = false; !isFull; ) {
      const reader = await followStream(operatorUrl).catch(() => undefined);
      if (reader === undefined) isFull = true;
      else readers.push(reader);
      assert.ok(readers.length <= 4);
    }
    const { status, headers } = await call('GET', '/operator/v1/stream');
    assert.equal(status, 429);
    assert.ok(Number(headers.get('retry-after')) > 0);
    await readers[0]?.close();
    await until(async () => {
      const again = await followStream(operatorUrl).catch(() => undefined);
      await again?.close();
      return again !== undefined;
    }, 'there is room');
    await Promise.all(readers.map((reader) => reader.close()));
  });

  for (const query of [
    'after=x',
    'after=-1',
    'kind=unknown',
    'kind=',
    'since=yesterday',
    'clientId=',
    'limit=1',
    'after=1&after=2',
  ]) {
    test(`with ?${query} answers 400`, async () => {
      assert.equal((await call('GET', `/operator/v1/stream?${query}`)).status, 400);
    });
  }
});

describe('GET /operator/v1/statistics', () => {
  test('tells what was counted, in total and over time, before it is kept', async () => {
    const { body } = await call('GET', '/operator/v1/statistics');
    const { totals, buckets, resolution, from, before } = body;
    assert.deepEqual(
      [resolution, totals.accepted, totals.acknowledged, totals.attempts],
      ['hour', 2, { push: 1 }, { acknowledged: 1 }],
    );
    assert.equal(Date.parse(before) - Date.parse(from), 24 * 3_600_000);
    assert.equal(
      buckets.reduce((sum: number, { accepted }: { accepted: number }) => sum + accepted, 0),
      2,
    );
    const ofB = (await call('GET', '/operator/v1/statistics?clientId=tpp-b')).body;
    assert.deepEqual([ofB.clientId, ofB.totals.accepted, ofB.totals.latencyMs], ['tpp-b', 1, undefined]);
    const { status } = await call(
      'GET',
      '/operator/v1/statistics?resolution=minute&from=2026-01-01T00:00:30Z&before=2026-01-01T12:00:00Z',
    );
    assert.equal(status, 200);
  });

  test('of a time in which nothing was counted is empty', async () => {
    const { body } = await call('GET', '/operator/v1/statistics?from=2020-01-01T10:30:00Z&before=2020-01-02T00:00:00Z');
    assert.deepEqual([body.buckets, body.totals.accepted, body.from], [[], 0, '2020-01-01T10:00:00.000Z']);
  });

  for (const query of [
    ...[
      'resolution=day',
      'from=x',
      'before=x',
      'clientId=',
      'limit=1',
      'from=2026-01-02T00:00:00Z&before=2026-01-01T00:00:00Z',
    ],
    ...[
      'clientId=tpp-a&resolution=minute',
      'from=2020-01-01T00:00:00Z&before=2021-01-01T00:00:00Z',
      'from=1969-01-01T00:00:00Z',
    ],
  ]) {
    test(`with ?${query} answers 400`, async () => {
      assert.equal((await call('GET', `/operator/v1/statistics?${query}`)).status, 400);
    });
  }
});

describe('tidings statistics', () => {
  test('prints a table with the sum below, or what the API answers', async () => {
    const [table, json, nobody] = await Promise.all([
      cli('statistics', '--last', '2h'),
      cli('statistics', '--by', 'minute', '--json'),
      cli('statistics', '--from', '2026-01-01T00:00:00Z', '--before', '2026-01-02T00:00:00Z'),
    ]);
    assert.match(printed(table), /^FROM +ACCEPTED +REPEATED .* P99\n\d{4}-.*Z +2 +0 +0 +1 +0 +1 .*\ntotal +2 /);
    const { totals, resolution } = JSON.parse(printed(json));
    assert.deepEqual([totals.accepted, resolution], [2, 'minute']);
    assert.match(printed(nobody), /^There are no counts from /);
  });

  test('says what is wrong', async () => {
    const [last, both, from] = await Promise.all([
      cli('statistics', '--last', 'long'),
      cli('statistics', '--from', 'x', '--last', '1h'),
      cli('statistics', '--from', 'x'),
    ]);
    assert.deepEqual([last.code, both.code, from.code], [2, 2, 2]);
    assert.match(from.stderr, /--from must be a date and time/);
  });
});

describe('tidings tail', () => {
  test('prints what happened and happens as JSON, a line each, until it is interrupted, and ends with 0', async () => {
    const child = spawnTail('--json', '--since', '1h', '--kind', 'accepted');
    await until(() => child.lines().length === 2, 'what was before is printed');
    await bank.publish('tpp-b', { id: 'tailed' });
    await until(() => child.lines().length === 3, 'what happens is printed');
    const [first, , last] = child.lines().map((line) => JSON.parse(line));
    assert.deepEqual([first.kind, first.eventId, typeof first.id], ['accepted', 'told', 'string']);
    assert.equal(last.eventId, 'tailed');
    assert.equal(await child.interrupt(), 0);
    assert.equal(child.errors(), '');
  });

  test('goes on after the last event that it got when the connection breaks, and may be there before that', async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      const number = asked.push(request.headers['last-event-id']?.toString());
      if (number === 2)
        return void response.writeHead(503, { 'content-type': 'application/problem+json' }).end('{"detail":"Later."}');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(
        `id: ${number}-0\nevent: unresponsive\ndata: {"kind":"unresponsive","at":"x","clientId":"a"}\n\nid: ${number}-1\n\n`,
      );
      if (number === 1) setImmediate(() => response.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const child = spawnTail('--json', '--operator-url', `http://127.0.0.1:${port}`);
    await until(() => child.lines().length === 2, 'it goes on');
    assert.deepEqual(asked, [undefined, '1-1', '1-1']);
    assert.equal(await child.interrupt(), 0);
    server.closeAllConnections();
    await once(server.close(), 'close');
  });

  test('prints a line for people, and says when the connection is lost, and when it cannot begin', async () => {
    const child = spawnTail('--since', '1h', '--client', 'tpp-a');
    await until(() => child.lines().length >= 3, 'what was before is printed');
    assert.match(child.lines()[0] ?? '', /^\S+Z {2}accepted {8}tpp-a {2}\S+ {2}eventId=told {2}eventTypes=urn:uk/);
    const following = await followStream(operatorUrl);
    const beganMs = performance.now();
    await bank.service.stop();
    await following.ended;
    assert.ok(performance.now() - beganMs < 4000, 'whoever follows does not hold the shutdown up');
    await until(() => child.errors().includes('reconnecting'), 'it is said');
    assert.equal(await child.interrupt(), 0);
    const { code, stderr } = await cli('tail');
    assert.equal(code, 1);
    assert.match(stderr, /cannot be reached .* --operator-url/);
  });
});

/** Starts `tidings tail` as a process of its own. */
function spawnTail(...args: string[]) {
  const environment = {
    TIDINGS_OPERATOR_URL: operatorUrl.replace('localhost', '127.0.0.1'),
    TIDINGS_TOKEN_FILE: join(bank.folder, 'operator-token'),
  };
  const child = spawn(process.execPath, ['packages/service/bin/tidings.js', 'tail', ...args], {
    env: onlyEnvironment(environment),
    stdio: 'pipe',
  });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk;
    });
  }
  return {
    lines: () => output.stdout.split('\n').slice(0, -1),
    errors: () => output.stderr,
    interrupt: async () => {
      const closed = once(child, 'close');
      child.kill('SIGINT');
      const [code] = await closed;
      return code;
    },
  };
}
