import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { ListedTpp, RegisteredTpp, TppPage } from '../operator/tpp-schemas.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { ask, readNamedFile } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP, withOperatorClient } from './operator-flags.ts';

// Loaded where a call is made: the help of a command need not wait for it.
const loadSchemas = () => import('../operator/tpp-schemas.ts');

/** Flags that say what is known of a TPP. */
interface TppFlags extends CommonFlags {
  readonly organisationId?: string;
  readonly softwareStatementId?: string;
  readonly jwksFile?: string;
  readonly jwksUrl?: string;
  /** False: it is taken away. */
  readonly revokedJwksUrl?: string | false;
  /** False: it is taken away. */
  readonly certificateSubject?: string | false;
  readonly scopes?: string;
  /** As in `retriesMax=10,delayMs=2000`; `default`: nothing of its own. */
  readonly retry?: string;
}

/** Flags of `import`. */
interface ImportFlags extends CommonFlags {
  readonly clientId?: string;
  readonly certificateSubject?: string;
  readonly scopes?: string;
}

const ADDING = `add tpp-1 --organisation-id 0015800001TDGTPPAX --software-statement-id TidingsSampleTpp000001 \\
    --jwks-file tpp-1.jwks --scopes accounts,payments`;
const CHANGING = 'change tpp-1 --scopes accounts --retry retriesMax=10,delayMs=2000';

/** `tidings tpps`: the TPP registry of a running service, over its operator API. */
export function define(command: Command): void {
  command
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(addCommand())
    .addCommand(changeCommand())
    .addCommand(stateCommand('suspend', 'Refuse a TPP with 403 and deliver nothing to it; its events are kept.'))
    .addCommand(stateCommand('resume', 'Take a suspension back; what is awaiting is due at once.'))
    .addCommand(recoverCommand())
    .addCommand(removeCommand())
    .addCommand(importCommand())
    .addHelpText(
      'after',
      `
Examples:
  export TIDINGS_OPERATOR_URL=https://localhost:8444 TIDINGS_TOKEN_FILE=/etc/tidings/operator-token
  tidings tpps list
  tidings tpps ${ADDING}
  tidings tpps suspend tpp-1
  tidings tpps recover tpp-1 --probe
${WHERE_HELP}`,
    );
}

function listCommand(): Command {
  return operatorCommand('list', 'List the TPPs in the order of their client_ids.', exampleOf('tpps list')).action(
    (flags: CommonFlags) => listTpps(flags),
  );
}

function showCommand(): Command {
  return operatorCommand('show', 'Show a TPP, and what it registered.', exampleOf('tpps show tpp-1'))
    .argument('<clientId>')
    .action((clientId: string, flags: CommonFlags) => showTpp(clientId, flags));
}

function withTppFlags(command: Command): Command {
  return command
    .option('--organisation-id <id>', 'its organisation id at the trust anchor')
    .option('--software-statement-id <id>', 'id of its software statement')
    .option('--jwks-file <file>', 'its JWKS, kept inline (- reads standard input)')
    .option('--jwks-url <url>', 'where its JWKS is published; instead of --jwks-file')
    .option('--revoked-jwks-url <url>', 'where its revoked keys are listed; beside --jwks-url')
    .option('--certificate-subject <dn>', 'subject of its transport certificate, RFC 4514')
    .option('--scopes <list>', 'scopes of its tokens, separated by commas; "all" for all')
    .option(
      '--retry <list>',
      'its own delayMs, delayMaxMs, retriesMax, intervalMaxMs, as in retriesMax=10,delayMs=2000; "default" for none',
    );
}

function addCommand(): Command {
  return withTppFlags(operatorCommand('add', 'Register a TPP that is not registered yet.', exampleOf(`tpps ${ADDING}`)))
    .argument('<clientId>')
    .action((clientId: string, flags: TppFlags) => addTpp(clientId, flags));
}

function changeCommand(): Command {
  return withTppFlags(
    operatorCommand('change', 'Change what is given of a TPP; the rest stays.', exampleOf(`tpps ${CHANGING}`)),
  )
    .option('--no-revoked-jwks-url', 'ask for no list of its revoked keys')
    .option('--no-certificate-subject', 'accept any certificate that its tokens are bound to')
    .argument('<clientId>')
    .action((clientId: string, flags: TppFlags) => changeTpp(clientId, flags));
}

