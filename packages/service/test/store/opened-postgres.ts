import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import type { OpenSettings, OpenStore } from './opened.ts';

/** How stores reach the server. */
interface Reached {
  readonly isPooled: boolean;
  /** Of a pooler; undefined: that of the server itself. */
  readonly port?: number | undefined;
}

/** @returns what opens an empty store on this server */
export function postgresOpener(server: PostgresServer, { isPooled, port }: Reached): OpenStore {
  const databases = new EmptyDatabases(server);
  const openAt = (url: string, settings: OpenSettings) =>
    openPostgresStore({
      ...{ url, password: undefined, ca: undefined, connectionsMax: 2, statementTimeoutMs: 10_000, isPooled },
      // Stands still: nothing happens behind the back of a test.
      ...{ clock: new FakeClock(), isListening: false, pollMs: 1000, isMigratedAtStart: true },
      onProblem: () => undefined,
      ...settings,
    });
  return async (settings = {}) => {
    const database = await databases.take();
    const url = new URL(database.url);
    if (port !== undefined) url.port = String(port);
    const first = await openAt(url.href, settings);
    let { store } = first;
    return {
      store,
      reopen: async () => {
        await store.close();
        ({ store } = await openAt(url.href, settings));
        return store;
      },
      close: async () => {
        await store.close();
        await database.release();
      },
    };
  };
}
