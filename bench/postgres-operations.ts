/**
 * What the operations of the PostgreSQL store cost, one by one: `node bench/postgres-operations.ts [notifications]`.
 * Wall and CPU time per notification, of this process and of the server, and bytes of write-ahead log.
 */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { systemClock } from '../packages/service/src/base/clock.ts';
import { openPostgresStore } from '../packages/service/src/store/postgres/open.ts';
import type { AttemptRecord, ClaimedNotification } from '../packages/service/src/store/store.ts';
import { bankEvent, notifyAll, subscriptionOf, tppOf } from '../packages/service/test/support/bank-events.ts';
import { startPostgres } from '../test/support/postgres-server.ts';
import { cpuMsOfFamily } from './processes.ts';

const count = Number(process.argv[2] ?? 20_000);
const TPPS = 50;
const LEASE_MS = 600_000;
const server = await startPostgres();
const { store, clock } = await openPostgresStore({
  ...{
    url: server.url,
    password: undefined,
    ca: undefined,
    connectionsMax: 10,
    statementTimeoutMs: 10_000,
    isPooled: false,
  },
  ...{ clock: systemClock, isListening: true, lookMs: 1000, isMigratedAtStart: true, onProblem: console.error },
});
const clientIds = Array.from({ length: TPPS }, () => `tpp-${randomUUID()}`);
for (const clientId of clientIds) {
  await store.putTpp(tppOf(clientId), clock.nowMs());
  await store.createSubscription(subscriptionOf(clientId, { eventSubscriptionId: randomUUID() }), clock.nowMs());
}

const walBytes = async () =>
  Number((await server.run("SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes"))[0]?.['bytes']);
const transactions = async () =>
  Number((await server.run("SELECT xact_commit AS n FROM pg_stat_database WHERE datname = 'tidings'"))[0]?.['n']);

async function measure(name: string, each: number, work: () => Promise<void>): Promise<void> {
  await server.run('CHECKPOINT');
  const before = {
    wal: await walBytes(),
    server: cpuMsOfFamily(server.pid),
    own: process.cpuUsage(),
    at: performance.now(),
    n: await transactions(),
  };
  await work();
  const wall = performance.now() - before.at;
  const own = process.cpuUsage(before.own);
  const serverMs = cpuMsOfFamily(server.pid) - before.server;
  const wal = (await walBytes()) - before.wal;
  console.log(
    name.padEnd(34),
    `wall ${((wall * 1000) / each).toFixed(1)} us`.padEnd(18),
    `own CPU ${((own.user + own.system) / each).toFixed(1)} us`.padEnd(20),
    `server CPU ${((serverMs * 1000) / each).toFixed(1)} us`.padEnd(24),
    `WAL ${(wal / each).toFixed(0)} B`,
  );
}

function inBatches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

let claimed: ClaimedNotification[] = [];
let made = 0;
const publishAll = async (size: number, isHandedOver: boolean) => {
  const ids = Array.from({ length: count }, () => randomUUID());
  for (const batch of inBatches(ids, size)) {
    const events = batch.map((id) => bankEvent(clientIds[made++ % TPPS] ?? '', id));
    const handOver = { leaseMs: LEASE_MS, limit: 100_000, roomFor: () => 100_000 };
    const result = await store.publish(events, notifyAll, clock.nowMs(), isHandedOver ? handOver : undefined);
    if (result.kind === 'published') claimed.push(...result.claimed);
  }
};
const SET = 'e'.repeat(1300);
const keepAll = async (size: number) => {
  for (const batch of inBatches(claimed, size)) await store.keepSets(batch.map(({ jti }) => ({ jti, set: SET })));
};
const recordAll = async (size: number, kind: 'acknowledged' | 'retry') => {
  const outcome = { kind: 'acknowledged', status: 202, interactionIdEchoed: true } as const;
  for (const batch of inBatches(claimed, size)) {
    const records = batch.map((one): AttemptRecord => {
      const attempt = {
        startedAtMs: clock.nowMs(),
        durationMs: 5,
        interactionId: randomUUID(),
        callbackUrl: one.callbackUrl,
        outcome,
      };
      return { claimed: one, attempt, next: kind === 'retry' ? { kind, atMs: clock.nowMs() } : { kind } };
    });
    await store.recordAttempts(records, clock.nowMs());
  }
};
const claimAll = async (size: number) => {
  claimed = [];
  for (;;) {
    const claim = await store.claimDue({
      nowMs: clock.nowMs() + 1000,
      leaseMs: LEASE_MS,
      limit: size,
      roomFor: () => size,
    });
    if (claim.claimed.length === 0) return;
    claimed.push(...claim.claimed);
  }
};

for (const size of [1000, 100]) {
  claimed = [];
  console.log(`batches of ${size}`);
  await measure('publish, handed over', count, () => publishAll(size, true));
  await measure('keepSets', count, () => keepAll(Math.min(size, 256)));
  await measure('recordAttempts, acknowledged', count, () => recordAll(Math.min(size, 256), 'acknowledged'));
  await measure('publish', count, () => publishAll(size, false));
  await measure('claimDue', count, () => claimAll(size));
  await measure('recordAttempts, to retry', count, () => recordAll(Math.min(size, 256), 'retry'));
  await measure('claimDue of retries', count, () => claimAll(size));
  await measure('recordAttempts, acknowledged', count, () => recordAll(Math.min(size, 256), 'acknowledged'));
}
clock.stop();
await store.close();
await server.stop();
