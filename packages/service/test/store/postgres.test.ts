import { after } from 'node:test';
import { startPostgres } from '../support/postgres-server.ts';
import { describeStoreContract } from './contract.ts';
import { postgresOpener } from './opened-postgres.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

// As many random histories as on SQLite are in postgres.long.test.ts: each takes ten times as long here.
describeStoreContract('PostgreSQL', postgresOpener(server, { isPooled: false }), { histories: 20 });
