const AT_ONCE = 16;

/** Does something for each, several at once. */
export async function mapSome<Item>(items: readonly Item[], handle: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const item of left) await handle(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