function stateCommand(name: 'suspend' | 'resume', description: string): Command {
  return operatorCommand(name, description, exampleOf(`tpps ${name} tpp-1`))
    .argument('<clientId>')
    .action((clientId: string, flags: CommonFlags) => setState(clientId, name, flags));
}

function recoverCommand(): Command {
  return operatorCommand(
    'recover',
    'Mark the unresponsive callback URL of a TPP as responsive, or probe it now.',
    exampleOf('tpps recover tpp-1 --probe'),
  )
    .option('--probe', 'send one notification now; the callback URL is responsive once that is acknowledged')
    .argument('<clientId>')
    .action((clientId: string, flags: CommonFlags & { probe?: boolean }) => recover(clientId, flags));
}

function removeCommand(): Command {
  return operatorCommand(
    'remove',
    'Remove a TPP and its registrations; what is awaiting is withdrawn.',
    exampleOf('tpps remove tpp-1'),
  )
    .option('--yes', 'do not ask')
    .argument('<clientId>')
    .action((clientId: string, flags: CommonFlags & { yes?: boolean }) => removeTpp(clientId, flags));
}

function importCommand(): Command {
  return operatorCommand(
    'import',
    'Register or change a TPP by a software statement assertion of the directory.',
    exampleOf('tpps import statement.jwt --client-id tpp-1'),
  )
    .option('--client-id <id>', 'client_id at your authorisation server (default: the id of the software)')
    .option('--certificate-subject <dn>', 'subject of its transport certificate, RFC 4514')
    .option('--scopes <list>', 'scopes of its tokens, separated by commas')
    .argument('<file>', 'the assertion (- reads standard input)')
    .action((file: string, flags: ImportFlags) => importTpp(file, flags));
}

const PAGE = 1000;

/** `tidings tpps list` */
async function listTpps(flags: CommonFlags): Promise<void> {
  const tpps = await withOperatorClient(flags, allTpps);
  if (flags.json === true) return printJson({ tpps });
  const { printTpps } = await import('./tpps-print.ts');
  printTpps(tpps);
}

async function allTpps(client: OperatorClient): Promise<ListedTpp[]> {
  const readPage = client.reader((await loadSchemas()).TppPage);
  const tpps: ListedTpp[] = [];
  let after: string | undefined = '';
  while (after !== undefined) {
    const path: string = `/operator/v1/tpps?limit=${PAGE}&after=${encodeURIComponent(after)}`;
    const page: TppPage = (await readPage({ method: 'GET', path })).value;
    tpps.push(...page.tpps);
    after = page.next;
  }
  return tpps;
}

/** `tidings tpps show` */
async function showTpp(clientId: string, flags: CommonFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    const { value: tpp } = await getTpp(client, clientId);
    const path = `${pathOf(clientId)}/registrations`;
    const { TppRegistrations } = await import('../operator/registrations.ts');
    const { value: registrations } = await client.read({ method: 'GET', path }, TppRegistrations);
    if (flags.json === true) return printJson({ ...tpp, registrations });
    const { printTpp } = await import('./tpps-print.ts');
    printTpp(tpp, registrations);
  });
}

/** `tidings tpps add` */
async function addTpp(clientId: string, flags: TppFlags): Promise<void> {
  const { organisationId, softwareStatementId } = flags;
  if (organisationId === undefined || softwareStatementId === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give --organisation-id and --software-statement-id.');
  }
  const keys = await keysOf(flags, {});
  if (keys === undefined)
    throw new CliError(EXIT_CONFIGURATION, 'Give the keys of the TPP: --jwks-file or --jwks-url.');
  const body = { organisationId, softwareStatementId, ...keys, ...accessOf(flags, {}) };
  await withOperatorClient(flags, async (client) => {
    await client.call({ method: 'PUT', path: pathOf(clientId), body, headers: { 'if-none-match': '*' } });
    await sayDone(client, clientId, 'added', flags);
  });
}

/** `tidings tpps change` */
async function changeTpp(clientId: string, flags: TppFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    const { value: before, entityTag } = await getTpp(client, clientId);
    const { organisationId, softwareStatementId } = before;
    const body = {
      organisationId: flags.organisationId ?? organisationId,
      softwareStatementId: flags.softwareStatementId ?? softwareStatementId,
      ...(await keysOf(flags, before)),
      ...accessOf(flags, before),
    };
    // What was read is what is changed: what somebody else did in the meantime is not undone.
    const headers = entityTag === undefined ? {} : { 'if-match': entityTag };
    await client.call({ method: 'PUT', path: pathOf(clientId), body, headers });
    await sayDone(client, clientId, 'changed', flags);
  });
}

