import { types } from 'node:util';
import type { EventNotification } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import type { NotificationHandler } from '../notification/notification-handler.ts';
import { createProblemLog } from '../notification/problem-log.ts';
import { type InboxFailure, type InboxLimits, type InboxOptions, inboxLimits } from './inbox-options.ts';
import type { InboxCounts, InboxStore, StoredDeadLetter } from './inbox-store.ts';
import { fromStore, toStore } from './stored-notification.ts';
import { createWorker } from './worker.ts';

/** A notification that is not attempted any more, until somebody decides. */
export interface DeadLetter extends Pick<StoredDeadLetter, 'id' | 'issuer' | 'jti' | 'attempts' | 'reason'> {
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  /** Milliseconds since the epoch. */
  readonly diedAtMs: number;
  /** Undefined when the row cannot be read any more. */
  readonly notification: EventNotification | undefined;
}

/** The dead letters of an inbox. */
export interface DeadLetters {
  /**
   * Lists dead letters in the order of arrival.
   *
   * @param page `limit`: 1 to 1000, default 100. `after`: the last `id` of the page before
   */
  list(page?: { readonly limit?: number; readonly after?: string }): Promise<readonly DeadLetter[]>;
  /** Lets a dead letter be attempted again, from the first attempt on. @returns whether there is one with this id */
  redeliver(id: string): Promise<boolean>;
  /** Gives a dead letter up. Duplicates of it stay recognised. @returns whether there is one with this id */
  discard(id: string): Promise<boolean>;
}

/**
 * A durable inbox. It is a `NotificationHandler`: give it as `handler` to `createReceiver` and `createPoller`, and each
 * notification is stored once, whichever way it comes.
 */
export interface Inbox extends NotificationHandler {
  /**
   * Stores a verified notification. Resolves once it is committed, so that the bank may be told 202; at once for one that
   * is stored already.
   *
   * @throws {NotificationError} inbox_failed; handler_behind when too many wait; handler_failed for a loop over a
   *   poller's notifications, which an inbox does not have
   */
  handle(notification: EventNotification, by?: (notification: EventNotification) => unknown): Promise<void>;
  /**
   * Handles what is in the inbox, until the signal is aborted or `stop` is called; then the attempts in progress are
   * finished. Goes on while the database is unavailable. Storing does not need it: receiver and worker may be two
   * processes.
   *
   * @throws {TypeError} when the inbox is already running
   */
  run(signal?: AbortSignal): Promise<void>;
  /** Ends `run`. Resolves when it has ended. Do not await it inside a handler. Does not close the store. */
  stop(): Promise<void>;
  readonly deadLetters: DeadLetters;
  /** How much waits and is dead, each counted up to `waitingMax`. */
  counts(): Promise<InboxCounts>;
}

const COUNTED_EVERY_MS = 5_000;
const RETRY_AFTER_SECONDS = 30;
const LIST_MAX = 1000;
const LIST_LENGTH = 100;

/**
 * Creates a durable inbox (rules, sections 4 and 6). A notification is acknowledged once it is committed to the store, and
 * handled afterwards: the effects of the handler in the store's database and the mark that it is handled are committed
 * together, so they happen exactly once, whatever is killed at whatever time. Effects elsewhere happen at least once.
 *
 * A failed attempt is retried with a backoff. After `attemptsMax` attempts, or a `DeadLetterError`, the notification is a
 * dead letter. An attempt whose process was killed counts: a notification that kills its process ends there too.
 *
 * @throws {RangeError} for a number out of range
 * @throws {TypeError} when the store is SQLite and `onNotification` is an async function, or for another option
 */
