import type { EventNotification } from '../notification/event-notification.ts';

/** Where a poller gives notifications, one at a time, to a loop that asks for them. */
export interface Handover {
  /** Gives one. Resolves when the loop has finished with it; rejects when it was left before. */
  give(notification: EventNotification): Promise<void>;
  /** The next one, undefined at the end. Rejects with what polling ended with. */
  take(): Promise<EventNotification | undefined>;
  /** The loop has finished with what it took last. */
  finish(): void;
  /** The loop was left: what it took last is not finished, and nothing more is taken. */
  leave(): void;
}

/** Makes a handover. @param ended settles when polling has ended; nothing is given afterwards */
export function createHandover(ended: Promise<void>): Handover {
  let given = createSlot<EventNotification | undefined>();
  let inHand: Slot<void> | undefined;
  let hasLeft = false;
  // One subscription for all: each `Promise.race` with a promise that stays open would be kept as long as that.
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

/** A promise with its handles (`Promise.withResolvers` came with Node 22); nobody need be there when it rejects. */
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

function left(): Error {
  return new Error('The loop over the notifications was left before it had finished with this one.');
}
