import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { messageOf, StartUpError, systemErrorCode } from '../base/start-up-error.ts';
import type { Config } from '../config/schema.ts';
import type { ConnectionOptions } from './postgres/connection.ts';
import { openSqliteStore } from './sqlite/store.ts';
import type { Store } from './store.ts';

/** Copies a store into a file that must not exist. The signal ends it early. */
export type BackUp = (file: string, signal: AbortSignal) => Promise<void>;

/** Dependencies of a store. */
export interface StoreDependencies {
  /** This machine's clock. */
  readonly clock: Clock;
  readonly log: Log;
}

/** A store that is open. */
export interface OpenedStore {
  readonly store: Store;
  /** The clock for everything that works with the store: that of the database where several instances share it. */
  readonly clock: Clock;
  /** The file or URL, for the log. */
  readonly place: string;
  /** Copies the store into a new file while it is in use; undefined: the tools of the database do that. */
  readonly backUp?: BackUp;
}

/**
 * Opens the store that the configuration names: SQLite for one instance, PostgreSQL for any number.
 *
 * @throws {StartUpError} one sentence on what to change
 */
export async function openStore(settings: Config['store'], dependencies: StoreDependencies): Promise<OpenedStore> {
  const { clock, log } = dependencies;
  if (settings.url === undefined) {
    const file = settings.file ?? '';
    const store = openSqliteStore({ file });
    return { store, clock, place: file, backUp: store.backUp };
  }
  // Loaded only here: SQLite needs none of it.
  const { openPostgresStore } = await import('./postgres/open.ts');
  const onProblem = (problem: string, error: unknown) => {
    log.warn({ why: messageOf(error) }, problem);
  };
  const { isListening, pollMs, isMigratedAtStart } = settings;
  const options = { ...connectionOf(settings), isListening, pollMs, isMigratedAtStart, clock, onProblem };
  const opened = await openPostgresStore(options);
  const close = async () => {
    opened.clock.stop();
    await opened.store.close();
  };
  return { store: { ...opened.store, close }, clock: opened.clock, place: settings.url };
}

/**
 * How to connect to the database that the configuration names.
 *
 * @throws {StartUpError} when a file that it names cannot be read, or it names no database
 */
export function connectionOf(settings: Config['store']): ConnectionOptions {
  const { url, caFile, connectionsMax, statementTimeoutMs, isListening } = settings;
  if (url === undefined) {
    throw new StartUpError('The configuration names no PostgreSQL database.');
  }
  return {
    url,
    connectionsMax,
    statementTimeoutMs,
    isPooled: !isListening,
    password: passwordOf(settings),
    ca: caFile === undefined ? undefined : read('store.caFile', caFile),
  };
}

function passwordOf({ password, passwordFile }: Config['store']): string | undefined {
  if (password !== undefined || passwordFile === undefined) return password;
  return read('store.passwordFile', passwordFile).replace(/\r?\n$/, '');
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartUpError(`The file ${file} ("${setting}") cannot be read (${systemErrorCode(error) ?? 'unknown'}).`);
  }
}
