import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { inTime, temporaryFolder } from '@tidings/testing';
import { pino } from 'pino';
import { request } from 'undici';
import { systemClock } from '../../src/base/clock.ts';
import { parseConfig } from '../../src/config/load.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import type { BackUp } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { MINIMAL } from '../config/settings.ts';
import { CONNECTIONS } from '../support/connections.ts';

// SHA-256 of "token".
const TOKENS = [
  {
    name: 'alice',
    role: 'administrator',
    sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0',
  } as const,
];

/** An operator API over HTTP whose store is copied as the test says. */
async function apiWith(t: TestContext, backUp: BackUp | undefined) {
  const folder = temporaryFolder();
  writeFileSync(join(folder.path, 'tidings.db'), '');
  const store = { audit: async () => undefined, counts: async () => ({ awaiting: 0 }) };
  const app = buildOperatorApi({
    ...{
      store: store as unknown as Store,
      catalogue: new EventTypeCatalogue([]),
      clock: systemClock,
      tokens: new OperatorTokens(TOKENS),
    },
    ...{
      tls: undefined,
      bodyBytesMax: 100_000,
      ...CONNECTIONS,
      publish: () => assert.fail('nothing is published'),
      backUp,
    },
    log: pino({ level: 'silent' }),
    config: parseConfig(
      { ...MINIMAL, store: { file: 'tidings.db' }, publishing: { diskFreeBytesMin: 0 } },
      folder.path,
    ),
  });
  t.after(async () => {
    await app.close();
    folder.remove();
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const call = async (signal: AbortSignal | null = null) => {
    const headers = { authorization: 'Bearer token' };
    const answer = await request(`${url}/operator/v1/backups`, { method: 'POST', headers, signal });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  };
  return { app, call, left: () => readdirSync(folder.path) };
}

/** A copying that lasts until it is told to end, or its signal does. */
function held() {
  const began = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const backUp: BackUp = async (file, signal) => {
    signal.addEventListener('abort', () => aborted.resolve());
    began.resolve();
    await Promise.race([end.promise, aborted.promise]);
    signal.throwIfAborted();
    writeFileSync(file, 'copied', { flag: 'wx' });
  };
  return {
    backUp,
    end: end.resolve,
    began: () => inTime(began.promise, 'the copying to begin'),
    aborted: () => inTime(aborted.promise, 'the copying to be ended'),
  };
}

test('a store that is no file is not copied: 501 names what does', async (t) => {
  const { call } = await apiWith(t, undefined);
  const { status, text } = await call();
  assert.equal(status, 501);
  assert.match(text, /pg_dump/);
});

test('one backup at a time: 429 with Retry-After while another is under way, and none is held up for good', async (t) => {
  const { backUp, began, end } = held();
  const { call, left } = await apiWith(t, backUp);
  const first = call();
  await began();
  const second = await call();
  assert.equal(second.status, 429);
  assert.match(String(second.headers['retry-after']), /^[1-9]\d*$/);
  end();
  const { status, text, headers } = await first;
  assert.deepEqual([status, text, headers['content-length']], [200, 'copied', '6']);
  assert.equal((await call()).status, 200);
  assert.deepEqual(left(), ['tidings.db']);
});

test('a copying whose caller hangs up is ended', async (t) => {
  const { backUp, began, aborted } = held();
  const { call } = await apiWith(t, backUp);
  const leaving = new AbortController();
  const gone = assert.rejects(call(leaving.signal));
  await began();
  leaving.abort();
  await Promise.all([gone, aborted()]);
});

test('a service that stops does not wait for a copying', async (t) => {
  const { backUp, began, aborted } = held();
  const { app, call } = await apiWith(t, backUp);
  const answer = call();
  await began();
  await Promise.all([app.close(), aborted()]);
  assert.equal((await answer).status, 503);
});

test('a copy that fails is reported, and the next may begin', async (t) => {
  let calls = 0;
  const { call } = await apiWith(t, async (file) => {
    calls += 1;
    if (calls === 1) throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
    writeFileSync(file, 'copied');
  });
  const { status, text } = await call();
  assert.equal(status, 500);
  assert.doesNotMatch(text, /disk full/);
  assert.equal((await call()).status, 200);
});
