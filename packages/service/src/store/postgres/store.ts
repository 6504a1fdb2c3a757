import { once, startInterval } from '../../base/async.ts';
import type { Clock } from '../../base/clock.ts';
import type { ChangeResult } from '../../model/registration.ts';
import type { Delivery } from '../delivery.ts';
import type { Operations } from '../operations.ts';
import type { Registry } from '../registry.ts';
import { walkPage } from '../search.ts';
import { changedTargets, newlyNotified } from '../shared.ts';
import type { Store } from '../store.ts';
import { createActivityStore } from './activity.ts';
import { createAlertStore } from './alerts.ts';
import { keepRecentAttempts, recentAttempts, recordAttempts, release } from './attempts.ts';
import { addAudit, archivableAudit, auditEntries, dropAudit } from './audit.ts';
import { END_SOME_WAITS, Portions, WITHDRAW_SOME } from './backlogs.ts';
import { redeliver, withdraw } from './bulk.ts';
import { ChangePoller, Changes, isAlone, listenerName, listenTo } from './changes.ts';
import { Claims } from './claims.ts';
import { type ConnectionOptions, clientConfig } from './connection.ts';
import { keepSets } from './content.ts';
import { type Database, type Queryable, storable } from './database.ts';
import { createErasureStore } from './erasure.ts';
import { createInstanceStore } from './instances.ts';
import { makePartitionsAhead, unlessBusy } from './partitions.ts';
import { nextOfferAtMs, poll } from './polls.ts';
import { EventTypes, Publishing } from './publish.ts';
import { backlogsOf, countsOf, deliveryStates, findNotification, oldestAwaiting, oldestAwaitingAtMs } from './reads.ts';
import { findRegistrations, findTpp, listRegistrations, listTpps } from './registrations.ts';
import { Retargeting } from './retargeting.ts';
import { expireAwaiting, RetentionSweep } from './retention.ts';
import { searchPortion } from './search.ts';
import type { Servers } from './servers.ts';
import { createSigningKeyStore } from './signing-keys.ts';
import { findTarget, listTargets, listTroubledTargets } from './targets.ts';

/** Dependencies of a store on an open database. */
export interface PostgresStoreDependencies extends ConnectionOptions {
  readonly servers: Servers;
  readonly clock: Clock;
  readonly instance: string;
  readonly isListening: boolean;
  readonly pollMs: number;
  readonly onProblem: (problem: string, error: unknown) => void;
  /** How much of a backlog one transaction works on; default 1000. */
  readonly portion?: number;
}

/** The store in PostgreSQL. */
export type PostgresStore = Store;

const CHANNEL = 'tidings';
// Partitions are made for days ahead, so that one attempt in some hours is plenty.
const PARTITIONS_EVERY_MS = 21_600_000;
// Publishing and claiming continue meanwhile.
const PORTION = 1000;
// When an instance ends within work on a backlog, nothing is claimed for its TPP, or its retries wait, for so long.
const RESUME_PORTIONS_EVERY_MS = 5000;

/** Makes the store on a database whose schema is good. Closing it closes the database. */
export function createPostgresStore(database: Database, dependencies: PostgresStoreDependencies): PostgresStore {
  const { clock, instance, isListening } = dependencies;
  const send = async (payload: string) => {
    // Polling finds what is lost with it: the disk need not be waited for.
    await database.query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)", [CHANNEL, payload]);
  };
  const changes = new Changes({ clock, instance, send: isListening ? send : undefined });
  const eventTypes = new EventTypes();
  const portion = dependencies.portion ?? PORTION;
  const backlogs = createBacklogs(database, portion, changes);
  const stop = watch(database, dependencies, { changes, backlogs });
  const { onProblem } = dependencies;
  const common = { changes, retargeting: new Retargeting(database, portion), backlogs, onProblem, portion };
  const queryable: Queryable = { query: (statement, values) => database.queryByKey(statement, values) };
  return {
    ...createRegistry(queryable, common),
    ...createDelivery(database, eventTypes, common),
    ...createOperations(database, queryable, { ...common, clock }),
    ...createActivityStore(database),
    ...createAlertStore(database),
    poll: (asks) => poll(database, asks),
    nextOfferAtMs: (clientId) => nextOfferAtMs(queryable, clientId),
    onChange: (listener) => changes.listen(listener),
    ...createSigningKeyStore(database),
    ...createInstanceStore(database),
    ...createErasureStore(database),
    registrations: (after, limit) => listRegistrations(database, queryable, after, limit),
    backlogsOf: (clientIds, countMax) => backlogsOf(database, clientIds, countMax),
    oldestAwaiting: (limit) => oldestAwaiting(database, limit),
    deliveryStates: () => deliveryStates(database),
    troubledTargets: (limit, countMax) => listTroubledTargets(queryable, limit, countMax),
    keepRecentAttempts: (recent, nowMs) => keepRecentAttempts(database, recent, nowMs),
    recentAttempts: (clientIds) => recentAttempts(database, clientIds),
    oldestAwaitingAtMs: () => oldestAwaitingAtMs(database),
    notification: (jti) => findNotification(database, jti),
    search: (search) => walkPage(search, (after, count) => searchPortion(database, search.filter, after, count)),
    withdraw: (withdrawal) => withdraw(database, withdrawal),
    check: async () => {
      // A server that only reads refuses the statement, though it finds nothing; the number makes the commit be written.
      await database.query(
        'WITH none AS (DELETE FROM target WHERE client_id IS NULL RETURNING 1) SELECT pg_current_xact_id()::text, (SELECT count(*) FROM none)',
      );
    },
    connections: () => database.connections(),
    close: once(async () => {
      changes.stop();
      for (const portions of Object.values(backlogs)) portions.stop();
      await stop();
      await database.close();
    }),
  };
}

