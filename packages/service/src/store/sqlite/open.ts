import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, StartUpError, systemErrorCode } from '../../base/start-up-error.ts';
import { MIGRATIONS } from './schema.ts';

// Result codes of SQLite, https://www.sqlite.org/rescode.html; the low byte is the primary one.
/** Another process has the file locked. */
export const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;
// The default of 2 MiB holds less than the indexes of a busy store.
const CACHE_KIB = 16_384;
// 8 MiB of log: a checkpoint stops everything, for as long as this takes to write. More gave no throughput.
const CHECKPOINT_PAGES = 2_000;
/** Marks a file as a store of Tidings: "Tdng" in ASCII. */
export const APPLICATION_ID = 0x54_64_6e_67;

/**
 * Opens a store file for this process alone, makes it if it does not exist, and brings it to the newest schema. WAL with
 * `synchronous=NORMAL`: a commit is in the log when it returns, and on disk only once the log was synchronised, which is
 * the write queue's to do before it answers; checkpoints SQLite synchronises itself. The exclusive lock is the operating
 * system's, so it ends with the process however that ends.
 *
 * @param migrations the steps of the schema; a test may give others
 * @throws {StartUpError} when the file cannot be opened, is in use, is no store, or is of a newer version
 */
export function openDatabase(file: string, migrations = MIGRATIONS): DatabaseSync {
  const database = openFile(file);
  try {
    // No shared-memory file, and a second process fails at once because the store is in use.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec('PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY');
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    migrate(database, file, migrations);
    return database;
  } catch (error) {
    database.close();
    throw startUpErrorOf(error, file);
  }
}

function openFile(file: string): DatabaseSync {
  try {
    if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // A new file is readable by its owner only; SQLite gives its log the same permissions.
    if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600));
    return new DatabaseSync(file, { timeout: 0 });
  } catch (error) {
    const why = systemErrorCode(error) === 'ERR_SQLITE_ERROR' ? messageOf(error) : systemErrorCode(error);
    throw new StartUpError(
      `The store file ${file} cannot be opened (${why}); check "store.file" and the permissions of its folder.`,
    );
  }
}

function migrate(database: DatabaseSync, file: string, migrations: readonly string[]): void {
  const schema = pragma(database, 'user_version');
  // Other programs number their schemas as well; only the mark says that the number is ours.
  const isOurs = pragma(database, 'application_id') === APPLICATION_ID;
  if (!isOurs && (schema !== 0 || tablesIn(database) > 0)) {
    throw new StartUpError(`The file ${file} is a database, but not a store of Tidings; check "store.file".`);
  }
  if (schema > migrations.length) {
    throw new StartUpError(
      `The store file ${file} was written by a newer version of Tidings (schema ${schema}, this version knows ` +
        `${migrations.length}); start that version, or restore a backup made before the upgrade.`,
    );
  }
  database.exec('BEGIN IMMEDIATE');
  for (const step of migrations.slice(schema)) database.exec(step);
  database.exec(`PRAGMA user_version = ${migrations.length}; PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec('COMMIT');
}

/** SQL that inserts a row, given by the names of its columns. */
export function insertInto(table: string, columns: string): string {
  return `INSERT INTO ${table} (${columns}) VALUES (${columns.replaceAll(/\w+/g, ':$&')})`;
}

function pragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function tablesIn(database: DatabaseSync): number {
  return Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.['tables']);
}

function startUpErrorOf(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (code === SQLITE_BUSY) {
    return new StartUpError(`The store file ${file} is in use by another process; stop that one, or use another file.`);
  }
  if (code === SQLITE_NOTADB) {
    return new StartUpError(`The file ${file} is not a store of Tidings; check "store.file".`);
  }
  if (code !== undefined) return new StartUpError(`The store file ${file} cannot be used (${messageOf(error)}).`);
  return error;
}

/** The primary result code of an error of SQLite; undefined when it is another error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
