import { open, rm } from 'node:fs/promises';
import { backup, type DatabaseSync } from 'node:sqlite';
import { sqliteCode } from './open.ts';
import { asStoreError, type WriteQueue } from './write-queue.ts';

// 1 MiB: writes wait for about as long as this takes to copy, and a busy store grows by less meanwhile.
const PAGES_PER_STEP = 256;

/**
 * Copies an open store into a new file of its own, readable for the owner only, while the store goes on. The copy is the
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