const WITHDRAWING_FAILED = 'withdrawing the backlog of a deleted registration failed';
const ENDING_WAITS_FAILED = 'ending the waits of retries failed';

/** Work on backlogs in portions. */
interface Backlogs {
  readonly withdrawing: Portions;
  readonly endingWaits: Portions;
}

function createBacklogs(database: Database, portion: number, changes: Changes): Backlogs {
  const offer = (clientId: string) => changes.announce({ offered: new Set([clientId]) });
  return {
    withdrawing: new Portions(database, portion, {
      table: 'withdrawing',
      statement: WITHDRAW_SOME,
      // Later notifications may be claimed now.
      onDone: (clientId, left) => (left === 'all' ? offer(clientId) : undefined),
    }),
    endingWaits: new Portions(database, portion, { table: 'ending_waits', statement: END_SOME_WAITS, onDone: offer }),
  };
}

/** Starts to follow other instances, and to make partitions in time. @returns stops that */
function watch(
  database: Database,
  dependencies: PostgresStoreDependencies,
  { changes, backlogs }: { readonly changes: Changes; readonly backlogs: Backlogs },
): () => Promise<void> {
  const { clock, instance, pollMs, onProblem } = dependencies;
  const poller = new ChangePoller(database);
  const poll = async () => {
    if (dependencies.isListening) await changes.noteAlone(() => isAlone(database, instance));
    changes.relay(await poller.poll());
  };
  const stops = [
    startInterval(clock, {
      everyMs: pollMs,
      work: poll,
      onError: (error) => onProblem('polling for changes failed', error),
    }),
    startInterval(clock, {
      everyMs: PARTITIONS_EVERY_MS,
      work: () => unlessBusy(() => makePartitionsAhead(database, clock.nowMs()), undefined),
      onError: (error) => onProblem('making partitions failed', error),
    }),
    ...resuming(clock, backlogs, onProblem),
  ];
  const stopListening = dependencies.isListening
    ? listenTo({
        config: { ...clientConfig(dependencies, dependencies.servers), application_name: listenerName(instance) },
        channel: CHANNEL,
        clock,
        onMessage: (payload) => {
          if (changes.receive(payload)) poll().catch(() => undefined);
        },
        onListening: () => {
          changes.greet();
          poll().catch(() => undefined);
        },
        onError: (error) => onProblem('listening to other instances failed', error),
      })
    : undefined;
  return async () => {
    for (const stop of stops) void stop();
    await stopListening?.();
  };
}

/** Continues, at once and at intervals, the work on backlogs that another instance left. @returns what stops it */
function resuming(clock: Clock, backlogs: Backlogs, onProblem: PostgresStoreDependencies['onProblem']) {
  const works = [
    [backlogs.withdrawing, WITHDRAWING_FAILED],
    [backlogs.endingWaits, ENDING_WAITS_FAILED],
  ] as const;
  return works.map(([portions, problem]) =>
    startInterval(clock, {
      everyMs: RESUME_PORTIONS_EVERY_MS,
      isImmediate: true,
      work: () => portions.resume(),
      onError: (error) => onProblem(problem, error),
    }),
  );
}

/** Dependencies of changes, and of announcing them. */
interface Common {
  readonly changes: Changes;
  readonly retargeting: Retargeting;
  readonly backlogs: Backlogs;
  readonly onProblem: PostgresStoreDependencies['onProblem'];
  readonly portion: number;
}

