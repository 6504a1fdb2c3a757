import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { whole } from '../row.ts';
import type { AwaitingTable } from './awaiting.ts';
import type { Clients } from './clients.ts';
import type { EndingWaits } from './ending-waits.ts';
import type { PortionedWork } from './portions.ts';

/** Finishes what was being withdrawn when the last process ended. Must run before anything is counted. */
export function finishWithdrawing(database: DatabaseSync): void {
  database.exec(`
    BEGIN IMMEDIATE;
    INSERT INTO settled (seq, client_id, published_at_ms, state, at_ms)
      SELECT seq, client_id, published_at_ms, 'withdrawn', at_ms FROM withdrawing JOIN awaiting USING (client_id)
      WHERE seq <= up_to_seq;
    DELETE FROM awaiting WHERE seq IN
      (SELECT seq FROM withdrawing JOIN awaiting USING (client_id) WHERE seq <= up_to_seq);
    DELETE FROM withdrawing;
    COMMIT`);
}

/** Dependencies of withdrawing backlogs. */
export interface WithdrawingParts {
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly endingWaits: EndingWaits;
}

/**
 * SQL of backlogs that are withdrawn because of a deletion. That begins with the deletion, in its transaction, and goes on
 * in portions: one transaction for all of it would hold the main thread. Must run inside a transaction.
 */
export class WithdrawingTable implements PortionedWork {
  readonly #parts: WithdrawingParts;
  readonly #newest: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, parts: WithdrawingParts) {
    this.#parts = parts;
    this.#newest = database.prepare('SELECT max(seq) AS seq FROM awaiting WHERE client_id = ?');
    this.#upsert = database.prepare(
      `INSERT INTO withdrawing (client_id, up_to_seq, at_ms) VALUES (?, ?, ?)
       ON CONFLICT (client_id) DO UPDATE SET up_to_seq = excluded.up_to_seq, at_ms = excluded.at_ms`,
    );
    this.#delete = database.prepare('DELETE FROM withdrawing WHERE client_id = ?');
  }

  /** From here on nothing of what is awaiting goes anywhere, and whoever holds some of it has no say any more. */
  begin(clientId: string, atMs: number): void {
    const { awaiting, clients, endingWaits } = this.#parts;
    const client = clients.get(clientId);
    endingWaits.forget(clientId);
    if (client.awaiting === 0) return;
    awaiting.fence(client);
    const row = this.#newest.get(clientId);
    const withdrawing = { upToSeq: row === undefined ? 0 : whole(row, 'seq'), atMs };
    this.#upsert.run(clientId, withdrawing.upToSeq, atMs);
    clients.setWithdrawing(client, withdrawing);
  }

  unfinished(): string[] {
    const { list } = this.#parts.clients;
    return list.filter(({ withdrawing }) => withdrawing !== undefined).map(({ clientId }) => clientId);
  }

  doSome(clientId: string, limit: number): boolean {
    const { awaiting, clients } = this.#parts;
    const client = clients.get(clientId);
    if (client.withdrawing === undefined) return false;
    if (awaiting.withdraw(client, client.withdrawing, limit) === limit) return true;
    this.#delete.run(clientId);
    clients.setWithdrawing(client, undefined);
    return false;
  }
}
