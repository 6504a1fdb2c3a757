import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { Deadline, inTime } from '@tidings/testing';
import pg from 'pg';
import type { Store } from '../../src/store/store.ts';
import { callbackUrlOf, deletionOf, subscriptionOf } from '../support/bank-events.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { claim, fail, jtisOf, numbered, POLL, publish, register, retryAt } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());
const databases = new EmptyDatabases(server);

const PORTION = 10;
const BACKLOG = 35;
const LATER_MS = START_MS + 5000;
const RESUMED_AFTER_MS = 5000;

const endSubscription = (store: Store) => store.deleteRegistration(deletionOf(subscriptionOf('a')), LATER_MS);
const ends = {
  'a registration is deleted': { end: endSubscription, hasCallbackUrl: false },
  'an event subscription beside a callback URL is deleted': { end: endSubscription, hasCallbackUrl: true },
  'a TPP is removed': { end: (store: Store) => store.removeTpp('a', LATER_MS), hasCallbackUrl: true },
} as const;

/** Two instances, and a deletion by the first that stands still between two portions. */
async function withHeldDeletion(
  t: TestContext,
  { end, hasCallbackUrl }: (typeof ends)[keyof typeof ends],
  { backlog, ...portion }: { backlog: number; portion?: number } = {
    backlog: BACKLOG,
    portion: PORTION,
  },
) {
  const database = await databases.take();
  const { url } = database;
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  t.after(() => holder.end());
  const problems: string[] = [];
  const onProblem = (problem: string) => problems.push(problem);
  const first = await openInstance(t, url, { ...portion, onProblem });
  const clock = new FakeClock();
  const second = await openInstance(t, url, { ...portion, clock });
  // After both are closed: hooks are called in their order.
  t.after(database.release);
  await register(first, ['a', 'b']);
  if (hasCallbackUrl) await first.createRegistration(callbackUrlOf('a'), START_MS);
  const jtis = await publish(first, 'a', numbered('e', backlog));
  const [claimed] = await claim(second, { limit: 1 });
  assert.ok(claimed);
  // A row of the last portion is in use elsewhere.
  await holder.query('BEGIN');
  await holder.query('SELECT 1 FROM notification WHERE jti = $1 FOR UPDATE', [jtis.at(-1)]);
  const ending = end(first);
  const waiting = await waitingOn(holder);
  const release = () => holder.query('ROLLBACK');
  return { first, second, clock, jtis, claimed, ending, release, waiting, holder, problems };
}

/** @returns the process of the server that waits for the row */
async function waitingOn(client: pg.Client): Promise<number> {
  for (const deadline = new Deadline(); ; deadline.check(() => 'a deletion that waits for the row')) {
    const { rows } = await client.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))',
    );
    if (rows[0] !== undefined) return rows[0].pid;
  }
}

async function offered(store: Store): Promise<string[]> {
  const { notifications } = await store.poll({ ...POLL, clientId: 'a', maxEvents: 100 });
  return notifications.map(({ jti }) => jti);
}

async function assertWithdrawn(store: Store, jtis: readonly string[]): Promise<void> {
  const states = await Promise.all(jtis.map(async (jti) => (await store.notification(jti))?.state));
  assert.deepEqual([...new Set(states)], ['withdrawn']);
}

for (const [what, how] of Object.entries(ends)) {
  test(`while the backlog is withdrawn because ${what}, publishing and registering go on, and nothing of it is delivered`, async (t) => {
    const { second, jtis, claimed, ending, release } = await withHeldDeletion(t, how);
    assert.equal((await second.counts()).awaiting, BACKLOG % PORTION, 'the portions before are committed');
    await register(second, ['a']);
    const [fresh = ''] = await publish(second, 'a', ['fresh']);
    assert.deepEqual(jtisOf(await claim(second, { afterMs: 10_000 })), []);
    assert.deepEqual(await offered(second), [fresh]);
    assert.equal(await fail(second, claimed, retryAt(0)), 'overtaken');
    await release();
    assert.ok(await ending);
    await assertWithdrawn(second, jtis);
    assert.deepEqual(jtisOf(await claim(second, { afterMs: 10_000 })), [fresh]);
  });

  test(`when ${what} and the instance is cut off between two portions, another one withdraws the rest`, async (t) => {
    const { second, clock, jtis, ending, release, waiting, holder, problems } = await withHeldDeletion(t, how);
    await holder.query('SELECT pg_terminate_backend($1)', [waiting]);
    assert.ok(await ending, 'the deletion stands');
    assert.equal(problems.length, 1);
    await release();
    const [fresh = ''] = what === 'a registration is deleted' ? [] : await publish(second, 'a', ['fresh']);
    assert.deepEqual(jtisOf(await claim(second, { afterMs: 10_000 })), []);
    const isWithdrawn = new Promise<void>((resolve) => {
      second.onChange(({ offered }) => offered.has('a') && resolve());
    });
    await clock.advance(RESUMED_AFTER_MS);
    await inTime(isWithdrawn, 'the rest to be withdrawn');
    await assertWithdrawn(second, jtis);
    await register(second, ['a']);
    assert.deepEqual(jtisOf(await claim(second, { afterMs: 10_000 })), fresh === '' ? [] : [fresh]);
  });
}

test('a portion is a thousand when nothing else is said', async (t) => {
  const how = ends['a registration is deleted'];
  const { second, ending, release } = await withHeldDeletion(t, how, { backlog: 1003 });
  assert.equal((await second.counts()).awaiting, 3);
  await release();
  await ending;
  assert.equal((await second.counts()).awaiting, 0);
});

test('a backlog that is being withdrawn is not redelivered to the callback URL that is left', async (t) => {
  const how = ends['an event subscription beside a callback URL is deleted'];
  const { second, jtis, ending, release } = await withHeldDeletion(t, how);
  const audit = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };
  const options = { after: undefined, limit: 100, firstDueAtMs: START_MS, spacingMs: 0, isDryRun: false };
  assert.equal((await second.redeliver({ filter: { clientId: 'a' }, ...options, audit })).count, 0);
  await release();
  await ending;
  await assertWithdrawn(second, jtis);
});
