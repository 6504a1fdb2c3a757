import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { text, whole } from '../rows.ts';
import type { Clients } from './claim-queue.ts';
import type { AwaitingTable } from './settle.ts';
import type { UndoLog, WriteQueue } from './write-queue.ts';

/** Work on the backlog of a TPP that one transaction begins, and further ones continue until none is left. */
export interface PortionedWork {
  /** TPPs for which some is left. */
  unfinished(): string[];
  /** Must run inside a transaction. @param limit how many rows at most @returns whether there is more */
  doSome(clientId: string, limit: number): boolean;
}

/**
 * Works on backlogs, one portion in each transaction: all of it in one would block the main thread. What is left when the
 * process ends, the next one finds in the store.
 */
export class Portions {
  readonly #work: PortionedWork;
  readonly #writes: WriteQueue;
  readonly #portion: number;
  readonly #onPortion: (clientId: string) => void;
  readonly #underWay = new Set<string>();
  #isStopped = false;

  /** @param onPortion called after each portion */
  constructor(
    work: PortionedWork,
    writes: WriteQueue,
    portion: number,
    onPortion: (clientId: string) => void = () => undefined,
  ) {
    this.#work = work;
    this.#writes = writes;
    this.#portion = portion;
    this.#onPortion = onPortion;
  }

  /** Resolves when all is done, it is stopped, or the database refused; {@link resume} continues then. */
  async finish(clientId: string): Promise<void> {
    this.#underWay.add(clientId);
    try {
      for (let isMore = true; isMore && !this.#isStopped; ) {
        isMore = await this.#writes.run(() => this.#work.doSome(clientId, this.#portion));
        this.#onPortion(clientId);
      }
    } catch {
      // It is taken up again.
    } finally {
      this.#underWay.delete(clientId);
    }
  }

  /** Continues what was begun, or what the database refused, in the background. */
  resume(): void {
    for (const clientId of this.#work.unfinished()) {
      if (!this.#underWay.has(clientId)) void this.finish(clientId);
    }
  }

  /** Stops after the portion under way; the process that opens the store next continues. */
  stop(): void {
    this.#isStopped = true;
  }
}

/** Finishes what was being withdrawn when the last process ended. Must run before anything is counted. */
export function finishWithdrawing(database: DatabaseSync): void {
  database.exec(`
    BEGIN IMMEDIATE;
    INSERT INTO settled (seq, client_id, published_at_ms, state, settled_at_ms)
      SELECT seq, client_id, published_at_ms, 'withdrawn', at_ms FROM withdrawing JOIN awaiting USING (client_id)
      WHERE seq <= up_to_seq;
    DELETE FROM awaiting WHERE seq IN
      (SELECT seq FROM withdrawing JOIN awaiting USING (client_id) WHERE seq <= up_to_seq);
    DELETE FROM withdrawing;
    COMMIT`);
}

/** Dependencies of withdrawing backlogs. */
export interface WithdrawingDependencies {
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly endingWaits: EndingWaits;
}

/**
 * SQL of backlogs that are withdrawn because of a deletion. That begins with the deletion, in its transaction, and continues
 * in portions: one transaction for all of it would block the main thread. Must run inside a transaction.
 */
export class WithdrawingTable implements PortionedWork {
  readonly #dependencies: WithdrawingDependencies;
  readonly #newest: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, dependencies: WithdrawingDependencies) {
    this.#dependencies = dependencies;
    this.#newest = database.prepare('SELECT max(seq) AS seq FROM awaiting WHERE client_id = ?');
    this.#upsert = database.prepare(
      `INSERT INTO withdrawing (client_id, up_to_seq, at_ms) VALUES (?, ?, ?)
       ON CONFLICT (client_id) DO UPDATE SET up_to_seq = excluded.up_to_seq, at_ms = excluded.at_ms`,
    );
    this.#delete = database.prepare('DELETE FROM withdrawing WHERE client_id = ?');
  }

  /** From here on nothing that is awaiting is delivered, and leases of it are fenced. */
  begin(clientId: string, atMs: number): void {
    const { awaiting, clients, endingWaits } = this.#dependencies;
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
    const { list } = this.#dependencies.clients;
    return list.filter(({ withdrawing }) => withdrawing !== undefined).map(({ clientId }) => clientId);
  }

  doSome(clientId: string, limit: number): boolean {
    const { awaiting, clients } = this.#dependencies;
    const client = clients.get(clientId);
    if (client.withdrawing === undefined) return false;
    if (awaiting.withdraw(client, client.withdrawing, limit) === limit) return true;
    this.#delete.run(clientId);
    clients.setWithdrawing(client, undefined);
    return false;
  }
}

/** Dependencies of ending waits. */
export interface EndingWaitsDependencies {
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly undo: UndoLog;
}

/**
 * SQL of retries that need wait no longer, since a new round has begun: of each TPP all that failed in a round before. The
 * first of them end with the change that begins the round, the others in portions. Must run inside a transaction.
 */
export class EndingWaits implements PortionedWork {
  readonly #dependencies: EndingWaitsDependencies;
  readonly #portion: number;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  /** The round before which they failed, where some are left. */
  readonly #rounds = new Map<string, number>();

  /** @param portion how many end with the change itself, at most */
  constructor(database: DatabaseSync, dependencies: EndingWaitsDependencies, portion: number) {
    this.#dependencies = dependencies;
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

  /** Requeues retries at their original positions. @param round the one that begins */
  begin(clientId: string, round: number): void {
    const { awaiting, clients } = this.#dependencies;
    if (awaiting.endWaits(clients.get(clientId), round, this.#portion) < this.#portion) this.forget(clientId);
    else {
      this.#upsert.run(clientId, round);
      this.#keep(clientId, round);
    }
  }

  /** Everything that waits is withdrawn: there is nothing left to end. */
  forget(clientId: string): void {
    if (!this.#rounds.has(clientId)) return;
    this.#delete.run(clientId);
    this.#keep(clientId, undefined);
  }

  unfinished(): string[] {
    return [...this.#rounds.keys()];
  }

  doSome(clientId: string, limit: number): boolean {
    const { awaiting, clients } = this.#dependencies;
    const round = this.#rounds.get(clientId);
    if (round === undefined) return false;
    if (awaiting.endWaits(clients.get(clientId), round, limit) === limit) return true;
    this.forget(clientId);
    return false;
  }

  #keep(clientId: string, round: number | undefined): void {
    const before = this.#rounds.get(clientId);
    this.#put(clientId, round);
    this.#dependencies.undo.add(() => this.#put(clientId, before));
  }

  #put(clientId: string, round: number | undefined): void {
    if (round === undefined) this.#rounds.delete(clientId);
    else this.#rounds.set(clientId, round);
  }
}