export function createInbox<Transaction, Prepared = undefined>(options: InboxOptions<Transaction, Prepared>): Inbox {
  const limits = inboxLimits(options);
  const { store } = options;
  if (typeof options.onNotification !== 'function') throw new TypeError('onNotification is required');
  if (store.isSynchronous === true && types.isAsyncFunction(options.onNotification)) {
    throw new TypeError('onNotification must not be async with this store: do what takes time in prepare');
  }
  const worker = createWorker(options, limits, reporterOf(options));
  const isBehind = createBacklogGauge(store, limits);
  let session: { readonly ended: Promise<void>; stop(): void } | undefined;

  return {
    handle: async (notification, by) => {
      if (by !== undefined) throw new NotificationError('handler_failed', ITERATED);
      const nowMs = limits.now();
      const added = await storing(async () => {
        if (await isBehind()) throw behind();
        return await store.add(toStore(notification, nowMs, nowMs + limits.orderWindowMs));
      });
      if (added === 'stored') worker.wake();
    },
    run: async (signal) => {
      if (session !== undefined) throw new TypeError('the inbox is already running');
      const controller = new AbortController();
      const stop = () => controller.abort();
      signal?.addEventListener('abort', stop);
      if (signal?.aborted) stop();
      const ended = worker.run(controller.signal).finally(() => {
        session = undefined;
        signal?.removeEventListener('abort', stop);
      });
      session = { ended, stop };
      await ended;
    },
    stop: async () => {
      const running = session;
      running?.stop();
      await running?.ended.catch(() => undefined);
    },
    deadLetters: deadLettersOf(store, limits, worker.wake),
    counts: () => store.counts(limits.waitingMax),
  };
}

const ITERATED = 'An inbox hands its notifications to onNotification; poll with run or catchUp, not with a loop.';

function behind(): NotificationError {
  const context = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  return new NotificationError('handler_behind', 'Too many notifications wait in the inbox (waitingMax).', context);
}

async function storing<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof NotificationError) throw cause;
    throw new NotificationError('inbox_failed', 'The inbox could not store the notification.', { cause });
  }
}

/** Whether too many wait. Counting takes time, so it is done every few seconds. */
function createBacklogGauge<Transaction>(store: InboxStore<Transaction>, limits: InboxLimits): () => Promise<boolean> {
  const { waitingMax, now } = limits;
  let isBehind = false;
  let countedAtMs: number | undefined;
  return async () => {
    const nowMs = now();
    const isFresh = countedAtMs !== undefined && nowMs >= countedAtMs && nowMs - countedAtMs < COUNTED_EVERY_MS;
    if (!isFresh) {
      countedAtMs = nowMs;
      isBehind = (await store.counts(waitingMax)).waiting >= waitingMax;
    }
    return isBehind;
  };
}

function deadLettersOf<Transaction>(
  store: InboxStore<Transaction>,
  { now }: InboxLimits,
  wake: () => void,
): DeadLetters {
  return {
    list: async ({ limit = LIST_LENGTH, after } = {}) => {
      const stored = await store.deadLetters({ limit: Math.min(limit, LIST_MAX), after });
      return stored.map(({ id, issuer, jti, attempts, reason, receivedAtMs, diedAtMs, ...row }) => {
        const notification = readableOrUndefined(row);
        return { id, issuer, jti, attempts, reason, receivedAtMs, diedAtMs, notification };
      });
    },
    redeliver: async (id) => {
      const isThere = await store.redeliver(id, now());
      if (isThere) wake();
      return isThere;
    },
    discard: (id) => store.discard(id, now()),
  };
}

function readableOrUndefined(row: Parameters<typeof fromStore>[0]): EventNotification | undefined {
  try {
    return fromStore(row);
  } catch {
    return undefined;
  }
}

const REPORTS = {
  retry: {
    what: 'a notification of the inbox could not be handled, and is attempted again',
    code: 'handler_failed',
    remedy: 'Repair prepare or onNotification.',
  },
  dead: {
    what: 'a notification of the inbox is a dead letter now',
    code: 'dead_letter',
    remedy: 'See inbox.deadLetters: redeliver it once the cause is repaired, or discard it.',
  },
  inbox: {
    what: 'the database of the inbox failed, and is asked again',
    code: 'inbox_failed',
    remedy: 'Repair the database of the inbox.',
  },
} as const satisfies Readonly<Record<InboxFailure['kind'], object>>;

function reporterOf(options: {
  onFailure?(failure: InboxFailure): void;
  warn?(line: string): void;
  now?(): number;
}): (failure: InboxFailure) => void {
  const print = createProblemLog(options);
  return (failure) => {
    try {
      if (options.onFailure !== undefined) return options.onFailure(failure);
      const { kind, cause, notification, attempt } = failure;
      const message = notification === undefined ? '' : `jti ${notification.jti}, attempt ${attempt}.`;
      print({ ...REPORTS[kind], message, cause });
    } catch {
      // A failing log must not stop the inbox.
    }
  };
}
