import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isJsonObject } from '@tidings/protocol';
import { Deadline } from '@tidings/testing';
import pg from 'pg';
import { bankEvent, notifyAll, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { acknowledged, LEASE_MS, publish, recordAll, register } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const RESERVATION = { leaseMs: LEASE_MS, limit: 10, capacityFor: () => 10 };

/** Watches what the database is asked. @returns takes the statements since the last time */
function watchStatements(t: TestContext): () => string[] {
  const query: (this: pg.Client, ...values: unknown[]) => unknown = pg.Client.prototype.query;
  const texts: string[] = [];
  t.mock.method(pg.Client.prototype, 'query', function ask(this: pg.Client, ...values: unknown[]) {
    const [statement] = values;
    if (isJsonObject(statement)) texts.push(String(statement['text']));
    return Reflect.apply(query, this, values);
  });
  return () => texts.splice(0);
}

test('one event of a TPP that was seen before is one statement, between BEGIN and COMMIT', async (t) => {
  const store = await openInstance(t, await server.createDatabase());
  await register(store, ['a']);
  // The second one finds the number of its event types, which the first has added.
  for (const id of ['first', 'second']) await publish(store, 'a', [id]);
  const asked = watchStatements(t);
  await publish(store, 'a', ['third']);
  const [begin, ...others] = asked();
  assert.match(begin ?? '', /^BEGIN; SELECT pg_advisory_xact_lock_shared[^;]+;$/);
  assert.deepEqual([others.length, others.at(-1)], [2, 'COMMIT'], others.join('\n\n'));
});

test('acknowledged attempts that were handed over are two statements, however many they are', async (t) => {
  const store = await openInstance(t, await server.createDatabase());
  await register(store, ['a']);
  const events = Array.from({ length: 10 }, (_, at) => bankEvent('a', `e${at}`));
  const published = await store.publish(events, notifyAll, START_MS, RESERVATION);
  assert.ok(published.kind === 'published');
  const [first, ...rest] = published.claimed.map((claimed) => acknowledged(claimed));
  assert.ok(first);
  // The first says that the callback URL responds, which is written every ten seconds at most.
  await recordAll(store, [first], START_MS);
  const asked = watchStatements(t);
  await recordAll(store, rest, START_MS);
  assert.equal(asked().length, 4);
});

test('a registration that another instance has replaced counts, although nobody told of it', async (t) => {
  const url = await server.createDatabase();
  const [store, other] = [await openInstance(t, url), await openInstance(t, url)];
  await register(store, ['a']);
  await publish(store, 'a', ['first']);
  const callbackUrl = 'https://new.example/event-notifications';
  await other.replaceRegistration(subscriptionOf('a', { callbackUrl }), START_MS);
  const published = await store.publish([bankEvent('a', 'second')], notifyAll, START_MS, RESERVATION);
  assert.ok(published.kind === 'published');
  assert.deepEqual(
    published.claimed.map((claimed) => claimed.callbackUrl),
    [callbackUrl],
  );
});

test('an instance that is the only one sends no messages', async (t) => {
  const store = await openInstance(t, await server.createDatabase(), { isListening: true, pollMs: 20 });
  await register(store, ['a']);
  const asked = watchStatements(t);
  const deadline = new Deadline();
  for (let at = 0; ; at += 1) {
    await publish(store, 'a', [`e${at}`]);
    // Longer than changes are gathered for.
    await pause(30);
    const texts = asked();
    if (texts.some((text) => text.startsWith('BEGIN')) && !texts.some((text) => text.includes('pg_notify'))) return;
    deadline.check(() => 'publishing without a message');
  }
});
