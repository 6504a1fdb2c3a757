import { after } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { describeStoreContract } from './contract.ts';
import type { OpenedStore, OpenSettings } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const databases = new EmptyDatabases(server);

function openAt(url: string, settings: OpenSettings) {
  return openPostgresStore({
    ...{ url, password: undefined, ca: undefined, connectionsMax: 2, statementTimeoutMs: 10_000 },
    isPooled: false,
    // Stands still: nothing happens behind the back of a test.
    ...{ clock: new FakeClock(), isListening: false, pollMs: 1000, isMigratedAtStart: true },
    onProblem: () => undefined,
    ...settings,
  });
}

async function open(settings: OpenSettings = {}): Promise<OpenedStore> {
  const database = await databases.take();
  const first = await openAt(database.url, settings);
  let { store } = first;
  return {
    store,
    reopen: async () => {
      await store.close();
      ({ store } = await openAt(database.url, settings));
      return store;
    },
    close: async () => {
      await store.close();
      await database.release();
    },
  };
}

describeStoreContract('PostgreSQL', open);
