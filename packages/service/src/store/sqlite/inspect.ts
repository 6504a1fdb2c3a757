import { closeSync, existsSync, openSync, readSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { APPLICATION_ID, SQLITE_BUSY, sqliteCode } from './open.ts';
import { MIGRATIONS } from './schema.ts';

/** Facts about a store file that can be read from outside. */
export type StoreFile =
  | { readonly kind: 'absent' | 'in-use' | 'not-a-store' }
  | { readonly kind: 'damaged'; readonly why: string }
  | {
      readonly kind: 'store';
      readonly schema: number;
      /** The schema that this version brings it to. */
      readonly newest: number;
      /** Findings of SQLite's quick check; empty: none. Undefined: it was not asked for. */
      readonly faults: readonly string[] | undefined;
    };

// https://www.sqlite.org/fileformat.html#the_database_header
const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;
const FAULTS_MAX = 5;

/**
 * Inspects a store file without changing or locking it: a service that runs on it, or starts meanwhile, is not disturbed.
 *
 * A service holds an exclusive lock on its file and has a log (`-wal`) next to it until it ends. Without that log the file is
 * complete and not in use, and is read without any lock. With it a service is running or has crashed: then the file is opened
 * by SQLite, which does not wait for a lock.
 *
 * @param isChecked also run SQLite's quick check, which reads the whole file
 */
export function inspectStoreFile(file: string, isChecked: boolean): StoreFile {
  if (!existsSync(file)) return { kind: 'absent' };
  const header = headerOf(file);
  if (header.length === 0) return { kind: 'absent' };
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) return { kind: 'not-a-store' };
  if (existsSync(`${file}-wal`)) return inspectThroughLog(file, isChecked);
  if (header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) return { kind: 'not-a-store' };
  const schema = header.readUInt32BE(USER_VERSION_AT);
  if (!isChecked) return { kind: 'store', schema, newest: MIGRATIONS.length, faults: undefined };
  const url = pathToFileURL(file);
  url.search = 'mode=ro&immutable=1';
  return read(url, true);
}

/** @returns what there is of it */
function headerOf(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    return header.subarray(0, readSync(descriptor, header, 0, HEADER_BYTES, 0) === HEADER_BYTES ? HEADER_BYTES : 0);
  } finally {
    closeSync(descriptor);
  }
}

function inspectThroughLog(file: string, isChecked: boolean): StoreFile {
  // To read a log that a crash left, SQLite makes an index next to it, which it would leave behind.
  const hadIndex = existsSync(`${file}-shm`);
  const found = read(file, isChecked);
  if (!hadIndex && found.kind !== 'in-use') rmSync(`${file}-shm`, { force: true });
  return found;
}

function read(file: string | URL, isChecked: boolean): StoreFile {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 0 });
    const [schema, mark] = [pragma(database, 'user_version'), pragma(database, 'application_id')];
    if (mark !== APPLICATION_ID) return { kind: 'not-a-store' };
    const faults = isChecked ? quickCheck(database) : undefined;
    return { kind: 'store', schema, newest: MIGRATIONS.length, faults };
  } catch (error) {
    const code = sqliteCode(error);
    if (code === SQLITE_BUSY) return { kind: 'in-use' };
    if (code === undefined || !(error instanceof Error)) throw error;
    return { kind: 'damaged', why: error.message };
  } finally {
    database?.close();
  }
}

function pragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function quickCheck(database: DatabaseSync): readonly string[] {
  const rows = database.prepare(`PRAGMA quick_check(${FAULTS_MAX})`).all();
  return rows.map((row) => String(row['quick_check'])).filter((fault) => fault !== 'ok');
}
