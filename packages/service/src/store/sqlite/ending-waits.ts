import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { text, whole } from '../row.ts';
import type { AwaitingTable } from './awaiting.ts';
import type { Clients } from './clients.ts';
import type { PortionedWork } from './portions.ts';
import type { UndoLog } from './undo.ts';

/** Dependencies of ending waits. */
export interface EndingWaitsParts {
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly undo: UndoLog;
}

/**
 * SQL of retries that need wait no longer, since a new round has begun: of each TPP all that failed in a round before. The
 * first of them end with the change that begins the round, the others in portions. Must run inside a transaction.
 */
export class EndingWaits implements PortionedWork {
  readonly #parts: EndingWaitsParts;
  readonly #portion: number;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  /** The round before which they failed, where some are left. */
  readonly #rounds = new Map<string, number>();

  /** @param portion how many end with the change itself, at most */
  constructor(database: DatabaseSync, parts: EndingWaitsParts, portion: number) {
    this.#parts = parts;
    this.#portion = portion;
    this.#upsert = database.prepare(
      `INSERT INTO ending_waits (client_id, before_round) VALUES (?, ?)
       ON CONFLICT (client_id) DO UPDATE SET before_round = excluded.before_round`,
    );
    this.#delete = database.prepare('DELETE FROM ending_waits WHERE client_id = ?');
    for (const row of database.prepare('SELECT client_id, before_round FROM ending_waits').all()) {
      this.#rounds.set(text(row, 'client_id'), whole(row, 'before_round'));
    }
  }

  /** Retries take their old places. @param round the one that begins */
  begin(clientId: string, round: number): void {
    const { awaiting, clients } = this.#parts;
    if (awaiting.endWaits(clients.get(clientId), round, this.#portion) < this.#portion) this.forget(clientId);
    else {
      this.#upsert.run(clientId, round);
      this.#keep(clientId, round);
    }
  }

  /** All that waits is withdrawn. */
  forget(clientId: string): void {
    if (!this.#rounds.has(clientId)) return;
    this.#delete.run(clientId);
    this.#keep(clientId, undefined);
  }

  unfinished(): string[] {
    return [...this.#rounds.keys()];
  }

  doSome(clientId: string, limit: number): boolean {
    const { awaiting, clients } = this.#parts;
    const round = this.#rounds.get(clientId);
    if (round === undefined) return false;
    if (awaiting.endWaits(clients.get(clientId), round, limit) === limit) return true;
    this.forget(clientId);
    return false;
  }

  #keep(clientId: string, round: number | undefined): void {
    const before = this.#rounds.get(clientId);
    this.#put(clientId, round);
    this.#parts.undo.add(() => this.#put(clientId, before));
  }

  #put(clientId: string, round: number | undefined): void {
    if (round === undefined) this.#rounds.delete(clientId);
    else this.#rounds.set(clientId, round);
  }
}
