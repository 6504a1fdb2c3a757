import { after } from 'node:test';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { describeStoreContract } from './contract.ts';
import type { OpenedStore, OpenSettings } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

// Databases that nobody uses, and which are empty.
const free: string[] = [];
const TABLES = [
  ...[
    'tpp',
    'registration',
    'target',
    'event',
    'notification',
    'settled',
    'audit',
    'signing_key',
    'activity',
    'statistics',
    'instance',
    'withdrawing',
    'ending_waits',
    'alert',
    'alert_message',
    'alert_lease',
  ],
];

function openAt(url: string, settings: OpenSettings) {
  return openPostgresStore({
    ...{ url, password: undefined, ca: undefined, connectionsMax: 4, statementTimeoutMs: 10_000 },
    isPooled: false,
    // Stands still: nothing happens behind the back of a test.
    ...{ clock: new FakeClock(), isListening: false, pollMs: 1000, isMigratedAtStart: true },
    onProblem: () => undefined,
    ...settings,
  });
}

async function open(settings: OpenSettings = {}): Promise<OpenedStore> {
  const url = free.pop() ?? (await server.createDatabase());
  const first = await openAt(url, settings);
  let { store } = first;
  return {
    store,
    reopen: async () => {
      await store.close();
      ({ store } = await openAt(url, settings));
      return store;
    },
    close: async () => {
      await store.close();
      // As a replica, past the triggers that keep the audit from being deleted.
      const emptied = ['SET session_replication_role = replica', ...TABLES.map((table) => `DELETE FROM ${table}`)];
      await server.run(emptied.join('; '), new URL(url).pathname.slice(1));
      free.push(url);
    },
  };
}

describeStoreContract('PostgreSQL', open);
