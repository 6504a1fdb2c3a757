// Receives into a durable inbox in SQLite: acknowledged once it is on disk, handled exactly once in a transaction of the same
// database. Needs Node.js 22.13 or later:
//
//   node --env-file=tpp.env inbox.js
//
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { createInbox, createReceiver, nodeListener, openSqliteInboxStore, remoteKeys } from '@tidings/tpp';
import { setting } from './my-receiver.js';

const file = process.env['TPP_DATABASE_FILE'] ?? 'tpp.db';
const database = new DatabaseSync(file);
database.exec('CREATE TABLE IF NOT EXISTS change (resource TEXT, kind TEXT, occurred_at INTEGER)');
database.close();

const store = await openSqliteInboxStore({ file });
export const inbox = createInbox({
  store,
  // The events of one payment or consent in the order in which they happened.
  order: 'resource',
  // Not async: what takes time, such as fetching the resource, belongs in `prepare`.
  onNotification: ({ kind, resourceUri, claims }, { transaction }) => {
    const insert = transaction.prepare('INSERT INTO change (resource, kind, occurred_at) VALUES (?, ?, ?)');
    insert.run(resourceUri, kind, claims.toe);
  },
});

const caFile = process.env['SANDBOX_CA_FILE'];
const transport = caFile === undefined ? {} : { caPem: readFileSync(caFile, 'utf8') };
const receiver = createReceiver({
  issuer: setting('BANK_ISSUER'),
  signer: setting('BANK_ORGANISATION_ID'),
  clientId: setting('TPP_CLIENT_ID'),
  keys: remoteKeys({ url: setting('BANK_JWKS_URL'), transport }),
  handler: inbox,
});

const limits = { requestTimeout: 10_000, headersTimeout: 10_000 };
export const server = createServer(limits, nodeListener(receiver));
server.listen(Number(process.env['PORT'] ?? 8080));

const running = inbox.run();

/** Finishes what is in progress. What waits is handled after the next start. */
export async function stop() {
  server.close();
  await inbox.stop();
  await running;
  await store.close();
}
process.once('SIGTERM', stop);
