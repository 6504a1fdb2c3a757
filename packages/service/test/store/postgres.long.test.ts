import { after } from 'node:test';
import { startPostgres } from '../support/postgres-server.ts';
import { describeModel, HISTORIES } from './contract-model.ts';
import { openFor } from './opened.ts';
import { postgresOpener } from './opened-postgres.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

describeModel(openFor(postgresOpener(server, { isPooled: false })), HISTORIES);