/** `tidings tpps suspend` and `tidings tpps resume` */
async function setState(clientId: string, operation: 'suspend' | 'resume', flags: CommonFlags): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    await client.call({ method: 'POST', path: `${pathOf(clientId)}/${operation}` });
    await sayDone(client, clientId, operation === 'suspend' ? 'suspended' : 'resumed', flags);
  });
}

/** `tidings tpps recover` */
async function recover(clientId: string, flags: CommonFlags & { probe?: boolean }): Promise<void> {
  const body = { how: flags.probe === true ? 'probe-now' : 'responsive' };
  await withOperatorClient(flags, async (client) => {
    const path = `${pathOf(clientId)}/callback-url/recover`;
    const { value: tpp } = await client.read({ method: 'POST', path, body }, (await loadSchemas()).RegisteredTpp);
    const done = flags.probe === true ? 'is probed now' : 'counts as responsive again; what is awaiting is pushed';
    if (flags.json === true) printJson(tpp);
    else print(`The callback URL of ${clientId} ${done}.\n`);
  });
}

/** `tidings tpps remove` */
async function removeTpp(clientId: string, flags: CommonFlags & { yes?: boolean }): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    if (flags.yes !== true) await askFirst(clientId);
    await client.call({ method: 'DELETE', path: pathOf(clientId) });
    if (flags.json === true) printJson({ clientId, removed: true });
    else print(`${clientId} is removed.\n`);
  });
}

/** `tidings tpps import` */
async function importTpp(file: string, flags: ImportFlags): Promise<void> {
  const { clientId, certificateSubject } = flags;
  const softwareStatement = readNamedFile('the argument', file).trim();
  const scopes = flags.scopes === undefined ? undefined : scopesOf(flags.scopes);
  const body = { softwareStatement, clientId, certificateSubject, scopes };
  await withOperatorClient(flags, async (client) => {
    const { value: tpp } = await client.read(
      { method: 'POST', path: '/operator/v1/tpps/import', body },
      (await loadSchemas()).RegisteredTpp,
    );
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

async function getTpp(client: OperatorClient, clientId: string) {
  return client.read({ method: 'GET', path: pathOf(clientId) }, (await loadSchemas()).RegisteredTpp);
}

function pathOf(clientId: string): string {
  return `/operator/v1/tpps/${encodeURIComponent(clientId)}`;
}

type Keys = Pick<RegisteredTpp, 'jwksUrl' | 'revokedJwksUrl'> & { readonly jwks?: unknown };

/**
 * The keys as the flags give them, or else as they are; undefined where neither says anything. A list of revoked keys
 * belongs to the URL that it was given with.
 */
async function keysOf(
  { jwksFile, jwksUrl, revokedJwksUrl }: TppFlags,
  before: Partial<RegisteredTpp>,
): Promise<Keys | undefined> {
  if (jwksFile !== undefined && jwksUrl !== undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give --jwks-file or --jwks-url, not both.');
  }
  const isNew = jwksFile !== undefined || jwksUrl !== undefined;
  const revoked = revokedJwksUrl ?? (isNew ? undefined : before.revokedJwksUrl);
  const also = typeof revoked === 'string' ? { revokedJwksUrl: revoked } : {};
  if (jwksUrl !== undefined) return { jwksUrl, ...also };
  if (jwksFile !== undefined) return { jwks: await readJsonFile('--jwks-file', jwksFile), ...also };
  const { jwks, jwksUrl: url } = before;
  if (jwks !== undefined) return { jwks, ...also };
  return url === undefined ? undefined : { jwksUrl: url, ...also };
}

async function readJsonFile(flag: string, file: string): Promise<unknown> {
  const { parseStrictJson, StrictJsonError } = await import('@tidings/protocol');
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

/** Reads `name=1,other=2`. @throws {CliError} naming the flag */
function numbersOf(flag: string, list: string): Record<string, number> {
  const entries = list.split(',').map((part) => {
    const [, name, number] = /^\s*([A-Za-z]+)=(\d{1,15})\s*$/.exec(part) ?? [];
    if (name !== undefined && number !== undefined) return [name, Number(number)] as const;
    throw new CliError(EXIT_CONFIGURATION, `${flag} takes names with whole numbers, as in retriesMax=10,delayMs=2000.`);
  });
  return Object.fromEntries(entries);
}
