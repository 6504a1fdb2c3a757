import { text, whole } from '../row.ts';
import type { Database, Transaction } from './database.ts';
import { fenceLeased, intoHistory } from './moves.ts';

/** Backlogs that are being withdrawn, and since when: all that a TPP had awaiting up to a place in the order of publishing. */
export const WITHDRAWING_SCHEMA = `
  CREATE TABLE withdrawing (
    client_id text COLLATE "C" PRIMARY KEY,
    up_to_seq bigint NOT NULL,
    at_ms     bigint NOT NULL
  )`;

/**
 * Begins to withdraw what is awaiting of a TPP, within the deletion that is the reason: from then on nothing of it goes
 * anywhere, and whoever holds some of it has no say any more. One statement for all of it would hold up publishing for the
 * TPP as long as it takes. Nothing is published for the TPP meanwhile, so that whatever is later has a greater number.
 */
export async function beginWithdrawing(transaction: Transaction, clientId: string, nowMs: number): Promise<void> {
  await transaction.query(
    `INSERT INTO withdrawing (client_id, up_to_seq, at_ms)
     SELECT $1::text, nextval('notification_seq'), $2::bigint
     WHERE EXISTS (SELECT 1 FROM notification WHERE client_id = $1)
     ON CONFLICT (client_id) DO UPDATE SET up_to_seq = excluded.up_to_seq, at_ms = excluded.at_ms`,
    [clientId, nowMs],
  );
  await fenceLeased(transaction, clientId, nowMs);
}

const MARKER = 'FROM withdrawing WHERE client_id = $1';

const WITHDRAW = `
  WITH picked AS MATERIALIZED (
    SELECT jti FROM notification WHERE client_id = $1 AND seq <= (SELECT up_to_seq ${MARKER})
    ORDER BY is_retry, due_at_ms, seq LIMIT $2::int),
  sorted AS MATERIALIZED (
    SELECT n.jti FROM notification n JOIN picked ON picked.jti = n.jti ORDER BY n.jti FOR UPDATE OF n),
  gone AS (DELETE FROM notification n USING sorted WHERE n.jti = sorted.jti RETURNING n.*),
  kept AS (${intoHistory({ state: 'withdrawn' }, `(SELECT at_ms ${MARKER})`)})
  SELECT count(*) AS count FROM picked`;

function withdrawSome(database: Database, clientId: string, limit: number): Promise<'more' | 'all' | 'none'> {
  return database.transaction(
    async (transaction) => {
      // A statement of its own: the next one sees all that was committed before a deletion that this one waited for.
      const marker = transaction.query(`SELECT 1 ${MARKER} FOR UPDATE`, [clientId]);
      const [, [row]] = await Promise.all([marker, transaction.query(WITHDRAW, [clientId, limit])]);
      if (row !== undefined && whole(row, 'count') === limit) return 'more';
      const ended = await transaction.query(`DELETE ${MARKER} RETURNING 1`, [clientId]);
      return ended.length > 0 ? 'all' : 'none';
    },
    { isBulk: true },
  );
}

/** Withdraws backlogs, one portion in a transaction; any instance may, and several may be at the same one. */
export class Withdrawer {
  readonly #database: Database;
  readonly #portion: number;
  readonly #onWithdrawn: (clientId: string) => void;
  #isStopped = false;

  /** @param onWithdrawn told of TPPs whose later notifications may be claimed now */
  constructor(database: Database, portion: number, onWithdrawn: (clientId: string) => void) {
    this.#database = database;
    this.#portion = portion;
    this.#onWithdrawn = onWithdrawn;
  }

  /** Resolves when all is withdrawn, or the store is closed: another instance goes on then. */
  async finish(clientId: string): Promise<void> {
    while (!this.#isStopped) {
      const left = await withdrawSome(this.#database, clientId, this.#portion);
      if (left === 'all') this.#onWithdrawn(clientId);
      if (left !== 'more') return;
    }
  }

  /** Goes on with what an instance left that is gone, or that the database refused. */
  async resume(): Promise<void> {
    const rows = await this.#database.read('SELECT client_id FROM withdrawing ORDER BY client_id');
    for (const row of rows) await this.finish(text(row, 'client_id'));
  }

  stop(): void {
    this.#isStopped = true;
  }
}
