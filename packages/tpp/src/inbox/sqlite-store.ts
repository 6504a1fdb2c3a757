import { claimableSql, IS_LATE_SQL } from './claim-sql.ts';
import { InboxError, newerSchema, transactionEnded } from './inbox-error.ts';
import type {
  AttemptOutcome,
  Claim,
  ClaimRequest,
  DeadLetterPage,
  InboxStore,
  NotificationToStore,
} from './inbox-store.ts';
import { COLUMNS, claimedOf, deadLetterOf, isRowId, number, numberOrUndefined } from './rows.ts';
import { type AddQueue, createAddQueue } from './sqlite-add-queue.ts';
import { type SqliteConnection, type SqliteDatabase, sqliteConnector } from './sqlite-database.ts';
import { SQLITE_SCHEMA, SQLITE_SCHEMA_VERSION } from './sqlite-schema.ts';

/** Options of {@link openSqliteInboxStore}. */
export interface SqliteInboxStoreOptions {
  /** Path of the database, on a local disk. The tables of the handler are best in the same file. */
  readonly file: string;
}

/**
 * Opens an inbox in a SQLite database, whose tables `tidings_inbox` and `tidings_inbox_version` it creates. Needs
 * `node:sqlite`: Node.js 22.13 or later. Several processes on one machine may share the file.
 *
 * The handler's transaction is synchronous, as `node:sqlite` is: `onNotification` must not return a promise, and does what
 * takes time in `prepare`. Notifications that arrive at the same time share a commit.
 *
 * @throws {InboxError} sqlite_unavailable, unsuitable_database or newer_schema
 */
