import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import type { ChangeResult } from '../../model/registration.ts';
import type { AlertStore } from '../alerts.ts';
import type { Delivery } from '../delivery.ts';
import type { ErasureStore } from '../erasure.ts';
import type { ActivityStore, CallbackHealthStore, InstanceStore, Operations, SigningKeyStore } from '../operations.ts';
import type { Registry } from '../registry.ts';
import { text, whole } from '../rows.ts';
import { walkPage } from '../search.ts';
import { changedTargets, NOBODY, newlyNotified } from '../shared.ts';
import { type Store, type StoreChange, StoreError } from '../store.ts';
import { ActivityTables } from './activity.ts';
import { AlertTables } from './alerts.ts';
import { AttemptTables, RecentAttemptTable } from './attempts.ts';
import { AuditTable } from './audit.ts';
import { EndingWaits, finishWithdrawing, Portions, WithdrawingTable } from './backlogs.ts';
import { BulkTables } from './bulk.ts';
import { Clients } from './claim-queue.ts';
import { Claims } from './claims.ts';
import { ErasureTables } from './erasure.ts';
import { InstanceTable } from './instances.ts';
import { openDatabase } from './open.ts';
import { PollTables } from './polls.ts';
import { EventTables } from './publish.ts';
import { Reads } from './reads.ts';
import { RegistrationTables } from './registrations.ts';
import { Retargeting } from './retargeting.ts';
import { RetentionTables } from './retention.ts';
import { SearchTables } from './search.ts';
import { SearchIndex } from './search-index.ts';
import { AwaitingTable } from './settle.ts';
import { SigningKeyTable } from './signing-keys.ts';
import { TargetTable } from './targets.ts';
import { asStoreError, backUpDatabase, openWal, UndoLog, type Wal, WriteQueue } from './write-queue.ts';

/** The store in a file, and what only such a store can do. */
export interface SqliteStore extends Store {
  /** As {@link backUpDatabase}: copies the store into a new file while it is in use. */
  backUp(file: string, signal: AbortSignal): Promise<void>;
}

export interface SqliteStoreOptions {
  readonly file: string;
  /** How much of a backlog one transaction works on; default 1000. */
  readonly portion?: number;
}

// A portion blocks the main thread for a few milliseconds.
const PORTION = 1000;

/**
 * Opens the embedded store: one file, one process, durable at every commit. Notifications that were under way when the
 * last process ended are due at once.
 *
 * @throws {StartUpError} when the file cannot be used
 */
export function openSqliteStore({ file, portion = PORTION }: SqliteStoreOptions): SqliteStore {
  const database = openDatabase(file);
  const undo = new UndoLog();
  const tables = createTables(database, undo, portion);
  const wal = openWal(file);
  const writes = new WriteQueue(database, undo, wal);
  const listeners = new Set<(change: StoreChange) => void>();
  const announce = (change: StoreChange) => {
    if (change.offered.size + change.retargeted.size > 0) for (const listener of listeners) listener(change);
  };
  const withdrawer = new Portions(tables.withdrawing, writes, portion);
  const waitsEnder = new Portions(tables.endingWaits, writes, portion, (clientId) =>
    announce({ offered: new Set([clientId]), retargeted: NOBODY }),
  );
  return createStore({ ...tables, withdrawer, waitsEnder, listeners, announce }, writes, wal);
}

type Announce = (change: StoreChange) => void;
type Tables = ReturnType<typeof createTables> & {
  readonly withdrawer: Portions;
  readonly waitsEnder: Portions;
  readonly listeners: Set<Announce>;
  readonly announce: Announce;
};

