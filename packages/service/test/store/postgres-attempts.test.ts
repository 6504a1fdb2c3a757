import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { acknowledge, claimOne, fail, look, publish, register, retryAt } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const KEPT_MAX = 500;

test('of what failed more often the newest 500 attempts are kept, and all of them are counted', async (t) => {
  const url = await server.createDatabase();
  const store = await openInstance(t, url);
  await register(store, ['a']);
  const [jti = ''] = await publish(store, 'a', ['e']);
  await fail(store, await claimOne(store), retryAt(0), 100);
  const full = `attempts = ${KEPT_MAX}, attempt_log = array_fill(attempt_log[1], ARRAY[${KEPT_MAX}])`;
  await server.run(`UPDATE notification SET ${full}`, new URL(url).pathname.slice(1));
  const kept = async () => {
    const { attempts } = await look(store, jti);
    return [attempts.length, attempts.at(-2)?.interactionId, attempts.at(-1)?.interactionId];
  };
  const overtaken = await claimOne(store);
  await store.release([overtaken], 0);
  await fail(store, overtaken, retryAt(0), 200);
  assert.deepEqual(await kept(), [KEPT_MAX, 'interaction-100', 'interaction-200']);
  await fail(store, await claimOne(store), retryAt(0), 300);
  assert.deepEqual(await kept(), [KEPT_MAX, 'interaction-200', 'interaction-300']);
  const last = await claimOne(store);
  assert.equal(last.attempts, KEPT_MAX + 2);
  await acknowledge(store, last, 400);
  assert.deepEqual(await kept(), [KEPT_MAX, 'interaction-300', 'interaction-400']);
});
