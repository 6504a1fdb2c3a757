import { text, whole } from '../row.ts';
import type { Database, Transaction } from './database.ts';

/** Work on what a TPP has awaiting that one transaction begins, and others go on with until none is left. */
export interface PortionedWork {
  /** A table with a row for each TPP for which some is left. */
  readonly table: 'withdrawing' | 'ending_waits';
  /** SQL that does a portion and gives its `count`. $1: the TPP; $2: how many at most. */
  readonly statement: string;
  /** After a portion was committed. */
  onDone(clientId: string, left: 'more' | 'all'): void;
}

/**
 * Goes on with work on a backlog, one portion in a transaction: publishing and claiming go on beside it. Any instance may,
 * and several may be at the same one.
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

  /** Resolves when all is done, or the store is closed: another instance goes on then. */
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

  /** Goes on with what an instance left that is gone, or that the database refused. */
  async resume(): Promise<void> {
    const rows = await this.#database.read(`SELECT client_id FROM ${this.#work.table} ORDER BY client_id`);
    for (const row of rows) await this.finish(text(row, 'client_id'));
  }

  stop(): void {
    this.#isStopped = true;
  }
}
