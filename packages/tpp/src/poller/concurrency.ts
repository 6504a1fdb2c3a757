/**
 * Runs an action on each item, begun in their order, at most `limit` at once.
 *
 * @returns resolves when all have ended; rejects with what the first action that rejects rejects with, while those that
 *   were begun go on
 */
export async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  // One iterator that all of them draw from.
  const remaining = items.values();
  const work = async () => {
    for (const item of remaining) await action(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
}
