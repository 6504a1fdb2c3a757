import { text, whole } from '../rows.ts';
import type { Database, Transaction } from './database.ts';
import { fenceLeased, settleSql, withdrawnUpTo } from './settle.ts';

/** Work on the backlog of a TPP that one transaction begins, and further ones continue until none is left. */
export interface PortionedWork {
  /** A table with a row for each TPP for which some is left. */
  readonly table: 'withdrawing' | 'ending_waits';
  /** SQL that does a portion and gives its `count`. $1: the TPP; $2: how many at most. */
  readonly statement: string;
  /** After a portion was committed. */
  onDone(clientId: string, left: 'more' | 'all'): void;
}

/**
 * Works on backlogs, one portion in each transaction: publishing and claiming continue meanwhile. Any instance may do so, and
 * several may work on the same backlog.
 */
export class Portions {
  readonly #database: Database;
  readonly #portion: number;
  readonly #work: PortionedWork;
  #isStopped = false;

  constructor(database: Database, portion: number, work: PortionedWork) {
    this.#database = database;
    this.#portion = portion;
    this.#work = work;
  }

  /** Resolves when all is done, or the store is closed: another instance continues then. */
  async finish(clientId: string): Promise<void> {
    while (!this.#isStopped) {
      const left = await this.#database.transaction((transaction) => this.#doSome(transaction, clientId), {
        isBulk: true,
      });
      if (left === 'none') return;
      this.#work.onDone(clientId, left);
      if (left === 'all') return;
    }
  }

  async #doSome(transaction: Transaction, clientId: string): Promise<'more' | 'all' | 'none'> {
    const { table, statement } = this.#work;
    // A statement of its own: the next one sees all that was committed before a change that this one waited for.
    const rows = await transaction.query(`SELECT 1 FROM ${table} WHERE client_id = $1 FOR UPDATE`, [clientId]);
    if (rows.length === 0) return 'none';
    const [row] = await transaction.query(statement, [clientId, this.#portion]);
    if (row !== undefined && whole(row, 'count') === this.#portion) return 'more';
    await transaction.last(`DELETE FROM ${table} WHERE client_id = $1`, [clientId]);
    return 'all';
  }

  /** Continues what another instance left, or what failed here. */
  async resume(): Promise<void> {
    const rows = await this.#database.query(`SELECT client_id FROM ${this.#work.table} ORDER BY client_id`);
    for (const row of rows) await this.finish(text(row, 'client_id'));
  }

  stop(): void {
    this.#isStopped = true;
  }
}

/**
 * Begins to withdraw the backlog of a TPP, within the deletion that is the reason. From then on nothing of it is delivered, and
 * leases of it are fenced. One statement for all of it would block publishing for the TPP as long as it takes. Nothing is
 * published for the TPP meanwhile, so that later notifications have greater sequence numbers.
 */
export async function beginWithdrawing(transaction: Transaction, clientId: string, nowMs: number): Promise<void> {
  await transaction.query(
    `INSERT INTO withdrawing (client_id, up_to_seq, at_ms)
     SELECT $1::text, nextval('notification_seq'), $2::bigint
     WHERE EXISTS (SELECT 1 FROM notification WHERE client_id = $1)
     ON CONFLICT (client_id) DO UPDATE SET up_to_seq = excluded.up_to_seq, at_ms = excluded.at_ms`,
    [clientId, nowMs],
  );
  await fenceLeased(transaction, clientId);
  await forgetEndingWaits(transaction, clientId);
}

const WITHDRAWING = 'FROM withdrawing WHERE client_id = $1';

/** A portion of a backlog. $1: the TPP; $2: how many at most. */
export const WITHDRAW_SOME = `
  WITH picked AS MATERIALIZED (
    SELECT jti FROM notification WHERE client_id = $1 AND seq <= (SELECT up_to_seq ${WITHDRAWING})
    ORDER BY is_retry, due_at_ms, seq LIMIT $2::int),
  sorted AS MATERIALIZED (
    SELECT n.jti FROM notification n JOIN picked ON picked.jti = n.jti ORDER BY n.jti FOR UPDATE OF n),
  gone AS (DELETE FROM notification n USING sorted WHERE n.jti = sorted.jti RETURNING n.*),
  kept AS (${settleSql({ state: 'withdrawn' }, `(SELECT at_ms ${WITHDRAWING})`)})
  SELECT count(*) AS count FROM picked`;

/** SQL that requeues a portion of retries at their original positions. Rows that another transaction has locked are skipped. */
function endSome(round: string): string {
  return `
  WITH waiting AS MATERIALIZED (
    SELECT jti FROM notification WHERE client_id = $1 AND is_retry AND NOT is_leased AND round < (${round})
      AND seq > ${withdrawnUpTo('$1')}
    ORDER BY due_at_ms, seq LIMIT $2::int FOR UPDATE SKIP LOCKED),
  ended AS (
    UPDATE notification n SET is_retry = false, due_at_ms = published_at_ms FROM waiting WHERE n.jti = waiting.jti)
  SELECT count(*) AS count FROM waiting`;
}

const ROUND_NOW = 'SELECT t.round FROM target t WHERE t.client_id = $1';
const ENDING_WAITS = 'FROM ending_waits WHERE client_id = $1';
const END_FIRST = endSome(ROUND_NOW);
/** A portion of them. $1: the TPP; $2: how many at most. */
export const END_SOME_WAITS = endSome(`SELECT before_round ${ENDING_WAITS}`);

/**
 * Ends the waits of retries, since a new round has begun within this transaction: they are requeued at their original
 * positions. The first portion at once, the others later: one statement for all would block publishing for the TPP as long
 * as it takes.
 */
export async function beginEndingWaits(transaction: Transaction, clientId: string, portion: number): Promise<void> {
  const [row] = await transaction.query(END_FIRST, [clientId, portion]);
  if (row === undefined || whole(row, 'count') < portion) return;
  await transaction.query(
    `INSERT INTO ending_waits (client_id, before_round) SELECT t.client_id, t.round FROM target t WHERE t.client_id = $1
     ON CONFLICT (client_id) DO UPDATE SET before_round = excluded.before_round`,
    [clientId],
  );
}

/** Everything that waits is withdrawn: there is nothing left to end. */
async function forgetEndingWaits(transaction: Transaction, clientId: string): Promise<void> {
  await transaction.query(`DELETE ${ENDING_WAITS}`, [clientId]);
}
