import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { listen } from '../../src/base/http-server.ts';
import { createLog } from '../../src/base/log.ts';
import { orderedUuid, systemRandom } from '../../src/base/random.ts';
import { StartUpError, systemErrorCode } from '../../src/base/start-up-error.ts';

/** A server with the two members that `listen` uses, as Fastify has them. */
function listener(t: TestContext): {
  server: Server;
  listen(options: { host: string; port: number }): Promise<string>;
} {
  const server = createServer();
  t.after(() => server.close());
  return {
    server,
    listen: (options) =>
      new Promise((resolve, reject) => {
        server.once('error', reject).listen(options, () => resolve('listening'));
      }),
  };
}

test('listening on port 0 gives the port that was taken', async (t) => {
  const { server, ...rest } = listener(t);
  const port = await listen({ server, ...rest }, 'api', { host: '127.0.0.1', port: 0 });
  const address = server.address();
  assert.ok(port > 0 && typeof address === 'object' && address?.port === port);
});

test('a port that is in use is named with its setting', async (t) => {
  const port = await listen(listener(t), 'api', { host: '127.0.0.1', port: 0 });
  await assert.rejects(listen(listener(t), 'operator', { host: '127.0.0.1', port }), (error) => {
    assert.ok(error instanceof StartUpError);
    assert.match(error.message, new RegExp(`Port ${port} of 127\\.0\\.0\\.1 is in use.*"operator\\.port"`));
    return true;
  });
});

test('an address that is not of this machine is named with its setting', async (t) => {
  for (const host of ['192.0.2.1', 'nonexistent.invalid']) {
    await assert.rejects(listen(listener(t), 'api', { host, port: 0 }), (error) => {
      assert.ok(error instanceof StartUpError);
      assert.equal(error.message, `"api.host" (${host}) is not an address of this machine.`);
      return true;
    });
  }
});

test('any other reason is said with section, host and port', async () => {
  const failing = { server: { address: () => null }, listen: () => Promise.reject(new Error('no more sockets')) };
  const expected = new StartUpError('Cannot listen on localhost port 1 ("api"): no more sockets.');
  await assert.rejects(listen(failing, 'api', { host: 'localhost', port: 1 }), expected);
});

test('the code of a system error is read, and only of such', () => {
  assert.equal(systemErrorCode(Object.assign(new Error('no'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(systemErrorCode(Object.assign(new Error('no'), { code: 1 })), undefined);
  assert.equal(systemErrorCode(new Error('no')), undefined);
  assert.equal(systemErrorCode({ code: 'ENOENT' }), undefined);
});

test('a timer of the system clock fires once, and not when it was cancelled', async () => {
  const fired: string[] = [];
  await new Promise<void>((resolve) => {
    const cancel = systemClock.after(0, () => fired.push('cancelled'));
    cancel();
    systemClock.after(-5, () => fired.push('past'));
    systemClock.after(1, resolve);
  });
  assert.deepEqual(fired, ['past']);
});

test('a timer of the system clock that is further than Node.js can count does not fire at once', async () => {
  const fired: string[] = [];
  const cancel = systemClock.after(Number.MAX_SAFE_INTEGER, () => fired.push('far'));
  await new Promise<void>((resolve) => systemClock.after(5, resolve));
  cancel();
  assert.deepEqual(fired, []);
});

test('the monotonic clock does not go back', () => {
  const beganMs = systemClock.monotonicMs();
  assert.ok(systemClock.monotonicMs() >= beganMs);
  assert.ok(Number.isSafeInteger(systemClock.nowMs()));
});

test('UUIDs are of version 4 and fresh, fractions lie from 0 up to 1', () => {
  const uuids = Array.from({ length: 100 }, () => systemRandom.uuid());
  assert.equal(new Set(uuids).size, 100);
  for (const uuid of uuids) assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (let draws = 0; draws < 100; draws += 1) {
    const fraction = systemRandom.fraction();
    assert.ok(fraction >= 0 && fraction < 1);
  }
});

test('the log writes each line at once, as JSON, from its level on', (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'below', 'tidings.log');
  const log = createLog('warn', file);
  log.info({ a: 1 }, 'left out');
  log.warn({ a: 2 }, 'written');
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  assert.equal(lines.length, 1);
  const { time, ...line } = JSON.parse(lines[0] ?? '');
  assert.deepEqual(line, { level: 40, a: 2, msg: 'written' });
  assert.equal(typeof time, 'number');
});

describe('ordered UUIDs', () => {
  test('begin with their time, are of version 7 and keep the rest of the random one', () => {
    const random = '0e6a3f54-9b1c-4d3e-a1b2-c3d4e5f60718';
    assert.equal(orderedUuid(0x0123_4567_89ab, random), '01234567-89ab-7d3e-a1b2-c3d4e5f60718');
    assert.equal(orderedUuid(5, random), '00000000-0005-7d3e-a1b2-c3d4e5f60718');
  });
});
