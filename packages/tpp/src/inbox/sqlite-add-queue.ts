import type { NotificationToStore } from './inbox-store.ts';

type Added = 'stored' | 'duplicate';

/** Collects what arrives together, so that it shares a transaction and its synchronisation of the disk. */
export interface AddQueue {
  /** Resolves once the notification is committed. */
  add(notification: NotificationToStore): Promise<Added>;
  /** Resolves when nothing is queued. */
  idle(): Promise<void>;
}

interface Entry {
  readonly notification: NotificationToStore;
  resolve(added: Added): void;
  reject(error: unknown): void;
}

const BATCH_MAX = 500;

/** @param addAll stores a batch in one transaction, synchronously; throws when none of it is stored */
export function createAddQueue(addAll: (batch: readonly NotificationToStore[]) => readonly Added[]): AddQueue {
  let queued: Entry[] = [];
  let flushing: Promise<void> | undefined;

  async function flush(): Promise<void> {
    while (queued.length > 0) {
      // After this turn of the event loop, with whatever it brings.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = queued.slice(0, BATCH_MAX);
      queued = queued.slice(BATCH_MAX);
      try {
        const added = addAll(batch.map(({ notification }) => notification));
        for (const [at, entry] of batch.entries()) entry.resolve(added[at] ?? 'stored');
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    flushing = undefined;
  }

  return {
    add: (notification) =>
      new Promise((resolve, reject) => {
        queued.push({ notification, resolve, reject });
        flushing ??= flush();
      }),
    idle: async () => await flushing,
  };
}
