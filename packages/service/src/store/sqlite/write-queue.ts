import { type FileHandle, open, rm } from 'node:fs/promises';
import { backup, type DatabaseSync } from 'node:sqlite';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { StoreError } from '../store.ts';
import { sqliteCode } from './open.ts';
import { datasync } from './sync-thread.ts';

interface Write {
  /** About how many notifications it changes. */
  readonly size: number;
  /** Does the work inside the open transaction; may be called again, in another one, when that one was rolled back. */
  run(): void;
  /** The transaction is on disk. */
  committed(): void;
  failed(error: unknown): void;
}

// Notifications that the writes of one commit change, about 10 ms of work: the main thread does nothing else meanwhile.
const SIZE_PER_COMMIT_MAX = 512;

/**
 * Group commit: writes that arrive while the disk is waited for share the next transaction, and so the next wait. The main
 * thread does not wait: a write is answered when its transaction is on disk, and other work continues until then. A write that
 * throws takes nothing of the others with it: the transaction is rolled back, and each is done again in one of its own. A
 * savepoint for each would spare that, but costs a copy of every page that is touched, and writes hardly ever throw.
 */
export class WriteQueue {
  readonly #database: DatabaseSync;
  readonly #undo: UndoLog;
  readonly #wal: Wal;
  readonly #waiting: Write[] = [];
  #isScheduled = false;
  /** Another thread works with the database: writes run when it says so. */
  #interleaved: Promise<unknown> | undefined;
  /** Committed, and not on disk yet. */
  #syncing: Promise<void> | undefined;
  /** The disk failed: what it holds is not known until the store is opened again. */
  #broken: StoreError | undefined;

  /** @param undo what the writes changed in memory; it is rolled back with them */
  constructor(database: DatabaseSync, undo: UndoLog, wal: Wal) {
    this.#database = database;
    this.#wal = wal;
    this.#undo = undo;
  }

  /**
   * Runs a write in one of the next transactions.
   *
   * @param size about how many notifications it changes
   * @param work changes the database, and in memory only what the undo log takes back: it may be done twice
   * @returns what `work` returned, once it is on disk
   * @throws {StoreError} when the database refused; whatever `work` throws is passed on. When the disk failed, whether it
   *   was kept shows only after a restart, and nothing more is taken before
   */
  run<T>(work: () => T, size = 1): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#waiting.push({
        size,
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

  /**
   * Lets another thread work with the database, during which writes must not run: until the work has ended they run only when
   * it calls `write`, at most one transaction each time.
   */
  async interleave<T>(work: (write: () => void) => Promise<T>): Promise<T> {
    if (this.#interleaved !== undefined) throw new Error('the database is worked with by another thread already');
    const working = work(() => {
      if (this.#syncing === undefined) void this.#writeOnce();
    });
    this.#interleaved = working;
    try {
      return await working;
    } finally {
      this.#interleaved = undefined;
      this.#schedule();
    }
  }

  /** Commits what is waiting; for closing. */
  async end(): Promise<void> {
    await this.#interleaved?.catch(() => undefined);
    await this.#syncing;
    while (this.#waiting.length > 0) await this.#writeOnce();
  }

  #schedule(): void {
    if (this.#interleaved !== undefined || this.#isScheduled || this.#syncing !== undefined) return;
    if (this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#syncing === undefined && this.#interleaved === undefined) void this.#writeOnce();
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
    const writes = this.#take();
    if (writes.length <= 1 || this.#broken !== undefined) return writes.filter((write) => this.#commitAlone(write));
    try {
      this.#commit(writes);
      return writes;
    } catch {
      return writes.filter((write) => this.#commitAlone(write));
    }
  }

  /** The oldest, and those behind it as far as they fit. */
  #take(): readonly Write[] {
    let size = 0;
    let count = 0;
    for (const write of this.#waiting) {
      size += write.size;
      if (count > 0 && size > SIZE_PER_COMMIT_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** @returns whether it is committed; otherwise the write is rejected */
  #commitAlone(write: Write): boolean {
    try {
      this.#commit([write]);
      return true;
    } catch (error) {
      write.failed(error);
      return false;
    }
  }

  /** All of them in one transaction, or nothing: what they changed in memory is taken back too. */
  #commit(writes: readonly Write[]): void {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const write of writes) write.run();
      this.#database.exec('COMMIT');
      this.#undo.clear();
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    // A database that was closed has no transaction, and would throw when it is asked.
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
    this.#undo.rollBack();
  }
}

/** Errors of SQLite, and of a closed one, become the store's; all others are a bug or an answer, and stay as they are. */
export function asStoreError(error: unknown): unknown {
  if (sqliteCode(error) === undefined && systemErrorCode(error) !== 'ERR_INVALID_STATE') return error;
  return new StoreError(error instanceof Error ? error.message : 'unknown', { cause: error });
}

/**
 * Takes changes in memory back when their transaction is rolled back: each change adds here how to undo it.
 */
export class UndoLog {
  readonly #steps: (() => void)[] = [];
  readonly #listeners: (() => void)[] = [];

  /** @param listener called after each rollback, for what is only a cache and is forgotten then */
  onRollBack(listener: () => void): void {
    this.#listeners.push(listener);
  }

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Takes back everything that was changed, the newest first. */
  rollBack(): void {
    while (this.#steps.length > 0) this.#steps.pop()?.();
    for (const listener of this.#listeners) listener();
  }

  /** The changes are on disk. */
  clear(): void {
    this.#steps.length = 0;
  }
}

/** Puts what was committed on disk. */
export interface Wal {
  /** Resolves when everything that was committed before the call is on disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The write-ahead log of an open database, to wait for the disk without blocking the main thread: SQLite itself would stop
 * everything while it waits. It still does so at a checkpoint, where the order in which things reach the disk is its own
 * business.
 *
 * @param file of the database; `:memory:` has no log, and nothing to wait for
 */
export function openWal(file: string): Wal {
  // Opened when it is first needed: SQLite makes it at the first write, and keeps it until the database is closed.
  let handle: Promise<FileHandle> | undefined;
  return {
    sync: async () => {
      if (file === ':memory:') return;
      // A file that is only read could not be flushed on Windows.
      handle ??= open(`${file}-wal`, 'r+');
      await datasync((await handle).fd);
    },
    close: async () => {
      await (await handle?.catch(() => undefined))?.close();
    },
  };
}

// 1 MiB: writes wait for about as long as this takes to copy, and a busy store grows by less meanwhile.
const PAGES_PER_STEP = 256;

/**
 * Copies an open store into a new file of its own, readable for the owner only, while the store is in use. The copy is the
 * store as it was at one moment, near the end, whole and without a log beside it. Writes run between two steps of the
 * copying and never beside one: SQLite copies in another thread on the same connection, the exclusive lock leaving no other.
 *
 * @param file must not exist; it is taken away again when the copying fails
 * @param signal ends it early
 * @throws {StoreError} when the disk or the database refuse; the reason of the signal, when it aborted
 */
export async function backUpDatabase(
  database: DatabaseSync,
  writes: WriteQueue,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  await (await open(file, 'wx', 0o600)).close();
  try {
    await writes.interleave(async (write) => {
      const progress = () => {
        signal.throwIfAborted();
        write();
      };
      await backup(database, file, { rate: PAGES_PER_STEP, progress });
    });
    signal.throwIfAborted();
  } catch (error) {
    await Promise.all([file, `${file}-journal`].map((name) => rm(name, { force: true })));
    throw sqliteCode(error) === undefined ? error : asStoreError(error);
  }
}
