import { type FileHandle, open } from 'node:fs/promises';

/** Puts what was committed on disk. */
export interface Wal {
  /** Resolves when everything that was committed before the call is on disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The write-ahead log of an open database, to wait for the disk beside the main thread: SQLite itself would stop
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
      await (await handle).datasync();
    },
    close: async () => {
      await (await handle?.catch(() => undefined))?.close();
    },
  };
}
