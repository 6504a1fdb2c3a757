import type { EventNotification } from './event-notification.ts';
import { NotificationError } from './notification-error.ts';
import { createMemorySeenStore, type SeenStore } from './seen-store.ts';

/** Options of {@link createNotificationHandler}. */
export interface NotificationHandlerOptions {
  /** Store of the notifications that were handled. Default: in memory, 100 000 entries. */
  readonly seen?: SeenStore;
  /**
   * Handles one verified notification. The bank gets its response when this function has finished, and on push it waits
   * for some seconds only. Store the notification and return; do further work, such as fetching the resource,
   * afterwards. There is no timeout: a call that never finishes blocks its delivery and every copy of the same
   * notification.
   */
  onNotification(notification: EventNotification): Promise<void> | void;
}

/** Handles each notification once, on push and polling. The receiver and the poller of a TPP can share it. */
export interface NotificationHandler {
  /**
   * Handles a verified notification, unless one with the same `iss` and `jti` was handled before. Copies that arrive
   * meanwhile, by push or polling, wait for the first and share its outcome. Resolves when the notification may be
   * acknowledged. Does not verify.
   *
   * @param by replaces `onNotification`; used by the poller's iterator
   * @throws {NotificationError} handler_failed or seen_store_failed: the bank must deliver the notification again
   */
  handle(notification: EventNotification, by?: (notification: EventNotification) => unknown): Promise<void>;
}

/** Either a shared handler, or the options of a new one. */
export type NotificationHandling =
  | { readonly handler: NotificationHandler; readonly onNotification?: never; readonly seen?: never }
  | (NotificationHandlerOptions & { readonly handler?: never });

/**
 * Creates a handler to share between `createReceiver({ handler })` and `createPoller({ handler })`, so that a TPP can
 * use push and polling together: what one has handled, the other only acknowledges. Copies that arrive in two processes
 * at the same moment are both handled, unless `seen` and `onNotification` use one transaction.
 */
export function createNotificationHandler(options: NotificationHandlerOptions): NotificationHandler {
  const { seen = createMemorySeenStore() } = options;
  const once = createOnce(seen);
  return {
    handle: (notification, by = (each) => options.onNotification(each)) => {
      const { iss, jti } = notification.claims;
      return once(JSON.stringify([iss, jti]), () => by(notification));
    },
  };
}

/** The given handler, or a new one. @throws {TypeError} when both or neither are given */
export function handlerOf(options: NotificationHandling): NotificationHandler {
  const { handler, seen, onNotification } = options;
  if (handler !== undefined && (seen !== undefined || onNotification !== undefined)) {
    throw new TypeError('give either handler, or onNotification with an optional seen');
  }
  if (handler !== undefined) return handler;
  if (typeof onNotification !== 'function') throw new TypeError('onNotification or handler is required');
  return createNotificationHandler(options);
}

/** Runs the action for a key unless one has completed before; see {@link createOnce}. */
export type Once = (key: string, action: () => unknown) => Promise<void>;

/**
 * Deduplicates by key: each action runs once. A call during the first one waits for it and shares its outcome. A key is
 * stored only after its action has completed, so a failed action runs again the next time. When the store fails after
 * the action, the action also runs again: it runs at least once, never zero times.
 *
 * @returns a function that throws {@link NotificationError}: handler_failed or seen_store_failed
 */
export function createOnce(seen: SeenStore): Once {
  const running = new Map<string, Promise<void>>();
  return (key, action) => {
    const underWay = running.get(key);
    if (underWay !== undefined) return underWay;
    const run = runUnlessSeen(seen, key, action).finally(() => running.delete(key));
    running.set(key, run);
    return run;
  };
}

async function runUnlessSeen(seen: SeenStore, key: string, action: () => unknown): Promise<void> {
  if (await refusing('seen_store_failed', 'The seen store could not be read.', () => seen.has(key))) return;
  await refusing('handler_failed', 'The handler failed.', action);
  await refusing('seen_store_failed', 'The seen store could not be written.', () => seen.add(key));
}

async function refusing<T>(
  code: 'seen_store_failed' | 'handler_failed',
  message: string,
  action: () => T | Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new NotificationError(code, message, { cause });
  }
}