function createTables(database: DatabaseSync, undo: UndoLog, portion: number) {
  const clients = loadClients(database, undo);
  const states = new TargetTable(database, undo);
  const registrations = new RegistrationTables(database, states, undo);
  const awaiting = new AwaitingTable(database, clients);
  const audit = new AuditTable(database);
  const searchIndex = new SearchIndex(database, undo);
  const endingWaits = new EndingWaits(database, { awaiting, clients, undo }, portion);
  const withdrawing = new WithdrawingTable(database, { awaiting, clients, endingWaits });
  const common = { clients, states, registrations, awaiting, audit, searchIndex, withdrawing, endingWaits };
  const retargeting = new Retargeting(common);
  const reads = new Reads(database, clients, registrations);
  const retention = new RetentionTables(database, common);
  return {
    database,
    clients,
    registrations,
    audit,
    retargeting,
    searchIndex,
    undo,
    withdrawing,
    endingWaits,
    events: new EventTables(database, common),
    claims: new Claims(database, clients, registrations, states),
    attempts: new AttemptTables(database, { ...common, retargeting }),
    polls: new PollTables(database, clients, awaiting),
    bulk: new BulkTables(database, common),
    retention,
    erasure: new ErasureTables(database, { ...common, reads, retention }),
    searches: new SearchTables(database, common),
    reads,
    signingKeys: new SigningKeyTable(database, audit),
    recentAttempts: new RecentAttemptTable(database),
    activity: new ActivityTables(database),
    alerts: new AlertTables(database),
    instances: new InstanceTable(database),
  };
}

/** Counts what is awaiting, once: from here on it is counted in memory. */
function loadClients(database: DatabaseSync, undo: UndoLog): Clients {
  const opening = database.prepare('UPDATE opening SET number = number + 1 RETURNING number').get();
  assert(opening !== undefined, 'the schema has one row');
  finishWithdrawing(database);
  const clients = new Clients(undo, whole(opening, 'number'));
  const counts = database.prepare('SELECT client_id, count(*) AS awaiting FROM awaiting GROUP BY client_id').all();
  for (const row of counts) clients.count(clients.get(text(row, 'client_id')), whole(row, 'awaiting'));
  undo.clear();
  undo.onRollBack(() => clients.resetAllQueues());
  return clients;
}

function createStore(tables: Tables, writes: WriteQueue, wal: Wal): SqliteStore {
  const { database, listeners } = tables;
  return {
    ...createRegistry(tables, writes),
    ...createDelivery(tables, writes),
    ...createOperations(tables, writes),
    ...createActivityStore(tables, writes),
    ...createAlertStore(tables, writes),
    ...createInstanceStore(tables, writes),
    ...createErasureStore(tables, writes),
    poll: (poll) =>
      writes.run(() => tables.polls.poll(poll), poll.acknowledged.length + poll.errors.length + poll.maxEvents),
    nextOfferAtMs: (clientId) => read(() => tables.polls.nextOfferAtMs(clientId)),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...createSigningKeyStore(tables, writes),
    ...createCallbackHealthStore(tables, writes),
    oldestAwaitingAtMs: () => read(() => tables.reads.oldestAwaitingAtMs()),
    notification: (jti) => read(() => tables.reads.notification(jti)),
    search: (search) =>
      walkPage(search, (after, count) => read(() => tables.searches.portion(search.filter, after, count))),
    withdraw: (withdrawal) => writes.run(() => tables.bulk.withdraw(withdrawal)),
    check: () => writes.run(() => database.exec('UPDATE opening SET number = number')),
    connections: () => undefined,
    backUp: (file, signal) => backUpDatabase(database, writes, file, signal),
    close: async () => {
      tables.withdrawer.stop();
      tables.waitsEnder.stop();
      await writes.end();
      await wal.close();
      database.close();
    },
  };
}

/** TPPs and their registrations. */
function createRegistry(tables: Tables, writes: WriteQueue): Registry {
  const { registrations, retargeting, announce } = tables;
  /** Runs a change of one TPP, and announces it if there was one. */
  const change = async <T>(clientId: string, work: () => T, isChange: (result: T) => boolean): Promise<T> => {
    const result = await writes.run(work);
    if (isChange(result)) announce({ offered: NOBODY, retargeted: new Set([clientId]) });
    tables.waitsEnder.resume();
    return result;
  };
  const isChanged = (result: 'created' | 'exists' | ChangeResult) => result === 'created' || result === 'changed';
  /** Notifications published since the deletion may be claimed then. */
  const withdrawBacklog = async (clientId: string) => {
    await tables.withdrawer.finish(clientId);
    if (tables.clients.awaitingOf(clientId) > 0) announce({ offered: new Set([clientId]), retargeted: NOBODY });
  };
  return {
    putTpp: async (tpp, _nowMs, audit) => {
      await change(
        tpp.clientId,
        () => retargeting.putTpp(tpp, audit),
        (affects) => affects,
      );
    },
    tpp: (clientId) => read(() => registrations.tpp(clientId)),
    tpps: (after, limit) => read(() => registrations.tpps(after, limit)),
    removeTpp: async (clientId, nowMs, audit) => {
      const work = () => retargeting.removeTpp(clientId, nowMs, audit);
      const isRemoved = await change(clientId, work, (removed) => removed);
      await withdrawBacklog(clientId);
      return isRemoved;
    },
    createRegistration: (registration, nowMs, audit) =>
      change(registration.clientId, () => retargeting.createRegistration(registration, nowMs, audit), isChanged),
    registrationsOf: (clientId) => read(() => registrations.registrationsOf(clientId)),
    replaceRegistration: (registration, nowMs, audit) =>
      change(registration.clientId, () => retargeting.replaceRegistration(registration, nowMs, audit), isChanged),
    deleteRegistration: async (registration, nowMs, audit) => {
      const work = () => retargeting.deleteRegistration(registration, nowMs, audit);
      const result = await change(registration.clientId, work, isChanged);
      if (result === 'changed') await withdrawBacklog(registration.clientId);
      return result;
    },
  };
}

