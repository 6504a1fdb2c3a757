import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import type { EmptyDatabases } from './empty-databases.ts';

/** Opens a store on a database, as an instance of the service does; it is closed when the test ends. */
export async function openInstance(
  t: TestContext,
  url: string,
  changes: Partial<PostgresStoreOptions> = {},
): Promise<Store> {
  const { store, clock } = await openPostgresStore({
    ...{ url, password: undefined, ca: undefined, connectionsMax: 6, statementTimeoutMs: 10_000, isPooled: false },
    ...{ clock: systemClock, isListening: false, pollMs: 60_000, isMigratedAtStart: true, onProblem: () => undefined },
    ...changes,
  });
  t.after(async () => {
    clock.stop();
    await store.close();
  });
  return store;
}

/** Opens so many stores on an empty database; they are closed, and the database given back, when the test ends. */
export async function openInstances(
  t: TestContext,
  databases: EmptyDatabases,
  count: number,
  changes: Partial<PostgresStoreOptions> = {},
): Promise<{ readonly url: string; readonly stores: readonly Store[] }> {
  const { url, release } = await databases.take();
  const stores: Store[] = [];
  for (let at = 0; at < count; at += 1) stores.push(await openInstance(t, url, changes));
  // After the stores are closed: hooks are called in their order.
  t.after(release);
  return { url, stores };
}
