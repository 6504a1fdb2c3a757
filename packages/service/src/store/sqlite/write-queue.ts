import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { StoreError } from '../store.ts';
import { sqliteCode } from './open.ts';
import type { UndoLog } from './undo.ts';

interface Write {
  /** Does the work inside the open transaction. */
  run(): void;
  /** The transaction is on disk. */
  committed(): void;
  failed(error: unknown): void;
}

// Bounds how long one commit holds the main thread.
const WRITES_PER_COMMIT_MAX = 256;

/**
 * Group commit: writes that arrive while one turn of the event loop runs share one transaction, and so one wait for the
 * disk. Each write has a savepoint of its own: one that throws takes nothing of the others with it.
 */
export class WriteQueue {
  readonly #database: DatabaseSync;
  readonly #undo: UndoLog;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #waiting: Write[] = [];
  #scheduled = false;

  /** @param undo what the writes changed in memory; it is rolled back with them */
  constructor(database: DatabaseSync, undo: UndoLog) {
    this.#database = database;
    this.#undo = undo;
    this.#savepoint = database.prepare('SAVEPOINT one_write');
    this.#release = database.prepare('RELEASE one_write');
  }

  /**
   * Runs a write in the next transaction.
   *
   * @returns what `work` returned, once it is on disk
   * @throws {StoreError} when the database refused; whatever `work` throws is passed on
   */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#waiting.push({
        run: () => {
          result = work();
        },
        committed: () => resolve(result),
        failed: (error) => reject(asStoreError(error)),
      });
      this.#schedule();
    });
  }

  /** Commits what is waiting, at once; for closing. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commitOnce();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commitOnce();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #commitOnce(): void {
    const writes = this.#waiting.splice(0, WRITES_PER_COMMIT_MAX);
    if (writes.length === 0) return;
    let done: Write[];
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      done = writes.filter((write) => this.#runOne(write));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      for (const write of writes) write.failed(error);
      return;
    }
    this.#undo.clear();
    for (const write of done) write.committed();
  }

  /** @returns whether the write is part of the transaction */
  #runOne(write: Write): boolean {
    const mark = this.#undo.mark();
    this.#savepoint.run();
    try {
      write.run();
      this.#release.run();
      return true;
    } catch (error) {
      // Some errors (a full disk) end the whole transaction: then every write in it fails, for this reason.
      if (!this.#database.isTransaction) throw error;
      this.#database.exec('ROLLBACK TO one_write');
      this.#release.run();
      this.#undo.rollBackTo(mark);
      write.failed(error);
      return false;
    }
  }

  #rollBack(): void {
    // A database that was closed has no transaction, and would throw when it is asked.
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
    this.#undo.rollBackTo(0);
  }
}

/** Errors of SQLite, and of a closed one, become the store's; all others are a bug or an answer, and stay as they are. */
export function asStoreError(error: unknown): unknown {
  if (sqliteCode(error) === undefined && systemErrorCode(error) !== 'ERR_INVALID_STATE') return error;
  return new StoreError(error instanceof Error ? error.message : 'unknown', { cause: error });
}
