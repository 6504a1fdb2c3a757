import { unlessAborted } from '../unless-aborted.ts';
import { claimableSql, IS_LATE_SQL } from './claim-sql.ts';
import { newerSchema, transactionEnded } from './inbox-error.ts';
import type {
  AttemptOutcome,
  Claim,
  ClaimRequest,
  DeadLetterPage,
  InboxStore,
  NotificationToStore,
} from './inbox-store.ts';
import { inTransaction, type PostgresClient, type PostgresPool } from './postgres-pool.ts';
import { POSTGRES_SCHEMA, POSTGRES_SCHEMA_VERSION } from './postgres-schema.ts';
import { COLUMNS, claimedOf, deadLetterOf, isRowId, number, numberOrUndefined } from './rows.ts';

/** Options of {@link openPostgresInboxStore}. */
export interface PostgresInboxStoreOptions<Client extends PostgresClient> {
  /**
   * A pool of the package `pg`, of the database that the handler writes to. Each notification in progress occupies a
   * connection: have more than `concurrency`. `close` does not end the pool.
   */
  readonly pool: PostgresPool<Client>;
}

/**
 * Opens an inbox in PostgreSQL 13 or later, whose tables `tidings_inbox` and `tidings_inbox_version` it creates in the
 * first schema of the `search_path`. Any number of processes may share it: a notification is leased to one of them, and its
 * row is locked while the handler's transaction is open. Works through PgBouncer in transaction mode.
 *
 * `synchronous_commit` must not be off, or a crash of the database loses what was acknowledged.
 *
 * @throws {InboxError} newer_schema
 */
export async function openPostgresInboxStore<Client extends PostgresClient>(
  options: PostgresInboxStoreOptions<Client>,
): Promise<InboxStore<Client>> {
  await migrate(options.pool);
  return new PostgresInboxStore(options.pool);
}

// Any number: the name of the lock. Advisory locks are per database.
const MIGRATION_LOCK = 7_410_251;
const CLAIM_LOCK = 7_410_252;

async function migrate(pool: PostgresPool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query('CREATE TABLE IF NOT EXISTS tidings_inbox_version (version integer NOT NULL)');
    const { rows } = await client.query('SELECT version FROM tidings_inbox_version');
    const version = rows[0] === undefined ? 0 : number(rows[0], 'version');
    if (version > POSTGRES_SCHEMA_VERSION) throw newerSchema(version);
    if (version < POSTGRES_SCHEMA_VERSION) {
      await client.query(POSTGRES_SCHEMA);
      await client.query('INSERT INTO tidings_inbox_version (version) VALUES ($1)', [POSTGRES_SCHEMA_VERSION]);
    }
    return { commit: undefined };
  });
}

const INSERT = `INSERT INTO tidings_inbox
  (key, issuer, jti, resource, toe, claims, token, interaction_id, received_at_ms, due_at_ms)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (key) DO NOTHING`;

const claimSql = (order: ClaimRequest['order']) => `WITH due AS MATERIALIZED (
    ${claimableSql(order, { now: '$1', limit: '$2' }, 'FOR UPDATE OF n SKIP LOCKED')})
  UPDATE tidings_inbox SET attempts = attempts + 1, lease = $3, due_at_ms = $4 FROM due WHERE tidings_inbox.id = due.id
  RETURNING ${COLUMNS.split(', ')
    .map((column) => `tidings_inbox.${column}`)
    .join(', ')}, ${IS_LATE_SQL}`;

const HELD = `id = $1 AND lease = $2 AND state = 'waiting'`;
// Named by its transaction: a handler that commits and begins another one is found out.
const TRANSACTION = 'pg_current_xact_id()::text';

class PostgresInboxStore<Client extends PostgresClient> implements InboxStore<Client> {
  readonly #pool: PostgresPool<Client>;

  constructor(pool: PostgresPool<Client>) {
    this.#pool = pool;
  }

  async add(notification: NotificationToStore): Promise<'stored' | 'duplicate'> {
    const { key, issuer, jti, resource, toeSeconds, claims, set, interactionId, receivedAtMs, dueAtMs } = notification;
    const values = [key, issuer, jti, resource, toeSeconds, claims, set, interactionId, receivedAtMs, dueAtMs];
    return (await this.#change(INSERT, values)) ? 'stored' : 'duplicate';
  }

  async claim({ nowMs, leaseUntilMs, lease, limit, order }: ClaimRequest) {
    const values = [nowMs, limit, lease, leaseUntilMs];
    const { rows } =
      order === 'none'
        ? await this.#pool.query(claimSql(order), values)
        : await inTransaction(this.#pool, async (client) => {
            // One claim at a time: each sees what the one before has leased.
            await client.query('SELECT pg_advisory_xact_lock($1)', [CLAIM_LOCK]);
            return { commit: await client.query(claimSql(order), values) };
          });
    return rows.map((row) => claimedOf(row, lease)).sort((a, b) => Number(a.id) - Number(b.id));
  }

