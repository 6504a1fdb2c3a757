import { isLoopback } from '../base/ip-address.ts';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from './schema.ts';

/**
 * Checks what the settings of the store say together.
 *
 * @throws {StartUpError}
 */
export function refuseUnclearStore({ store }: Config, source: string): void {
  if (store.file !== undefined && store.url !== undefined) {
    throw new StartUpError(`${source}: "store.file" and "store.url" are both given; keep one of them.`);
  }
  if (store.url !== undefined) {
    refuseUnclearUrl(store.url, source);
    refuseClearText(store, source);
  }
  if (store.url === undefined && store.file === undefined) {
    throw new StartUpError(`${source}: give "store.file" for SQLite, or "store.url" for PostgreSQL.`);
  }
  for (const name of ['passwordFile', 'caFile'] as const) {
    if (store.url !== undefined || store[name] === undefined) continue;
    throw new StartUpError(`${source}: "store.${name}" goes with "store.url"; take it out, or give the URL.`);
  }
}

/** The host of the database; a path: the folder of its Unix socket, which a URL holds as %2Fvar%2Frun%2Fpostgresql. */
export function databaseHostOf(url: string): string {
  const { hostname } = new URL(url);
  return hostname.replace(/^\[|\]$/g, '').replaceAll(/%2f/gi, '/');
}

/** Everything that is kept, SETs included, would cross the network in clear, and anybody could stand in for the database. */
function refuseClearText({ url = '', caFile, isClearTextAllowed }: Config['store'], source: string): void {
  const host = databaseHostOf(url);
  if (caFile !== undefined || isClearTextAllowed || host.startsWith('/') || isLoopback(host)) return;
  throw new StartUpError(
    `${source}: the host of "store.url" (${host}) is not this machine, so all that is kept would cross the network in clear; ` +
      'give "store.caFile" for TLS, or state with "store.isClearTextAllowed" that the way there is protected otherwise.',
  );
}

/** The URL is shown in the log and in messages, so that no secret may be in it. */
function refuseUnclearUrl(text: string, source: string): void {
  const url = URL.parse(text);
  if (url === null || url.hostname === '' || url.username === '' || url.pathname.length < 2) {
    throw new StartUpError(`${source}: "store.url" must be like postgres://user@host:5432/database.`);
  }
  if (url.password !== '' || url.searchParams.has('password')) {
    throw new StartUpError(
      `${source}: "store.url" must not hold the password; put it into a file and name that in "store.passwordFile", or ` +
        'set the variable PGPASSWORD.',
    );
  }
  if (url.search !== '' || url.hash !== '') {
    throw new StartUpError(
      `${source}: "store.url" takes nothing after the database (${url.search}${url.hash}); TLS comes with "store.caFile".`,
    );
  }
}