/** Announces changed targets, and continues in the background to end the waits of their retries. */
function announceRetargeted({ changes, backlogs, onProblem }: Common, clientIds: ReadonlySet<string>): void {
  changes.announce({ retargeted: clientIds });
  for (const clientId of clientIds) {
    backlogs.endingWaits.finish(clientId).catch((error: unknown) => onProblem(ENDING_WAITS_FAILED, error));
  }
}

/** TPPs and their registrations. */
function createRegistry(queryable: Queryable, common: Common): Registry {
  const { retargeting, backlogs, onProblem } = common;
  /** Announces a change of one TPP, if there was one. */
  const change = async <T extends boolean | 'created' | 'exists' | ChangeResult>(
    clientId: string,
    work: Promise<T>,
  ): Promise<T> => {
    const result = await work;
    const isChange = result === true || result === 'created' || result === 'changed';
    if (isChange) announceRetargeted(common, new Set([storable(clientId)]));
    return result;
  };
  /** A deletion, and then the withdrawal of its backlog. Once the deletion is committed, a failure is only retried later. */
  const end = async <T extends boolean | ChangeResult>(clientId: string, work: Promise<T>): Promise<T> => {
    const result = await change(clientId, work);
    await backlogs.withdrawing
      .finish(storable(clientId))
      .catch((error: unknown) => onProblem(WITHDRAWING_FAILED, error));
    return result;
  };
  return {
    putTpp: async (tpp, nowMs, audit) => {
      await change(tpp.clientId, retargeting.putTpp(tpp, nowMs, audit));
    },
    tpp: (clientId) => findTpp(queryable, clientId),
    tpps: (after, limit) => listTpps(queryable, after, limit),
    removeTpp: (clientId, nowMs, audit) => end(clientId, retargeting.removeTpp(clientId, nowMs, audit)),
    createRegistration: (registration, nowMs, audit) =>
      change(registration.clientId, retargeting.createRegistration(registration, nowMs, audit)),
    registrationsOf: (clientId) => findRegistrations(queryable, clientId),
    replaceRegistration: (registration, nowMs, audit) =>
      change(registration.clientId, retargeting.replaceRegistration(registration, nowMs, audit)),
    deleteRegistration: (registration, nowMs, audit) =>
      end(registration.clientId, retargeting.deleteRegistration(registration, nowMs, audit)),
  };
}

/** Publishing, claiming, recording. */
function createDelivery(database: Database, eventTypes: EventTypes, common: Common): Delivery {
  const { changes, portion } = common;
  const claims = new Claims(database);
  const publishing = new Publishing(database, eventTypes);
  changes.listen(({ retargeted }) => publishing.forget(retargeted));
  return {
    publish: async (events, decide, nowMs, reservation) => {
      const result = await publishing.publish({ events, decide, nowMs, reservation });
      changes.announce({ offered: newlyNotified(events, result) });
      return result;
    },
    claimDue: (options) => claims.claimDue(options),
    keepSets: (sets) => keepSets(database, sets),
    recordAttempts: async (records, nowMs) => {
      const recorded = await recordAttempts(database, records, nowMs, portion);
      announceRetargeted(common, changedTargets(records, recorded.results));
      return recorded;
    },
    release: (claimed, nowMs) => release(database, claimed, nowMs),
  };
}

/** Operations of operators and of the service's own housekeeping. */
function createOperations(
  database: Database,
  queryable: Queryable,
  { clock, ...common }: Common & { readonly clock: Clock },
): Operations {
  const { changes, retargeting } = common;
  const sweep = new RetentionSweep(database, () => clock.nowMs());
  return {
    target: (clientId) => findTarget(queryable, clientId),
    targets: (after, limit, only) => listTargets(queryable, after, limit, only),
    recover: async (clientId, how, nowMs, entry) => {
      const isDone = await retargeting.recover(clientId, how, nowMs, entry);
      if (isDone) announceRetargeted(common, new Set([clientId]));
      return isDone;
    },
    redeliver: async (redelivery) => {
      const { result, clientIds } = await redeliver(database, redelivery);
      changes.announce({ offered: clientIds });
      return result;
    },
    expireAwaiting: (publishedBeforeMs, limit, nowMs) => expireAwaiting(database, publishedBeforeMs, limit, nowMs),
    dropHistory: (retention) => sweep.drop(retention),
    counts: () => countsOf(database),
    audit: (entry) => database.transaction((transaction) => addAudit(transaction, entry)),
    auditEntries: (before, limit, filter) => auditEntries(database, before, limit, filter),
    archivableAudit: (beforeMs, after, limit) => archivableAudit(database, beforeMs, after, limit),
    dropAudit: (drop) => dropAudit(database, drop),
  };
}
