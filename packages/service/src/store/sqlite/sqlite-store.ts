import type { DatabaseSync } from 'node:sqlite';
import type { BankEvent, PublishResult, Store } from '../store.ts';
import { DeliveryTables } from './deliveries.ts';
import { EventTables } from './events.ts';
import { openDatabase } from './open.ts';
import { PollTables } from './polls.ts';
import { RegistrationTables } from './registrations.ts';
import { SigningKeyTable } from './signing-keys.ts';
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
  const polls = new PollTables(database);
  const signingKeys = new SigningKeyTable(database);
  const writes = new WriteQueue(database);
  const listeners = new Set<(clientIds: ReadonlySet<string>) => void>();
  deliveries.takeBackLeases(options.nowMs);

  return {
    putTpp: (tpp, nowMs) => writes.run(() => registrations.putTpp(tpp, nowMs)),
    tpp: (clientId) => read(() => registrations.tpp(clientId)),
    tpps: (after, limit) => read(() => registrations.tpps(after, limit)),
    removeTpp: (clientId) => writes.run(() => registrations.removeTpp(clientId)),
    createSubscription: (subscription, nowMs) =>
      writes.run(() => registrations.createSubscription(subscription, nowMs)),
    subscriptionOf: (clientId) => read(() => registrations.subscriptionOf(clientId)),
    replaceSubscription: (subscription, nowMs) =>
      writes.run(() => registrations.replaceSubscription(subscription, nowMs)),
    deleteSubscription: (clientId, id, through) =>
      writes.run(() => registrations.deleteSubscription(clientId, id, through)),
    createCallbackUrl: (callbackUrl, nowMs) => writes.run(() => registrations.createCallbackUrl(callbackUrl, nowMs)),
    callbackUrlOf: (clientId) => read(() => registrations.callbackUrlOf(clientId)),
    replaceCallbackUrl: (callbackUrl, nowMs) => writes.run(() => registrations.replaceCallbackUrl(callbackUrl, nowMs)),
    deleteCallbackUrl: (clientId, id, through) =>
      writes.run(() => registrations.deleteCallbackUrl(clientId, id, through)),
    publish: async (batch, decide, nowMs) => {
      const result = await writes.run(() => events.publish(batch, decide, nowMs));
      const clientIds = newlyNotified(batch, result);
      if (clientIds.size > 0) for (const listener of listeners) listener(clientIds);
      return result;
    },
    claimDue: (claim) => writes.run(() => deliveries.claimDue(claim)),
    keepSet: (jti, set) => writes.run(() => deliveries.keepSet(jti, set)),
    recordAttempt: (claimed, attempt, next) => writes.run(() => deliveries.recordAttempt(claimed, attempt, next)),
    release: (claimed, nowMs) => writes.run(() => deliveries.release(claimed, nowMs)),
    nextDueAtMs: (without) => read(() => deliveries.nextDueAtMs(without)),
    poll: (poll) => writes.run(() => polls.poll(poll)),
    nextOfferAtMs: (clientId) => read(() => polls.nextOfferAtMs(clientId)),
    onOffer: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    useSigningKey: (publicJwk, nowMs) => writes.run(() => signingKeys.use(publicJwk, nowMs)),
    signingKeys: () => read(() => signingKeys.all()),
    oldestAwaitingAtMs: () => read(() => deliveries.oldestAwaitingAtMs()),
    notification: (jti) => read(() => deliveries.notification(jti)),
    close: () => close(database, writes),
  };
}

/** The TPPs that an event made a notification for. */
function newlyNotified(batch: readonly BankEvent[], result: PublishResult): ReadonlySet<string> {
  if (result.kind === 'conflict') return new Set();
  const made = batch.filter((_, at) => {
    const outcome = result.outcomes[at];
    return outcome?.kind === 'notification' && !outcome.repeated;
  });
  return new Set(made.map(({ clientId }) => clientId));
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
