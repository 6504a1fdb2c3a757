/**
 * Store of the notifications that were handled, for push and polling. A store shared by several processes, such as a
 * database table with the key as primary key, detects duplicates across processes and restarts. When it throws, the
 * notification is not acknowledged, so nothing is lost.
 */
export interface SeenStore {
  /** Whether the key was added. Keys are opaque and have at most about 2 300 characters. */
  has(key: string): Promise<boolean> | boolean;
  /** Adds a key after the handler has finished. Must be idempotent. */
  add(key: string): Promise<void> | void;
}

const ENTRIES_MAX = 100_000;

/**
 * Creates a bounded store in memory. Beyond `entriesMax` keys (default 100 000) the oldest is forgotten, and its
 * notification would be handled again. All keys are lost when the process ends.
 *
 * @throws {RangeError} when `entriesMax` is not a whole number of at least 1
 */
export function createMemorySeenStore(options: { readonly entriesMax?: number } = {}): SeenStore {
  const { entriesMax = ENTRIES_MAX } = options;
  if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) {
    throw new RangeError('entriesMax must be a whole number, at least 1');
  }
  // A Set iterates in insertion order.
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
