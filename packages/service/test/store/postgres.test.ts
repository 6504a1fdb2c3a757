import { after } from 'node:test';
import { startPostgres } from '../../../../test/support/postgres-server.ts';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { describeStoreContract } from './contract.ts';
import type { OpenedStore } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

let template: string | undefined;

function openAt(url: string) {
  return openPostgresStore({
    ...{ url, password: undefined, ca: undefined, connectionsMax: 4, statementTimeoutMs: 10_000 },
    // Stands still: nothing happens behind the back of a test.
    ...{ clock: new FakeClock(), isListening: false, lookMs: 1000, isMigratedAtStart: true },
    onProblem: () => undefined,
  });
}

async function open(): Promise<OpenedStore> {
  if (template === undefined) {
    const opened = await openAt(await server.createDatabase('template_tidings'));
    await opened.store.close();
    template = 'template_tidings';
  }
  const url = await server.createDatabase(undefined, template);
  const first = await openAt(url);
  let { store } = first;
  return {
    store,
    reopen: async () => {
      await store.close();
      ({ store } = await openAt(url));
      return store;
    },
    close: async () => {
      await store.close();
      await server.run(`DROP DATABASE ${new URL(url).pathname.slice(1)}`);
    },
  };
}

describeStoreContract('PostgreSQL', open);