export async function openSqliteInboxStore(options: SqliteInboxStoreOptions): Promise<InboxStore<SqliteDatabase>> {
  const connect = await sqliteConnector(options.file);
  const connection = connect();
  try {
    migrate(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
  return new SqliteInboxStore(connect, connection);
}

function migrate(connection: SqliteConnection): void {
  connection.transaction(() => {
    connection.database.exec('CREATE TABLE IF NOT EXISTS tidings_inbox_version (version INTEGER NOT NULL) STRICT');
    const [row] = connection.all('SELECT version FROM tidings_inbox_version');
    const version = row === undefined ? 0 : number(row, 'version');
    if (version > SQLITE_SCHEMA_VERSION) throw newerSchema(version);
    if (version === SQLITE_SCHEMA_VERSION) return;
    connection.database.exec(SQLITE_SCHEMA);
    connection.run('INSERT INTO tidings_inbox_version (version) VALUES (?)', SQLITE_SCHEMA_VERSION);
  });
}

const INSERT = `INSERT INTO tidings_inbox
  (key, issuer, jti, resource, toe, claims, token, interaction_id, received_at_ms, due_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`;
const HELD = `id = ? AND lease = ? AND state = 'waiting'`;
const SAVEPOINT = 'tidings_inbox_handler';

class SqliteInboxStore implements InboxStore<SqliteDatabase> {
  readonly isSynchronous = true;
  readonly #connect: () => SqliteConnection;
  readonly #adds: AddQueue;
  #connection: SqliteConnection;
  #isClosed = false;

  constructor(connect: () => SqliteConnection, connection: SqliteConnection) {
    this.#connect = connect;
    this.#connection = connection;
    this.#adds = createAddQueue((batch) => this.#addAll(batch));
  }

  async add(notification: NotificationToStore): Promise<'stored' | 'duplicate'> {
    this.#open();
    return await this.#adds.add(notification);
  }

  async claim({ nowMs, leaseUntilMs, lease, limit, order }: ClaimRequest) {
    const connection = this.#open();
    return connection.transaction(() => {
      const ids = connection.all(claimableSql(order, { now: '?1', limit: '?2' }), nowMs, limit);
      return ids.flatMap((row) =>
        connection
          .all(
            `UPDATE tidings_inbox SET attempts = attempts + 1, lease = ?, due_at_ms = ? WHERE id = ?
              RETURNING ${COLUMNS}, ${IS_LATE_SQL}`,
            lease,
            leaseUntilMs,
            number(row, 'id'),
          )
          .map((claimed) => claimedOf(claimed, lease)),
      );
    });
  }

  async renew(claims: readonly Claim[], leaseUntilMs: number): Promise<void> {
    const connection = this.#open();
    connection.transaction(() => {
      for (const { id, lease } of claims) {
        connection.run(`UPDATE tidings_inbox SET due_at_ms = ? WHERE ${HELD}`, leaseUntilMs, id, lease);
      }
    });
  }

  async handle(
    { id, lease }: Claim,
    nowMs: number,
    work: (transaction: SqliteDatabase) => unknown,
  ): Promise<'handled' | 'lost'> {
    const connection = this.#open();
    try {
      return connection.transaction(() => {
        if (connection.all(`SELECT 1 FROM tidings_inbox WHERE ${HELD}`, id, lease).length === 0) return 'lost';
        runHandler(connection.database, work);
        connection.run(
          `UPDATE tidings_inbox SET state = 'handled', settled_at_ms = ?, lease = NULL, reason = NULL WHERE ${HELD}`,
          nowMs,
          id,
          lease,
        );
        return 'handled';
      });
    } catch (error) {
      if (error instanceof InboxError && error.code === 'handler_not_synchronous') this.#reconnect();
      throw error;
    }
  }

  async fail({ id, lease }: Claim, outcome: AttemptOutcome) {
    const connection = this.#open();
    switch (outcome.kind) {
      case 'retry':
        connection.run(
          `UPDATE tidings_inbox SET lease = NULL, due_at_ms = ?, reason = ? WHERE ${HELD}`,
          outcome.dueAtMs,
          outcome.reason,
          id,
          lease,
        );
        break;
      case 'dead':
        connection.run(
          `UPDATE tidings_inbox SET state = 'dead', lease = NULL, settled_at_ms = ?, reason = ? WHERE ${HELD}`,
          outcome.nowMs,
          outcome.reason,
          id,
          lease,
        );
        break;
      case 'released':
        connection.run(
          `UPDATE tidings_inbox SET lease = NULL, due_at_ms = ?, attempts = attempts - 1 WHERE ${HELD}`,
          outcome.dueAtMs,
          id,
          lease,
        );
    }
  }

  async deadLetters({ limit, after = '0' }: DeadLetterPage) {
    const rows = this.#open().all(
      `SELECT ${COLUMNS}, reason, settled_at_ms FROM tidings_inbox WHERE state = 'dead' AND id > CAST(? AS INTEGER)
        ORDER BY id LIMIT ?`,
      isRowId(after) ? after : '0',
      limit,
    );
    return rows.map(deadLetterOf);
  }

  async redeliver(id: string, nowMs: number): Promise<boolean> {
    const sql = `UPDATE tidings_inbox SET state = 'waiting', attempts = 0, due_at_ms = ?, settled_at_ms = NULL
      WHERE id = ? AND state = 'dead'`;
    return isRowId(id) && this.#open().run(sql, nowMs, id) > 0;
  }

  async discard(id: string, nowMs: number): Promise<boolean> {
    const sql = `UPDATE tidings_inbox SET state = 'discarded', settled_at_ms = ? WHERE id = ? AND state = 'dead'`;
    return isRowId(id) && this.#open().run(sql, nowMs, id) > 0;
  }

  async counts(limit: number) {
    const [row] = this.#open().all(
      `SELECT (SELECT count(*) FROM (SELECT 1 FROM tidings_inbox WHERE state = 'waiting' LIMIT ?1)) AS waiting,
        (SELECT count(*) FROM (SELECT 1 FROM tidings_inbox WHERE state = 'dead' LIMIT ?1)) AS dead,
        (SELECT min(toe) FROM tidings_inbox WHERE state = 'waiting') AS toe`,
      limit,
    );
    return {
      waiting: number(row, 'waiting'),
      dead: number(row, 'dead'),
      oldestWaitingToeSeconds: numberOrUndefined(row, 'toe'),
    };
  }

  async purge(settledBeforeMs: number, limit: number): Promise<number> {
    return this.#open().run(
      `DELETE FROM tidings_inbox WHERE id IN (SELECT id FROM tidings_inbox
        WHERE state IN ('handled', 'discarded') AND settled_at_ms < ? LIMIT ?)`,
      settledBeforeMs,
      limit,
    );
  }

  async close(): Promise<void> {
    await this.#adds.idle();
    this.#isClosed = true;
    this.#connection.close();
  }

  #addAll(batch: readonly NotificationToStore[]): ('stored' | 'duplicate')[] {
    const connection = this.#open();
    return connection.transaction(() =>
      batch.map((each) => {
        const { key, issuer, jti, resource, toeSeconds, claims, set, interactionId, receivedAtMs, dueAtMs } = each;
        const values = [key, issuer, jti, resource, toeSeconds, claims, set, interactionId, receivedAtMs, dueAtMs];
        return connection.run(INSERT, ...values) > 0 ? 'stored' : 'duplicate';
      }),
    );
  }

  /** The handler that returned a promise may still write: to a closed connection, which fails. */
  #reconnect(): void {
    this.#connection.close();
    this.#connection = this.#connect();
  }

  #open(): SqliteConnection {
    if (this.#isClosed) throw new InboxError('closed', 'The store of the inbox was closed.');
    return this.#connection;
  }
}

function runHandler(database: SqliteDatabase, work: (transaction: SqliteDatabase) => unknown): void {
  database.exec(`SAVEPOINT ${SAVEPOINT}`);
  const returned = work(database);
  if (isThenable(returned)) {
    returned.then(undefined, () => undefined);
    const why =
      'onNotification returned a promise. With SQLite it must be synchronous: do what takes time in prepare, and write in onNotification.';
    throw new InboxError('handler_not_synchronous', why);
  }
  try {
    database.exec(`RELEASE ${SAVEPOINT}`);
  } catch (cause) {
    throw transactionEnded(cause);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
