import { once } from 'node:events';
import { createServer } from 'node:http';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { importSigningKeys } from '@tidings/protocol';
import {
  createInbox,
  createReceiver,
  type InboxOptions,
  type InboxStore,
  type NotificationHandler,
  nodeListener,
  openPostgresInboxStore,
  openSqliteInboxStore,
  type SqliteDatabase,
} from '@tidings/tpp';
import pg from 'pg';
import type { ChaosSettings } from './chaos-settings.ts';

// The process that is killed: a receiver with an inbox, whose handler writes two lines for each notification. It fails now and
// then after the first line, so that rolling back matters, and takes a while between them, so that kills come there.

const settings: ChaosSettings = JSON.parse(process.argv[2] ?? '');
const BETWEEN_MS_MAX = 4;
// By counting, not at random: a planted fault shows within a few notifications.
const ONE_FAILS_IN = 7;
const ONE_IS_DROPPED_IN = 5;
const asleep = new Int32Array(new SharedArrayBuffer(4));

class FailedOnPurpose extends Error {
  override readonly name = 'FailedOnPurpose';
}

let attempts = 0;
let received = 0;

function failNowAndThen(): void {
  attempts += 1;
  if (attempts % ONE_FAILS_IN === 0) throw new FailedOnPurpose('on purpose');
}

async function serve<Transaction>(
  store: InboxStore<Transaction>,
  onNotification: InboxOptions<Transaction, undefined>['onNotification'],
): Promise<void> {
  const inbox = createInbox<Transaction>({
    store,
    onNotification,
    prepare: async () => void (await pause(Math.random() * BETWEEN_MS_MAX)),
    concurrency: 4,
    // Far more than anything is killed or fails at random.
    attemptsMax: 1000,
    retryDelayMsMin: 5,
    retryDelayMsMax: 20,
    leaseMs: 300,
    pollMs: 50,
    onFailure: ({ cause }) => {
      if (!(cause instanceof FailedOnPurpose)) process.stderr.write(`${String(cause)}\n`);
    },
  });
  const { issuer, signer, clientId } = settings.expected;
  const keys = await importSigningKeys({ keys: [settings.expected.jwk] });
  const handler: NotificationHandler = {
    handle: async (...given) => {
      received += 1;
      const isDropped = settings.fault === 'answers-first' && received % ONE_IS_DROPPED_IN === 0;
      if (!isDropped) await inbox.handle(...given);
    },
  };
  const server = createServer(nodeListener(createReceiver({ issuer, signer, clientId, keys, handler })));
  server.listen(settings.port, '127.0.0.1');
  await once(server, 'listening');
  void inbox.run();
  process.send?.('ready');
}

function sqliteHandler(beside: SqliteDatabase | undefined): InboxOptions<SqliteDatabase, undefined>['onNotification'] {
  return ({ jti }, { transaction }) => {
    const insert = (beside ?? transaction).prepare('INSERT INTO effect (line) VALUES (?)');
    insert.run(`${jti} 1`);
    failNowAndThen();
    Atomics.wait(asleep, 0, 0, Math.random() * BETWEEN_MS_MAX);
    insert.run(`${jti} 2`);
  };
}

async function serveSqlite(file: string): Promise<void> {
  const store = await openSqliteInboxStore({ file });
  if (settings.fault !== 'writes-beside') return await serve(store, sqliteHandler(undefined));
  const { DatabaseSync } = await import('node:sqlite');
  // Of another file: the transaction of the inbox keeps others from writing to its own.
  await serve(store, sqliteHandler(new DatabaseSync(`${file}-beside`)));
}

async function servePostgres(connectionString: string): Promise<void> {
  const pool = new pg.Pool({ connectionString, max: 8 });
  pool.on('error', () => undefined);
  const store = await openPostgresInboxStore({ pool });
  await serve(store, async ({ jti }, { transaction }) => {
    const client = settings.fault === 'writes-beside' ? pool : transaction;
    await client.query('INSERT INTO effect (line) VALUES ($1)', [`${jti} 1`]);
    failNowAndThen();
    await pause(Math.random() * BETWEEN_MS_MAX);
    await client.query('INSERT INTO effect (line) VALUES ($1)', [`${jti} 2`]);
  });
}

const { database } = settings;
await (database.kind === 'sqlite' ? serveSqlite(database.file) : servePostgres(database.url));
