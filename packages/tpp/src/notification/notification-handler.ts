import type { EventNotification } from './event-notification.ts';
import { createOnce } from './once.ts';
import { createMemorySeenStore, type SeenStore } from './seen-store.ts';

/** The consumer of the TPP's notifications, and the memory of those that were seen. */
export interface NotificationHandlerOptions {
  /** Memory of what was handled. Default: in the process, 100 000 entries. */
  readonly seen?: SeenStore;
  /**
   * Takes one verified notification. The bank is answered after it has finished, and on push it waits some seconds only:
   * store the notification and return, and do the work (such as fetching the resource) afterwards. It gets no deadline
   * here: one that never finishes holds its delivery, and every copy of the same notification.
   */
  onNotification(notification: EventNotification): Promise<void> | void;
}

/** Handles each notification once, whichever way it comes: one object for the receiver and the poller of a TPP. */
export interface NotificationHandler {
  /**
   * Hands over a verified notification, unless that was done before (by `iss` and `jti`). Copies that come while the
   * first is in hand wait for it and share its outcome, whichever way they come. Resolves when the notification may be
   * acknowledged. Does not verify.
   *
   * @param by what takes it in place of `onNotification`: the poller's iterator gives the loop that asks
   * @throws {NotificationError} handler_failed or seen_store_failed: it must be offered again
   */
  handle(notification: EventNotification, by?: (notification: EventNotification) => unknown): Promise<void>;
}

/** Either a handler that is shared, or what one is made of. */
export type NotificationHandling =
  | { readonly handler: NotificationHandler; readonly onNotification?: never; readonly seen?: never }
  | (NotificationHandlerOptions & { readonly handler?: never });

/**
 * Makes the handler that `createReceiver({ handler })` and `createPoller({ handler })` share, so that a TPP can use both
 * ways of delivery at once: what one has handled the other only acknowledges. Copies in two processes at the same moment
 * are distinguished only by what `seen` and `onNotification` do in one transaction.
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

/** The handler that options name, or one made of them. @throws {TypeError} when they say both, or neither */
export function handlerOf(options: NotificationHandling): NotificationHandler {
  const { handler, seen, onNotification } = options;
  if (handler !== undefined && (seen !== undefined || onNotification !== undefined)) {
    throw new TypeError('give either handler, or onNotification and seen');
  }
  if (handler !== undefined) return handler;
  if (typeof onNotification !== 'function') throw new TypeError('onNotification, or handler, is missing');
  return createNotificationHandler(options);
}
