import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { SearchFilter, Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf, urlOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { acknowledge, claim, claimOne, fail, jtisOf, look, POLL, retryAt, targetOf } from './opened.ts';

const OUTCOMES = ['{"kind":"refused","status":503}', '{"kind":"acknowledged","status":202,"interactionIdEchoed":true}'];

interface OldRow {
  readonly id: string;
  readonly clientId?: string;
  readonly state?: 'awaiting' | 'acknowledged' | 'withdrawn';
  readonly dueAfterMs?: number;
  readonly leased?: boolean;
  readonly attempts?: number;
  readonly offerAfterMs?: number;
  readonly set?: string;
}

/** As the release with schema 2 left them; ceased ones, and those of TPPs that only poll, have nothing due. */
const OLD_ROWS: readonly OldRow[] = [
  { id: 'fresh', dueAfterMs: 0 },
  { id: 'retried', dueAfterMs: 50_000, attempts: 2 },
  { id: 'leased', dueAfterMs: 60_000, leased: true, attempts: 1 },
  { id: 'ceased', clientId: 'away', attempts: 5 },
  { id: 'polled', clientId: 'polls', offerAfterMs: 5000, set: 'header.payload.signature' },
  { id: 'acknowledged', state: 'acknowledged', attempts: 2, set: 'a.b.c' },
  { id: 'withdrawn', clientId: 'gone', state: 'withdrawn' },
];

/** Writes a store as the release with schema 2 did. */
function writeOldStore(file: string): void {
  const database = new DatabaseSync(file);
  for (const step of MIGRATIONS.slice(0, 2)) database.exec(step);
  database.exec(`PRAGMA user_version = 2; PRAGMA application_id = ${0x54_64_6e_67}`);
  const tpp = database.prepare(
    'INSERT INTO tpp (client_id, organisation_id, software_statement_id, jwks) VALUES (?, ?, ?, ?)',
  );
  for (const clientId of ['a', 'away', 'polls']) {
    tpp.run(clientId, `org-${clientId}`, `ssa-${clientId}`, JSON.stringify({ keys: [] }));
  }
  const subscription = database.prepare(
    `INSERT INTO event_subscription
       (client_id, event_subscription_id, api_version, version, callback_url, unresponsive_since_ms)
     VALUES (?, ?, 'v4.0', '4.0', ?, ?)`,
  );
  subscription.run('a', 'sub-a', urlOf('a'), null);
  subscription.run('polls', 'sub-polls', null, null);
  database
    .prepare("INSERT INTO callback_url VALUES ('away', 'cb-away', 'v3.1', '3.1', ?, ?)")
    .run(urlOf('away'), START_MS - 50);
  writeOldEvents(database);
  database.close();
}

function writeOldEvents(database: DatabaseSync): void {
  const event = database.prepare(
    `INSERT INTO event (event_id, fingerprint, client_id, published_at_ms, content, jti, none_reason)
     VALUES (?, ?, ?, ?, '{}', ?, ?)`,
  );
  event.run('none', bankEvent('a', 'none').fingerprint, 'a', START_MS, null, 'type-filtered');
  for (const row of OLD_ROWS) {
    const { id, clientId = 'a' } = row;
    event.run(id, bankEvent(clientId, id).fingerprint, clientId, START_MS, jtiOf(id), null);
    writeOldNotification(database, row);
    writeOldAttempts(database, row);
  }
  database.exec(`INSERT INTO reported_error (jti, err, description, reported_at_ms)
    VALUES ('${jtiOf('polled')}', 'jwtIss', 'unknown', ${START_MS + 3})`);
  database.exec(`INSERT INTO signing_key VALUES ('k1', '{"kid":"k1","kty":"RSA"}', NULL)`);
}

function writeOldNotification(database: DatabaseSync, row: OldRow): void {
  const { id, clientId = 'a', state = 'awaiting', attempts = 0, leased = false, set = null } = row;
  const [acknowledgedAtMs, acknowledgedBy] = state === 'acknowledged' ? [START_MS + 70, 'push'] : [null, null];
  const after = (ms: number | undefined) => (ms === undefined ? null : START_MS + ms);
  database
    .prepare(
      `INSERT INTO notification (jti, event_id, client_id, state, claims, set_jws, published_at_ms, acknowledged_at_ms,
         acknowledged_by, due_at_ms, leased, lease_token, attempts, round_attempts, round_began_at_ms, offer_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)`,
    )
    .run(
      ...[jtiOf(id), id, clientId, state, JSON.stringify(oldClaims(row)), set, START_MS],
      ...[acknowledgedAtMs, acknowledgedBy, after(row.dueAfterMs), Number(leased)],
      ...[attempts, attempts, attempts > 0 ? START_MS + 1 : null, after(row.offerAfterMs)],
    );
}

function oldClaims({ id, clientId = 'a' }: OldRow): unknown {
  const fanOut = notifyAll(bankEvent(clientId, id), undefined, undefined);
  return fanOut.kind === 'notification' ? fanOut.claims : assert.fail('every event is notified');
}

function writeOldAttempts(database: DatabaseSync, { id, clientId = 'a', state, attempts = 0 }: OldRow): void {
  const insert = database.prepare(
    `INSERT INTO attempt (jti, started_at_ms, duration_ms, interaction_id, callback_url, outcome)
     VALUES (?, ?, 5, ?, ?, ?)`,
  );
  for (let number = 0; number < attempts; number += 1) {
    const outcome = OUTCOMES[state === 'acknowledged' && number === attempts - 1 ? 1 : 0] ?? '';
    insert.run(jtiOf(id), START_MS + number, `${id}-${number}`, urlOf(clientId), outcome);
  }
}

function openOld(t: TestContext): Store {
  const folder = temporaryFolder();
  const file = join(folder.path, 'tidings.db');
  writeOldStore(file);
  const store = openSqliteStore({ file });
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  return store;
}

test('a store of schema 2 is opened with every notification, attempt, error and key that it had', async (t) => {
  const store = openOld(t);
  for (const row of OLD_ROWS) {
    const { id, state = 'awaiting', attempts = 0, set, clientId = 'a' } = row;
    const found = await look(store, jtiOf(id));
    assert.deepEqual(
      [found.eventId, found.clientId, found.state, found.set, found.publishedAtMs, found.claims],
      [id, clientId, state, set, START_MS, oldClaims(row)],
    );
    assert.deepEqual(
      found.attempts.map(({ interactionId }) => interactionId),
      Array.from({ length: attempts }, (_, number) => `${id}-${number}`),
    );
  }
  const { acknowledgedAtMs, acknowledgedBy, attempts } = await look(store, jtiOf('acknowledged'));
  assert.deepEqual([acknowledgedAtMs, acknowledgedBy], [START_MS + 70, 'push']);
  assert.deepEqual(attempts[1]?.outcome, { kind: 'acknowledged', status: 202, interactionIdEchoed: true });
  assert.deepEqual((await look(store, jtiOf('polled'))).errors, [
    { err: 'jwtIss', description: 'unknown', reportedAtMs: START_MS + 3 },
  ]);
  assert.equal((await store.signingKeys())[0]?.publicJwk.kid, 'k1');
  assert.deepEqual(await store.tpp('a'), tppOf('a'));
  assert.deepEqual(await store.subscriptionOf('a'), { ...subscriptionOf('a'), unresponsiveSinceMs: undefined });
  assert.deepEqual(await store.counts(), { awaiting: 5, unresponsive: 1 });
});

test('what was awaiting in a store of schema 2 is due as it was; what was leased is due at once', async (t) => {
  const store = openOld(t);
  const due = await claim(store);
  assert.deepEqual(
    due.map(({ jti, attempts, roundAttempts, probe }) => [jti, attempts, roundAttempts, probe]),
    [
      [jtiOf('fresh'), 0, 0, undefined],
      [jtiOf('leased'), 1, 1, undefined],
      [jtiOf('ceased'), 5, 0, 0],
    ],
  );
  assert.deepEqual(await claim(store, { afterMs: 49_999 }), []);
  const retried = await claimOne(store, 50_000);
  assert.deepEqual([retried.jti, retried.roundAttempts, retried.roundBeganAtMs], [jtiOf('retried'), 2, START_MS + 1]);
});

test('a callback URL that was unresponsive in a store of schema 2 is so still, is probed, and comes back', async (t) => {
  const store = openOld(t);
  const { unresponsiveSinceMs, probes } = await targetOf(store, 'away');
  assert.deepEqual([unresponsiveSinceMs, probes], [START_MS - 50, 0]);
  assert.equal((await store.callbackUrlOf('away'))?.unresponsiveSinceMs, START_MS - 50);
  const probe = (await claim(store)).find(({ clientId }) => clientId === 'away');
  assert.ok(probe);
  assert.equal(await acknowledge(store, probe, 10), 'came-back');
});

test('polls, repeated events and new ones go on in a store of schema 2', async (t) => {
  const store = openOld(t);
  const polled = { ...POLL, clientId: 'polls', maxEvents: 5 };
  assert.deepEqual((await store.poll(polled)).notifications, []);
  const { notifications } = await store.poll({ ...polled, nowMs: START_MS + 5000 });
  assert.deepEqual(
    notifications.map(({ jti, set }) => [jti, set]),
    [[jtiOf('polled'), 'header.payload.signature']],
  );
  const events = ['fresh', 'none', 'new'].map((id) => bankEvent('a', id));
  const result = await store.publish(events, notifyAll, START_MS);
  assert.ok(result.kind === 'published');
  assert.deepEqual(
    result.outcomes.map(({ repeated, kind }) => [repeated, kind]),
    [
      [true, 'notification'],
      [true, 'none'],
      [false, 'notification'],
    ],
  );
  const claimed = await claim(store, { roomFor: ({ clientId }) => (clientId === 'a' ? 9 : 0) });
  assert.deepEqual(jtisOf(claimed), ['fresh', 'leased', 'new'].map(jtiOf));
  const [first] = claimed;
  assert.ok(first);
  assert.equal(await fail(store, first, retryAt(100)), 'applied');
});

test('what a store of schema 2 had is found by searching, whatever became of it', async (t) => {
  const store = openOld(t);
  const found = async (filter: SearchFilter) => {
    const { notifications } = await store.search({ filter, after: undefined, limit: 50 });
    return notifications.map(({ eventId }) => eventId);
  };
  const all = OLD_ROWS.map(({ id }) => id).toReversed();
  assert.deepEqual(await found({}), all);
  assert.deepEqual(await found({ clientId: 'polls' }), ['polled']);
  assert.deepEqual(await found({ resourceId: 'payment-of-leased' }), ['leased']);
  assert.deepEqual(await found({ transactionId: jtiOf('ceased') }), ['ceased']);
  assert.deepEqual(await found({ state: 'failed' }), ['polled', 'ceased', 'leased', 'retried']);
  assert.deepEqual(await found({ state: 'awaiting', clientId: 'a' }), ['leased', 'retried', 'fresh']);
  assert.deepEqual(await found({ state: 'withdrawn' }), ['withdrawn']);
});

// In the order of publishing and with a limit: they stop as soon as they have enough.
const BOUNDED = [
  'SELECT seq, client_id, published_at_ms FROM awaiting ORDER BY seq LIMIT ?',
  'SELECT published_at_ms FROM awaiting ORDER BY seq LIMIT 1',
  "SELECT awaiting.seq, awaiting.published_at_ms, substr(set_jws, 1, instr(set_jws, '.') - 1) AS header FROM awaiting LEFT JOIN signed_set ON signed_set.seq = awaiting.seq ORDER BY awaiting.seq LIMIT ?",
];
// Once, when the store opens.
const AT_OPENING = ['SELECT client_id, count(*) AS awaiting FROM awaiting GROUP BY client_id'];

test('no statement goes through a whole table of events, notifications or attempts', (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const prepared = new Set<string>();
  const prepare = DatabaseSync.prototype.prepare;
  const plans: [string, string][] = [];
  t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, sql: string) {
    if (!/^\s*(PRAGMA|SAVEPOINT|RELEASE)/.test(sql) && !prepared.has(sql)) {
      prepared.add(sql);
      for (const row of prepare.call(this, `EXPLAIN QUERY PLAN ${sql}`).all()) plans.push([sql, String(row['detail'])]);
    }
    return prepare.call(this, sql);
  });
  const store = openSqliteStore({ file: join(folder.path, 'tidings.db') });
  t.after(() => store.close());
  assert.ok(prepared.size > 30, `${prepared.size} statements were looked at`);
  const normal = (sql: string) => sql.replaceAll(/\s+/g, ' ').trim();
  const scans = plans.filter(([sql, detail]) => {
    if ([...BOUNDED, ...AT_OPENING].includes(normal(sql))) return false;
    return /^SCAN (event|search|awaiting|settled|attempt|reported_error|signed_set|activity|statistics)\b|TEMP B-TREE/.test(
      detail,
    );
  });
  assert.deepEqual(scans, []);
  const sorted = plans.filter(([sql, detail]) => BOUNDED.includes(normal(sql)) && /TEMP B-TREE/.test(detail));
  assert.deepEqual(sorted, []);
  const ofClient = plans.filter(([sql, detail]) => /settled WHERE client_id = /.test(sql) && /settled/.test(detail));
  assert.deepEqual(
    ofClient.map(([, detail]) => detail),
    ['SEARCH settled USING INDEX settled_of_client (client_id=? AND rowid>?)'],
    'redelivery of one TPP leaves the history of others alone',
  );
});

