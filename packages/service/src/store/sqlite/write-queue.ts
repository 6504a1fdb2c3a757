import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { StoreError } from '../store.ts';
import { sqliteCode } from './open.ts';
import type { UndoLog } from './undo.ts';
import type { Wal } from './wal.ts';

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
 * Group commit: writes that arrive while the disk is waited for share the next transaction, and so the next wait. The main
 * thread does not wait: a write is answered when its transaction is on disk, and other work goes on until then. Each write
 * has a savepoint of its own: one that throws takes nothing of the others with it.
 */
export class WriteQueue {
  readonly #database: DatabaseSync;
  readonly #undo: UndoLog;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #wal: Wal;
  readonly #waiting: Write[] = [];
  #isScheduled = false;
  /** Committed, and not on disk yet. */
  #syncing: Promise<void> | undefined;
  /** The disk did not take what was committed: what it holds is not known until the store is opened again. */
  #broken: StoreError | undefined;

  /** @param undo what the writes changed in memory; it is rolled back with them */
  constructor(database: DatabaseSync, undo: UndoLog, wal: Wal) {
    this.#database = database;
    this.#wal = wal;
    this.#undo = undo;
    this.#savepoint = database.prepare('SAVEPOINT one_write');
    this.#release = database.prepare('RELEASE one_write');
  }

  /**
   * Runs a write in the next transaction.
   *
   * @returns what `work` returned, once it is on disk
   * @throws {StoreError} when the database refused; whatever `work` throws is passed on. When the disk failed, whether it
   *   was kept shows only after a restart, and nothing more is taken before
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

  /** Resolves when everything that was committed is on disk: nothing is sent of what a power cut could take back. */
  async synced(): Promise<void> {
    await this.#syncing;
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Commits what is waiting; for closing. */
  async end(): Promise<void> {
    await this.#syncing;
    while (this.#waiting.length > 0) await this.#writeOnce();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#syncing !== undefined || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#syncing === undefined) void this.#writeOnce();
    });
  }

  /** One transaction, and the wait for the disk. Never rejects. */
  async #writeOnce(): Promise<void> {
    const done = this.#commitOnce();
    if (done.length === 0) return this.#schedule();
    this.#syncing = this.#sync(done);
    await this.#syncing;
    this.#syncing = undefined;
    this.#schedule();
  }

  async #sync(done: readonly Write[]): Promise<void> {
    try {
      await this.#wal.sync();
    } catch (error) {
      this.#broken = new StoreError('the disk failed; restart the service when it is well', { cause: error });
      for (const write of done) write.failed(this.#broken);
      return;
    }
    for (const write of done) write.committed();
  }

  /** @returns the writes that are committed */
  #commitOnce(): readonly Write[] {
    const writes = this.#waiting.splice(0, WRITES_PER_COMMIT_MAX);
    if (writes.length === 0) return writes;
    try {
      if (this.#broken !== undefined) throw this.#broken;
      this.#database.exec('BEGIN IMMEDIATE');
      const done = writes.filter((write) => this.#runOne(write));
      this.#database.exec('COMMIT');
      this.#undo.clear();
      return done;
    } catch (error) {
      this.#rollBack();
      for (const write of writes) write.failed(error);
      return [];
    }
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