/** Publishing, claiming, recording. */
function createDelivery(tables: Tables, writes: WriteQueue): Delivery {
  const { events, claims, attempts, searchIndex, announce } = tables;
  return {
    publish: async (batch, decide, nowMs, reservation) => {
      const result = await writes.run(() => events.publish(batch, decide, nowMs, reservation), batch.length);
      // Nobody waits for it; what fails is made up for after the next publishing.
      if (searchIndex.isDue) writes.run(() => searchIndex.write()).catch(() => undefined);
      announce({ offered: newlyNotified(batch, result), retargeted: NOBODY });
      return result;
    },
    // No transaction is open between two turns of the event loop, and claiming writes nothing.
    claimDue: async (options) => {
      tables.withdrawer.resume();
      tables.waitsEnder.resume();
      const claim = await read(() => inMemory(tables, () => claims.claimDue(options)));
      await writes.synced();
      return claim;
    },
    keepSets: (sets) => writes.run(() => attempts.keepSets(sets), sets.length),
    recordAttempts: async (records, nowMs) => {
      const recorded = await writes.run(() => attempts.record(records, nowMs), records.length);
      announce({ offered: NOBODY, retargeted: changedTargets(records, recorded.results) });
      tables.waitsEnder.resume();
      return recorded;
    },
    release: (claimed, nowMs) => read(() => inMemory(tables, () => claims.release(claimed, nowMs))),
  };
}

/** Operations of operators and of the service's own housekeeping. */
function createOperations(tables: Tables, writes: WriteQueue): Operations {
  const { clients, registrations, retargeting, bulk, retention, audit, announce } = tables;
  return {
    target: (clientId) => read(() => registrations.targetOf(clientId)),
    targets: (after, limit, only) => read(() => registrations.targets(after, limit, only)),
    recover: async (clientId, how, nowMs, entry) => {
      const isDone = await writes.run(() => retargeting.recover(clientId, how, nowMs, entry));
      if (isDone) announce({ offered: NOBODY, retargeted: new Set([clientId]) });
      tables.waitsEnder.resume();
      return isDone;
    },
    redeliver: async (redelivery) => {
      const { result, clientIds } = await writes.run(() => bulk.redeliver(redelivery));
      announce({ offered: clientIds, retargeted: NOBODY });
      return result;
    },
    expireAwaiting: (publishedBeforeMs, limit, nowMs) =>
      writes.run(() => retention.expire(publishedBeforeMs, limit, nowMs)),
    dropHistory: (what) => writes.run(() => retention.drop(what)),
    counts: async () => ({ awaiting: clients.awaiting }),
    audit: (entry) => writes.run(() => audit.add(entry)),
    auditEntries: (before, limit, filter) => read(() => audit.list(before, limit, filter)),
    archivableAudit: (beforeMs, after, limit) => read(() => audit.archivable(beforeMs, after, limit)),
    dropAudit: (drop) => writes.run(() => audit.drop(drop)),
  };
}

