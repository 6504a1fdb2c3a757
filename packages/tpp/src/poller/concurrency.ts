/**
 * Runs an action on each item, at most `limit` at once, starting in the order of the items.
 *
 * @returns resolves when all actions have completed; rejects with the first error, while actions in progress continue
 */
export async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  // One iterator shared by all workers.
  const remaining = items.values();
  const work = async () => {
    for (const item of remaining) await action(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
}
