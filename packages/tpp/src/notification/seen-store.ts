/**
 * The memory of what was handled, for both ways of delivery. One that several processes share (a database table with the
 * key as its primary key) tells duplicates across them and over restarts. When it throws, the notification is not
 * acknowledged, so that nothing is lost.
 */
export interface SeenStore {
  /** Whether this key was added. A key is opaque, at most about 2 300 characters. */
  has(key: string): Promise<boolean> | boolean;
  /** Called only after the handler has finished; called again for a key that is there, it changes nothing. */
  add(key: string): Promise<void> | void;
}

const ENTRIES_MAX = 100_000;

/**
 * Makes a memory in the process, bounded: beyond `entriesMax` (default 100 000) the oldest key is forgotten, and its
 * notification would be handled again. Forgets everything when the process ends.
 *
 * @throws {RangeError} when `entriesMax` is not a whole number from 1 on
 */
export function createMemorySeenStore(options: { readonly entriesMax?: number } = {}): SeenStore {
  const { entriesMax = ENTRIES_MAX } = options;
  if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) {
    throw new RangeError('entriesMax must be a whole number, at least 1');
  }
  // A Set keeps the order in which keys came.
  const keys = new Set<string>();
  return {
    has: (key) => keys.has(key),
    add: (key) => {
      keys.add(key);
      if (keys.size <= entriesMax) return;
      for (const oldest of keys) {
        keys.delete(oldest);
        return;
      }
    },
  };
}