  async renew(claims: readonly Claim[], leaseUntilMs: number): Promise<void> {
    // A row that is locked belongs to a handler's transaction, which protects it by itself.
    const sql = `UPDATE tidings_inbox SET due_at_ms = $1 WHERE id IN (
      SELECT n.id FROM tidings_inbox n JOIN unnest($2::bigint[], $3::text[]) AS held (id, lease)
        ON n.id = held.id AND n.lease = held.lease WHERE n.state = 'waiting' ORDER BY n.id FOR UPDATE OF n SKIP LOCKED)`;
    await this.#pool.query(sql, [leaseUntilMs, claims.map(({ id }) => id), claims.map(({ lease }) => lease)]);
  }

  async handle(
    { id, lease }: Claim,
    nowMs: number,
    work: (transaction: Client) => unknown,
    signal: AbortSignal,
  ): Promise<'handled' | 'lost'> {
    return await inTransaction<Client, 'handled' | 'lost'>(this.#pool, async (client) => {
      const locked = `SELECT ${TRANSACTION} AS transaction FROM tidings_inbox WHERE ${HELD} FOR UPDATE`;
      const [row] = (await client.query(locked, [id, lease])).rows;
      if (row === undefined) return { rollBack: 'lost' };
      await unlessAborted(Promise.resolve(work(client)), signal);
      const mark = `UPDATE tidings_inbox SET state = 'handled', settled_at_ms = $3, lease = NULL, reason = NULL
        WHERE ${HELD} AND ${TRANSACTION} = $4`;
      const { rowCount } = await client.query(mark, [id, lease, nowMs, row['transaction']]);
      if (rowCount !== 1) throw transactionEnded();
      return { commit: 'handled' };
    });
  }

  async fail({ id, lease }: Claim, outcome: AttemptOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'retry': {
        const sql = `UPDATE tidings_inbox SET lease = NULL, due_at_ms = $3, reason = $4 WHERE ${HELD}`;
        return void (await this.#pool.query(sql, [id, lease, outcome.dueAtMs, outcome.reason]));
      }
      case 'dead': {
        const sql = `UPDATE tidings_inbox SET state = 'dead', lease = NULL, settled_at_ms = $3, reason = $4 WHERE ${HELD}`;
        return void (await this.#pool.query(sql, [id, lease, outcome.nowMs, outcome.reason]));
      }
      case 'released': {
        const sql = `UPDATE tidings_inbox SET lease = NULL, due_at_ms = $3, attempts = attempts - 1 WHERE ${HELD}`;
        return void (await this.#pool.query(sql, [id, lease, outcome.dueAtMs]));
      }
    }
  }

  async deadLetters({ limit, after = '0' }: DeadLetterPage) {
    const sql = `SELECT ${COLUMNS}, reason, settled_at_ms FROM tidings_inbox WHERE state = 'dead' AND id > $1
      ORDER BY id LIMIT $2`;
    const { rows } = await this.#pool.query(sql, [isRowId(after) ? after : '0', limit]);
    return rows.map(deadLetterOf);
  }

  async redeliver(id: string, nowMs: number): Promise<boolean> {
    const sql = `UPDATE tidings_inbox SET state = 'waiting', attempts = 0, due_at_ms = $2, settled_at_ms = NULL
      WHERE id = $1 AND state = 'dead'`;
    return isRowId(id) && (await this.#change(sql, [id, nowMs]));
  }

  async discard(id: string, nowMs: number): Promise<boolean> {
    const sql = `UPDATE tidings_inbox SET state = 'discarded', settled_at_ms = $2 WHERE id = $1 AND state = 'dead'`;
    return isRowId(id) && (await this.#change(sql, [id, nowMs]));
  }

  async counts(limit: number) {
    const counted = (state: string) =>
      `(SELECT count(*) FROM (SELECT 1 FROM tidings_inbox WHERE state = '${state}' LIMIT $1) AS counted)`;
    const sql = `SELECT ${counted('waiting')} AS waiting, ${counted('dead')} AS dead,
      (SELECT min(toe) FROM tidings_inbox WHERE state = 'waiting') AS toe`;
    const [row] = (await this.#pool.query(sql, [limit])).rows;
    return {
      waiting: number(row, 'waiting'),
      dead: number(row, 'dead'),
      oldestWaitingToeSeconds: numberOrUndefined(row, 'toe'),
    };
  }

  async purge(settledBeforeMs: number, limit: number): Promise<number> {
    const sql = `DELETE FROM tidings_inbox WHERE id IN (SELECT id FROM tidings_inbox
      WHERE state IN ('handled', 'discarded') AND settled_at_ms < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`;
    return (await this.#pool.query(sql, [settledBeforeMs, limit])).rowCount ?? 0;
  }

  async close(): Promise<void> {
    // The pool belongs to the caller.
  }

  async #change(sql: string, values: unknown[]): Promise<boolean> {
    return ((await this.#pool.query(sql, values)).rowCount ?? 0) > 0;
  }
}
