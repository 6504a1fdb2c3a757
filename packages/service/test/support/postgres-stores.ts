import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';

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
