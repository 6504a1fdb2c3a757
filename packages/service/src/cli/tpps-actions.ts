import { parseStrictJson, StrictJsonError, shapeOf } from '@tidings/protocol';
import { print, printJson } from '../base/output.ts';
import { type ListedTpp, RegisteredTpp, TppPage, TppRegistrations } from '../operator/tpp-schemas.ts';
import { ask } from './ask.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { numbersOf } from './numbers-of.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, withOperatorClient } from './operator-flags.ts';
import { readNamedFile } from './read-file.ts';
import type { ImportFlags, TppFlags } from './tpps.ts';
import { printTpp, printTpps } from './tpps-print.ts';

const PAGE = 1000;

const shapePage = shapeOf(TppPage);
const shapeTpp = shapeOf(RegisteredTpp);
const shapeRegistrations = shapeOf(TppRegistrations);

/** `tidings tpps list` */
export async function listTpps(flags: CommonFlags): Promise<void> {
  const tpps = await withOperatorClient(flags, allTpps);
  if (flags.json === true) printJson({ tpps });
  else printTpps(tpps);
}

async function allTpps(client: OperatorClient): Promise<ListedTpp[]> {
  const tpps: ListedTpp[] = [];
  let after: string | undefined = '';
  while (after !== undefined) {
    const path: string = `/operator/v1/tpps?limit=${PAGE}&after=${encodeURIComponent(after)}`;
    const page: TppPage = (await client.read({ method: 'GET', path }, shapePage)).value;
    tpps.push(...page.tpps);
    after = page.next;
  }
  return tpps;
}

/** `tidings tpps show` */
export async function showTpp(clientId: string, flags: CommonFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    const { value: tpp } = await getTpp(client, clientId);
    const path = `${pathOf(clientId)}/registrations`;
    const { value: registrations } = await client.read({ method: 'GET', path }, shapeRegistrations);
    if (flags.json === true) printJson({ ...tpp, registrations });
    else printTpp(tpp, registrations);
  });
}

/** `tidings tpps add` */
export async function addTpp(clientId: string, flags: TppFlags): Promise<void> {
  const { organisationId, softwareStatementId } = flags;
  if (organisationId === undefined || softwareStatementId === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give --organisation-id and --software-statement-id.');
  }
  const keys = keysOf(flags, {});
  if (keys === undefined)
    throw new CliError(EXIT_CONFIGURATION, 'Give the keys of the TPP: --jwks-file or --jwks-url.');
  const body = { organisationId, softwareStatementId, ...keys, ...accessOf(flags, {}) };
  await withOperatorClient(flags, async (client) => {
    await client.call({ method: 'PUT', path: pathOf(clientId), body, headers: { 'if-none-match': '*' } });
    await sayDone(client, clientId, 'added', flags);
  });
}

/** `tidings tpps change` */
export async function changeTpp(clientId: string, flags: TppFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    const { value: before, entityTag } = await getTpp(client, clientId);
    const { organisationId, softwareStatementId } = before;
    const body = {
      organisationId: flags.organisationId ?? organisationId,
      softwareStatementId: flags.softwareStatementId ?? softwareStatementId,
      ...keysOf(flags, before),
      ...accessOf(flags, before),
    };
    // What was read is what is changed: what somebody else did in the meantime is not undone.
    const headers = entityTag === undefined ? {} : { 'if-match': entityTag };
    await client.call({ method: 'PUT', path: pathOf(clientId), body, headers });
    await sayDone(client, clientId, 'changed', flags);
  });
}

/** `tidings tpps suspend` and `tidings tpps resume` */
export async function setState(clientId: string, operation: 'suspend' | 'resume', flags: CommonFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    await client.call({ method: 'POST', path: `${pathOf(clientId)}/${operation}` });
    await sayDone(client, clientId, operation === 'suspend' ? 'suspended' : 'resumed', flags);
  });
}

/** `tidings tpps bring-back` */
export async function bringBack(clientId: string, flags: CommonFlags & { probe?: boolean }): Promise<void> {
  const body = { how: flags.probe === true ? 'probe-now' : 'responsive' };
  await withOperatorClient(flags, async (client) => {
    const path = `${pathOf(clientId)}/callback-url/bring-back`;
    const { value: tpp } = await client.read({ method: 'POST', path, body }, shapeTpp);
    const done = flags.probe === true ? 'is probed now' : 'counts as responsive again; what is awaiting is pushed';
    if (flags.json === true) printJson(tpp);
    else print(`The callback URL of ${clientId} ${done}.\n`);
  });
}

