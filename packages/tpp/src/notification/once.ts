import { NotificationError } from './notification-error.ts';
import type { SeenStore } from './seen-store.ts';

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
