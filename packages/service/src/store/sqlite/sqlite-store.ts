import type { DatabaseSync } from 'node:sqlite';
import type { Store } from '../store.ts';
import { DeliveryTables } from './deliveries.ts';
import { EventTables } from './events.ts';
import { openDatabase } from './open.ts';
import { RegistrationTables } from './registrations.ts';
import { asStoreError, WriteQueue } from './write-queue.ts';

/**
 * Opens the embedded store: one file, one process, durable at every commit. Notifications that were under way when the
 * last process ended are due at once.
 *
 * @throws {StartUpError} when the file cannot be used
 */
export function openSqliteStore(options: { file: string; nowMs: number }): Store {
  const database = openDatabase(options.file);
  const registrations = new RegistrationTables(database);
  const events = new EventTables(database, registrations);
  const deliveries = new DeliveryTables(database, registrations);
  const writes = new WriteQueue(database);
  deliveries.takeBackLeases(options.nowMs);

  return {
    putTpp: (tpp) => writes.run(() => registrations.putTpp(tpp)),
    tpp: (clientId) => read(() => registrations.tpp(clientId)),
    createSubscription: (subscription) => writes.run(() => registrations.create(subscription)),
    subscriptionOf: (clientId) => read(() => registrations.subscriptionOf(clientId)),
    replaceSubscription: (subscription, nowMs) => writes.run(() => registrations.replace(subscription, nowMs)),
    deleteSubscription: (clientId, id) => writes.run(() => registrations.delete(clientId, id)),
    publish: (batch, decide, nowMs) => writes.run(() => events.publish(batch, decide, nowMs)),
    claimDue: (claim) => writes.run(() => deliveries.claimDue(claim)),
    keepSet: (jti, set) => writes.run(() => deliveries.keepSet(jti, set)),
    recordAttempt: (claimed, attempt, next) => writes.run(() => deliveries.recordAttempt(claimed, attempt, next)),
    release: (claimed, nowMs) => writes.run(() => deliveries.release(claimed, nowMs)),
    nextDueAtMs: (without) => read(() => deliveries.nextDueAtMs(without)),
    notification: (jti) => read(() => deliveries.notification(jti)),
    close: () => close(database, writes),
  };
}

/** Reads see what is committed: no transaction is ever open between two turns of the event loop. */
async function read<T>(work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    throw asStoreError(error);
  }
}

async function close(database: DatabaseSync, writes: WriteQueue): Promise<void> {
  writes.flush();
  database.close();
}
