import type { EventNotification } from '../notification/event-notification.ts';

/** Passes notifications, one at a time, from the poll loop to a `for await` loop. */
export interface Handover {
  /** Passes a notification. Resolves when the loop has finished with it; rejects when the loop exits first. */
  give(notification: EventNotification): Promise<void>;
  /** The next notification; undefined at the end. Rejects with the error that ended polling. */
  take(): Promise<EventNotification | undefined>;
  /** Marks the current notification as finished. */
  finish(): void;
  /** Signals that the loop has exited: the current notification is unfinished, and no more are taken. */
  leave(): void;
}

/** Creates a handover. @param ended settles when polling has ended, after which nothing is passed */
export function createHandover(ended: Promise<unknown>): Handover {
  let given = createSlot<EventNotification | undefined>();
  let inHand: Slot<void> | undefined;
  let hasLeft = false;
  // A single subscription: every `Promise.race` with a long-lived promise would leak until that promise settles.
  ended.then(
    () => given.resolve(undefined),
    (error: unknown) => given.reject(error),
  );
  return {
    give: (notification) => {
      inHand = createSlot<void>();
      if (hasLeft) inHand.reject(left());
      else given.resolve(notification);
      return inHand.promise;
    },
    take: async () => {
      const notification = await given.promise;
      given = createSlot();
      return notification;
    },
    finish: () => inHand?.resolve(),
    leave: () => {
      hasLeft = true;
      inHand?.reject(left());
    },
  };
}

interface Slot<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Substitute for `Promise.withResolvers`, which requires Node.js 22. A rejection need not be handled. */
function createSlot<T>(): Slot<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** The caller left the loop over the notifications, which is no failure. */
export class LoopLeftError extends Error {
  override readonly name = 'LoopLeftError';
}

function left(): LoopLeftError {
  return new LoopLeftError('The loop over the notifications exited before it had finished with this one.');
}