/** Our own signing keys. */
function createSigningKeyStore({ signingKeys }: Tables, writes: WriteQueue): SigningKeyStore {
  return {
    useSigningKey: (publicJwk, nowMs) => writes.run(() => signingKeys.use(publicJwk, nowMs)),
    announceSigningKey: (publicJwk, nowMs) => writes.run(() => signingKeys.announce(publicJwk, nowMs)),
    rotateSigningKey: (kid, nowMs, audit) => writes.run(() => signingKeys.rotate(kid, nowMs, audit)),
    withdrawSigningKey: (kid, nowMs, audit) => writes.run(() => signingKeys.withdraw(kid, nowMs, audit)),
    noteSigningKeyUsed: (kid, nowMs) => writes.run(() => signingKeys.noteUsed(kid, nowMs)),
    signingKeys: () => read(() => signingKeys.all()),
    signingKeyUses: (limit) => read(() => signingKeys.uses(limit)),
  };
}

/** Registrations of all TPPs, and the health of their callback URLs. */
function createCallbackHealthStore(
  { reads, registrations, recentAttempts }: Tables,
  writes: WriteQueue,
): CallbackHealthStore {
  return {
    registrations: (after, limit) => read(() => registrations.registrations(after, limit)),
    backlogsOf: (clientIds) => read(() => new Map(clientIds.map((clientId) => [clientId, reads.backlogOf(clientId)]))),
    oldestAwaiting: (limit) => read(() => reads.oldestAwaiting(limit)),
    deliveryStates: () => read(() => registrations.deliveryStates()),
    troubledTargets: (limit) => read(() => reads.troubledTargets(limit)),
    keepRecentAttempts: (recent, nowMs) => writes.run(() => recentAttempts.keep(recent, nowMs)),
    recentAttempts: (clientIds) => read(() => recentAttempts.of(clientIds)),
  };
}

/** The activity log and the statistics. */
function createActivityStore({ activity }: Tables, writes: WriteQueue): ActivityStore {
  return {
    appendActivity: (appended) => writes.run(() => activity.append(appended)),
    activityAfter: async (id, limit) => {
      const rows = await read(() => activity.after(id, limit));
      // Nobody is shown an id that a power cut could take back, and which would then be given to something else.
      await writes.synced();
      return rows;
    },
    activityBounds: (sinceMs) => read(() => activity.bounds(sinceMs)),
    putStatistics: (buckets) => writes.run(() => activity.put(buckets)),
    statistics: (query) => read(() => activity.statistics(query)),
    dropWatched: (retention) => writes.run(() => activity.drop(retention)),
  };
}

/** Alerts, and the messages about them. */
function createAlertStore({ alerts }: Tables, writes: WriteQueue): AlertStore {
  return {
    leaseAlerts: (holder, nowMs, untilMs) => writes.run(() => alerts.lease(holder, nowMs, untilMs)),
    reportAlerts: (report, nowMs) => writes.run(() => alerts.report(report, nowMs)),
    alerts: (query) => read(() => alerts.list(query)),
    claimAlertMessages: (claim) => writes.run(() => alerts.claim(claim)),
    recordAlertSending: (sending) => writes.run(() => alerts.record(sending)),
    unsentAlertMessages: () => read(() => alerts.unsent()),
    dropAlerts: (clearedBeforeMs, limit) => writes.run(() => alerts.drop(clearedBeforeMs, limit)),
  };
}

/** The instances of the service. */
function createInstanceStore({ instances }: Tables, writes: WriteQueue): InstanceStore {
  return {
    instanceSeen: (instance) => writes.run(() => instances.seen(instance)),
    instanceEnded: (id) => writes.run(() => instances.ended(id)),
    instances: () => read(() => instances.all()),
  };
}

/** Erasure of what notifications said. */
function createErasureStore({ erasure }: Tables, writes: WriteQueue): ErasureStore {
  return {
    erase: (portion) => writes.run(() => erasure.erase(portion)),
    erasedNotification: (jti) => read(() => erasure.get(jti)),
    erasedNotifications: (clientId, after, limit) => read(() => erasure.ofClient(clientId, after, limit)),
  };
}

/** Changes what is kept in memory only; all of it or nothing. */
function inMemory<T>({ database, undo }: Tables, work: () => T): T {
  if (!database.isOpen) throw new StoreError('the store is closed');
  try {
    const result = work();
    undo.clear();
    return result;
  } catch (error) {
    undo.rollBack();
    throw error;
  }
}

/** Reads see what is committed: no transaction is ever open between two turns of the event loop. */
async function read<T>(work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    throw asStoreError(error);
  }
}
