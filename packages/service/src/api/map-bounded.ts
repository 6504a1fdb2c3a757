/** Maps in parallel, at most `atOnceMax` at a time, and keeps the order. The first failure rejects and begins no more. */
export async function mapBounded<From, To>(
  items: readonly From[],
  atOnceMax: number,
  map: (item: From) => Promise<To>,
): Promise<To[]> {
  const results: To[] = [];
  let next = 0;
  let hasFailed = false;
  const work = async (): Promise<void> => {
    while (next < items.length && !hasFailed) {
      const at = next;
      next += 1;
      try {
        results[at] = await map(items[at] as From);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, work));
  return results;
}