/** `tidings tpps remove` */
export async function removeTpp(clientId: string, flags: CommonFlags & { yes?: boolean }): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    if (flags.yes !== true) await askFirst(clientId);
    await client.call({ method: 'DELETE', path: pathOf(clientId) });
    if (flags.json === true) printJson({ clientId, removed: true });
    else print(`${clientId} is removed.\n`);
  });
}

/** `tidings tpps import` */
export async function importTpp(file: string, flags: ImportFlags): Promise<void> {
  const { clientId, certificateSubject } = flags;
  const softwareStatement = readNamedFile('the argument', file).trim();
  const scopes = flags.scopes === undefined ? undefined : scopesOf(flags.scopes);
  const body = { softwareStatement, clientId, certificateSubject, scopes };
  await withOperatorClient(flags, async (client) => {
    const { value: tpp } = await client.read({ method: 'POST', path: '/operator/v1/tpps/import', body }, shapeTpp);
    if (flags.json === true) printJson(tpp);
    else print(`${tpp.clientId} is imported; its keys are at ${tpp.jwksUrl}.\n`);
  });
}

async function askFirst(clientId: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CliError(EXIT_CONFIGURATION, `Add --yes to remove ${clientId} without being asked.`);
  const question = `What is awaiting for ${clientId} will be withdrawn. Write its client_id again to remove it: `;
  if ((await ask(question)) === clientId) return;
  throw new CliError(EXIT_CONFIGURATION, 'That is another client_id; nothing was removed.');
}

async function sayDone(client: OperatorClient, clientId: string, what: string, flags: CommonFlags): Promise<void> {
  if (flags.json === true) printJson((await getTpp(client, clientId)).value);
  else print(`${clientId} is ${what}.\n`);
}

function getTpp(client: OperatorClient, clientId: string) {
  return client.read({ method: 'GET', path: pathOf(clientId) }, shapeTpp);
}

function pathOf(clientId: string): string {
  return `/operator/v1/tpps/${encodeURIComponent(clientId)}`;
}

type Keys = Pick<RegisteredTpp, 'jwksUrl' | 'revokedJwksUrl'> & { readonly jwks?: unknown };

/**
 * The keys as the flags give them, or else as they are; undefined where neither says anything. A list of revoked keys
 * belongs to the URL that it was given with.
 */
function keysOf({ jwksFile, jwksUrl, revokedJwksUrl }: TppFlags, before: Partial<RegisteredTpp>): Keys | undefined {
  if (jwksFile !== undefined && jwksUrl !== undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give --jwks-file or --jwks-url, not both.');
  }
  const isNew = jwksFile !== undefined || jwksUrl !== undefined;
  const revoked = revokedJwksUrl ?? (isNew ? undefined : before.revokedJwksUrl);
  const also = typeof revoked === 'string' ? { revokedJwksUrl: revoked } : {};
  if (jwksUrl !== undefined) return { jwksUrl, ...also };
  if (jwksFile !== undefined) return { jwks: readJsonFile('--jwks-file', jwksFile), ...also };
  const { jwks, jwksUrl: url } = before;
  if (jwks !== undefined) return { jwks, ...also };
  return url === undefined ? undefined : { jwksUrl: url, ...also };
}

function readJsonFile(flag: string, file: string): unknown {
  const text = readNamedFile(flag, file);
  try {
    return parseStrictJson(new TextEncoder().encode(text));
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}, named by ${flag}, ${error.message}.`);
  }
}

function accessOf({ certificateSubject, scopes, retry }: TppFlags, before: Partial<RegisteredTpp>) {
  const subject = certificateSubject ?? before.certificateSubject;
  const overrides = retry === undefined ? before.retry : retryOf(retry);
  const kept = scopes === undefined ? before.scopes : scopesOf(scopes);
  return {
    ...(typeof subject === 'string' && { certificateSubject: subject }),
    ...(kept !== undefined && { scopes: kept }),
    ...(overrides !== undefined && { retry: overrides }),
  };
}

/** Undefined for `default`. Whether names and numbers are good is for the service to say. */
function retryOf(list: string): Record<string, number> | undefined {
  return list === 'default' ? undefined : numbersOf('--retry', list);
}

/** Undefined for `all`: no limit of the bank's. Whether the names are scopes is for the service to say. */
function scopesOf(list: string): string[] | undefined {
  return list === 'all' ? undefined : list.split(',').map((scope) => scope.trim());
}