const DAY_MS = 86_400_000;

test('nothing in the audit can be changed, replaced or deleted, whoever tries, but for what TPPs did 30 days ago', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, 'tidings.db');
  const store = openSqliteStore({ file });
  for (const subject of ['a', 'b']) {
    await store.audit({ atMs: START_MS, actor: 'ops', action: 'tpp-removed', subject, detail: {} });
  }
  const own = { actor: 'tpp:a', authenticatedBy: 'access-token', action: 'callback-url-deleted', detail: {} } as const;
  for (const [subject, atMs] of [
    ['old', START_MS - 400 * DAY_MS],
    ['young', Date.now() - 29 * DAY_MS],
  ] as const) {
    await store.audit({ ...own, subject, atMs });
  }
  const kept = await store.auditEntries(undefined, 10);
  await store.close();
  const database = new DatabaseSync(file);
  for (const sql of [
    `UPDATE audit SET actor = 'somebody'`,
    'DELETE FROM audit',
    'DELETE FROM audit WHERE id = 1',
    `DELETE FROM audit WHERE subject = 'young'`,
    `UPDATE audit SET authenticated_by = 'access-token', at_ms = 0`,
    `UPDATE audit SET detail = '' WHERE subject = 'old'`,
    `INSERT OR REPLACE INTO audit (id, at_ms, actor, action, subject, detail) VALUES (1, 0, 'x', 'x', 'x', '{}')`,
  ]) {
    assert.throws(() => database.exec(sql), /the audit is only added to/);
  }
  for (const column of ['actor', 'action', 'subject']) {
    const plan = database.prepare(
      `EXPLAIN QUERY PLAN SELECT * FROM audit WHERE id < 9 AND ${column} = 'x' ORDER BY id DESC LIMIT 9`,
    );
    const details = plan.all().map(({ detail }) => String(detail));
    assert.deepEqual([details.length, details[0]?.includes(`audit_of_${column}`)], [1, true], details.join());
  }
  database.close();
  const reopened = openSqliteStore({ file });
  assert.deepEqual(await reopened.auditEntries(undefined, 10), kept);
  await reopened.close();
  const again = new DatabaseSync(file);
  assert.equal(again.prepare(`DELETE FROM audit WHERE subject = 'old'`).run().changes, 1);
  again.close();
});
