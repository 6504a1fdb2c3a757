import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { ListedTpp, RegisteredTpp, TppPage } from '../operator/tpp-schemas.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';
import { ask, readDuration, readNamedFile } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import { CONNECTION_HELP, type CommonFlags, exampleOf, operatorCommand, withOperatorClient } from './operator-flags.ts';
import { withTableFlags } from './output.ts';

// Loaded when a call is made: the help of a command does not wait for them.
const loadDisplay = () => import('./tpps/display.ts');
const loadSchemas = () => import('../operator/tpp-schemas.ts');

/** Flags that describe a TPP. */
interface TppFlags extends CommonFlags {
  readonly organisationId?: string;
  readonly softwareStatementId?: string;
  readonly jwksFile?: string;
  readonly jwksUrl?: string;
  /** False: remove it, as with `certificateSubject`. */
  readonly revokedJwksUrl?: string | false;
  readonly certificateSubject?: string | false;
  readonly scopes?: string;
  /** As in `retriesMax=10,delayMs=2000`; `default`: no overrides. */
  readonly retry?: string;
}

/** Flags of `import`. */
type ImportFlags = CommonFlags & Pick<TppFlags, 'certificateSubject' | 'scopes'> & { readonly clientId?: string };

const ADDING = `add tpp-1 --organisation-id 0015800001TDGTPPAX --software-statement-id TidingsSampleTpp000001 \\
    --jwks-file tpp-1.jwks --scopes accounts,payments`;
const CHANGING = 'change tpp-1 --scopes accounts --retry retriesMax=10,delayMs=2000';

const GROUP_HELP = `
Examples:
  export TIDINGS_OPERATOR_URL=https://localhost:8444 TIDINGS_TOKEN_FILE=/etc/tidings/operator-token
  tidings tpps list
  tidings tpps ${ADDING}
  tidings tpps suspend tpp-1
  tidings tpps recover tpp-1 --probe

A TPP must be registered here before it can use the API. Events for an unknown client_id create no notification.
${CONNECTION_HELP}`;

/** `tidings tpps`: the TPP registry of a running service. */
export function define(command: Command): void {
  command
    .addCommand(
      withTableFlags(operatorCommand('list', 'List all TPPs by client_id.', exampleOf('tpps list --failing')))
        .option('--failing', 'only TPPs whose callback URL is failing or unresponsive, those with most awaiting first')
        .action(listTpps),
    )
    .addCommand(tppCommand('show', 'Show a TPP and its registrations.').action(showTpp))
    .addCommand(withTppFlags(tppCommand('add', 'Register a new TPP.', ADDING)).action(addTpp))
    .addCommand(
      withTppFlags(tppCommand('change', 'Change the given fields of a TPP; others are unchanged.', CHANGING))
        .option('--no-revoked-jwks-url', 'stop fetching a list of revoked keys')
        .option('--no-certificate-subject', 'accept any certificate to which its tokens are bound')
        .action(changeTpp),
    )
    .addCommand(
      tppCommand('suspend', 'Answer all requests of a TPP with 403 and deliver nothing; its events are kept.').action(
        setState('suspend', 'suspended'),
      ),
    )
    .addCommand(
      tppCommand('resume', 'End the suspension of a TPP; awaiting notifications are due at once.').action(
        setState('resume', 'resumed'),
      ),
    )
    .addCommand(
      tppCommand(
        'recover',
        'Mark the unresponsive callback URL of a TPP as healthy, or probe it now.',
        'recover tpp-1 --probe',
      )
        .option('--probe', 'send one notification now, and wait for the outcome: it recovers if that is acknowledged')
        .option('--wait <duration>', 'longest wait for the outcome of a probe (default: 30s)', readDuration)
        .action(recover),
    )
    .addCommand(
      tppCommand('remove', 'Remove a TPP and its registrations; awaiting notifications are withdrawn.')
        .option('--yes', 'do not ask for confirmation')
        .action(removeTpp),
    )
    .addCommand(
      operatorCommand(
        'import',
        'Register or update a TPP from a software statement assertion (SSA) of the directory.',
        exampleOf('tpps import statement.jwt --client-id tpp-1'),
      )
        .option('--client-id <id>', 'client_id at your authorisation server (default: the software id in the SSA)')
        .option('--certificate-subject <dn>', 'subject of its transport certificate (RFC 4514)')
        .option(
          '--scopes <list>',
          'scopes that its tokens may be used with, separated by commas (default: those of the roles in the SSA: ' +
            'AISP accounts, PISP payments, CBPII fundsconfirmations)',
        )
        .argument('<file>', 'the SSA; - reads standard input')
        .action(importTpp),
    )
    .addHelpText('after', GROUP_HELP);
}

/** A command for one TPP. @param example the command line after `tidings tpps` */
function tppCommand(name: string, description: string, example = `${name} tpp-1`): Command {
  return operatorCommand(name, description, exampleOf(`tpps ${example}`)).argument('<clientId>');
}

function withTppFlags(command: Command): Command {
  return command
    .option('--organisation-id <id>', 'its organisation id at the trust anchor')
    .option('--software-statement-id <id>', 'the id of its software statement at the trust anchor')
    .option('--jwks-file <file>', 'its JWKS, stored with the TPP; - reads standard input')
    .option('--jwks-url <url>', 'URL from which its JWKS is fetched; instead of --jwks-file')
    .option('--revoked-jwks-url <url>', 'URL of its revoked keys; only with --jwks-url')
    .option('--certificate-subject <dn>', 'subject of its transport certificate (RFC 4514)')
    .option('--scopes <list>', 'scopes that its tokens may be used with, separated by commas; "all" for any')
    .option(
      '--retry <list>',
      `overrides of the retry policy: ${RETRY_NAMES.join(', ')}, such as retriesMax=10,delayMs=2000; "default" for none`,
    );
}

const PAGE = 1000;

/** `tidings tpps list` */
async function listTpps(flags: CommonFlags & { readonly failing?: boolean }): Promise<void> {
  const tpps = await withOperatorClient(flags, flags.failing === true ? failingTpps : allTpps);
  if (flags.json === true) printJson({ tpps });
  else if (flags.failing === true) (await loadDisplay()).printFailingTpps(tpps, flags);
  else (await loadDisplay()).printTpps(tpps, flags);
}

async function failingTpps(client: OperatorClient): Promise<ListedTpp[]> {
  const path = `/operator/v1/tpps?needsAttention=true&limit=${PAGE}`;
  return (await client.read({ method: 'GET', path }, (await loadSchemas()).TppPage)).value.tpps;
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
    const { TppRegistrations: schema } = await import('../operator/registrations.ts');
    const { value: registrations } = await client.read({ method: 'GET', path }, schema);
    const { KeysOfTpp } = await import('../operator/tpp-keys.ts');
    const { value: keys } = await client.read({ method: 'GET', path: `${pathOf(clientId)}/keys` }, KeysOfTpp);
    if (flags.json === true) printJson({ ...tpp, registrations, keys });
    else (await loadDisplay()).printTpp(tpp, registrations, keys);
  });
}

/** `tidings tpps add` */
async function addTpp(clientId: string, flags: TppFlags): Promise<void> {
  const { organisationId, softwareStatementId } = flags;
  if (organisationId === undefined || softwareStatementId === undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give both --organisation-id and --software-statement-id.');
  }
  const keys = await keysOf(flags, {});
  const remedy = 'Give the keys of the TPP with --jwks-file or --jwks-url.';
  if (keys === undefined) throw new CliError(EXIT_CONFIGURATION, remedy);
  const body = { organisationId, softwareStatementId, ...keys, ...accessOf(flags, {}) };
  await withOperatorClient(flags, async (client) => {
    await putTpp(client, clientId, body, { 'if-none-match': '*' });
    await printChanged(client, clientId, 'added', flags);
  });
}

const CHANGEABLE = [
  ...(['organisationId', 'softwareStatementId', 'jwksFile', 'jwksUrl', 'revokedJwksUrl'] as const),
  ...(['certificateSubject', 'scopes', 'retry'] as const),
];

/** `tidings tpps change` */
async function changeTpp(clientId: string, flags: TppFlags): Promise<void> {
  const isAnyGiven = CHANGEABLE.some((name) => flags[name] !== undefined);
  if (!isAnyGiven) {
    const remedy = 'give at least one flag, such as --scopes; "tidings tpps change --help" lists them';
    throw new CliError(EXIT_CONFIGURATION, `Nothing is to be changed: ${remedy}.`);
  }
  await withOperatorClient(flags, async (client) => {
    const { value: before, entityTag } = await getTpp(client, clientId);
    const body = {
      organisationId: flags.organisationId ?? before.organisationId,
      softwareStatementId: flags.softwareStatementId ?? before.softwareStatementId,
      ...(await keysOf(flags, before)),
      ...accessOf(flags, before),
    };
    // Fails if somebody else changed the TPP in the meantime, rather than undoing that change.
    const headers = entityTag === undefined ? {} : { 'if-match': entityTag };
    await putTpp(client, clientId, body, headers);
    await printChanged(client, clientId, 'changed', flags);
  });
}

/** `tidings tpps suspend` and `tidings tpps resume` */
function setState(operation: 'suspend' | 'resume', done: string) {
  return (clientId: string, flags: CommonFlags) =>
    withOperatorClient(flags, async (client) => {
      await client.call({ method: 'POST', path: `${pathOf(clientId)}/${operation}` });
      await printChanged(client, clientId, done, flags);
    });
}

interface RecoverFlags extends CommonFlags {
  readonly probe?: boolean;
  /** Milliseconds. */
  readonly wait?: number;
}

// Longer than an attempt may take, with the time until it is claimed.
const PROBE_WAIT_MS = 30_000;

/** `tidings tpps recover` */
async function recover(clientId: string, flags: RecoverFlags): Promise<void> {
  const isProbe = flags.probe === true;
  if (flags.wait !== undefined && !isProbe) {
    throw new CliError(EXIT_CONFIGURATION, '--wait is the time for the outcome of a probe; give it with --probe.');
  }
  const body = { how: isProbe ? 'probe-now' : 'responsive' };
  await withOperatorClient(flags, async (client) => {
    const path = `${pathOf(clientId)}/callback-url/recover`;
    const { value: before } = await client.read({ method: 'POST', path, body }, (await loadSchemas()).RegisteredTpp);
    const read = async () => (await getTpp(client, clientId)).value;
    const limitMs = flags.wait ?? PROBE_WAIT_MS;
    const { probeOutcome } = await import('./tpps/probe.ts');
    const tpp = isProbe ? await probeOutcome({ before, limitMs, read }) : before;
    const done = isProbe ? 'has acknowledged the probe' : 'is marked as healthy';
    if (flags.json === true) printJson(tpp);
    else print(`The callback URL of ${clientId} ${done}; awaiting notifications are sent.\n`);
  });
}

/** `tidings tpps remove` */
async function removeTpp(clientId: string, flags: CommonFlags & { yes?: boolean }): Promise<void> {
  await withOperatorClient(flags, async (client) => {
    if (flags.yes !== true) await confirmRemoval(clientId);
    await client.call({ method: 'DELETE', path: pathOf(clientId) });
    if (flags.json === true) return printJson({ clientId, removed: true });
    print(`${clientId} is removed.\n`);
  });
}

/** `tidings tpps import` */
async function importTpp(file: string, flags: ImportFlags): Promise<void> {
  const { clientId, certificateSubject } = flags;
  const softwareStatement = readNamedFile(undefined, file).trim();
  if (flags.scopes === 'all') {
    throw new CliError(
      EXIT_CONFIGURATION,
      'An import gives no more than named scopes; list them in --scopes, or leave it out.',
    );
  }
  const body = { softwareStatement, clientId, certificateSubject, scopes: scopesOf(flags.scopes) };
  await withOperatorClient(flags, async (client) => {
    const call = { method: 'POST', path: '/operator/v1/tpps/import', body, flagNames: FLAG_NAMES } as const;
    const { value: tpp } = await client.read(call, (await loadSchemas()).RegisteredTpp);
    if (flags.json === true) printJson(tpp);
    else {
      const scopes = tpp.scopes?.join(', ') ?? 'all';
      print(`${tpp.clientId} is imported with the scopes ${scopes}; its keys are fetched from ${tpp.jwksUrl}.\n`);
    }
  });
}

const FLAG_NAMES = {
  organisationId: '--organisation-id',
  softwareStatementId: '--software-statement-id',
  jwks: '--jwks-file',
  jwksUrl: '--jwks-url',
  revokedJwksUrl: '--revoked-jwks-url',
  certificateSubject: '--certificate-subject',
  scopes: '--scopes',
  retry: '--retry',
};

/** Registers or changes a TPP, if the condition in `headers` holds. @throws {CliError} */
async function putTpp(client: OperatorClient, clientId: string, body: object, headers: Record<string, string>) {
  await client.call({ method: 'PUT', path: pathOf(clientId), body, headers, flagNames: FLAG_NAMES });
}

async function confirmRemoval(clientId: string): Promise<void> {
  const remedy = `Add --yes to remove ${clientId} without confirmation.`;
  if (!process.stdin.isTTY) throw new CliError(EXIT_CONFIGURATION, remedy);
  const question = `This withdraws all awaiting notifications of ${clientId}. Type its client_id to confirm: `;
  if ((await ask(question)) === clientId) return;
  throw new CliError(EXIT_CONFIGURATION, 'The client_id does not match; nothing was removed.');
}

async function printChanged(client: OperatorClient, clientId: string, how: string, flags: CommonFlags): Promise<void> {
  if (flags.json === true) printJson((await getTpp(client, clientId)).value);
  else print(`${clientId} is ${how}.\n`);
}

async function getTpp(client: OperatorClient, clientId: string) {
  return client.read({ method: 'GET', path: pathOf(clientId) }, (await loadSchemas()).RegisteredTpp);
}

function pathOf(clientId: string): string {
  return `/operator/v1/tpps/${encodeURIComponent(clientId)}`;
}

type Keys = Pick<RegisteredTpp, 'jwksUrl' | 'revokedJwksUrl'> & { readonly jwks?: unknown };

/**
 * The keys that the flags give, or else the present ones; undefined if there are neither. A list of revoked keys belongs
 * to the JWKS URL with which it was given.
 */
async function keysOf(
  { jwksFile, jwksUrl, revokedJwksUrl }: TppFlags,
  before: Partial<RegisteredTpp>,
): Promise<Keys | undefined> {
  if (jwksFile !== undefined && jwksUrl !== undefined) {
    throw new CliError(EXIT_CONFIGURATION, 'Give either --jwks-file or --jwks-url, not both.');
  }
  const isNew = jwksFile !== undefined || jwksUrl !== undefined;
  const revoked = revokedJwksUrl ?? (isNew ? undefined : before.revokedJwksUrl);
  const also = typeof revoked === 'string' ? { revokedJwksUrl: revoked } : {};
  if (jwksUrl !== undefined) return { jwksUrl, ...also };
  if (jwksFile !== undefined) return { jwks: await readJwksFile(jwksFile), ...also };
  const { jwks, jwksUrl: url } = before;
  if (jwks !== undefined) return { jwks, ...also };
  return url === undefined ? undefined : { jwksUrl: url, ...also };
}

async function readJwksFile(file: string): Promise<unknown> {
  const { parseStrictJson, StrictJsonError } = await import('@tidings/protocol');
  const text = readNamedFile('--jwks-file', file);
  try {
    return parseStrictJson(new TextEncoder().encode(text));
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file}, given by --jwks-file, ${error.message}.`);
  }
}

function accessOf({ certificateSubject, scopes, retry }: TppFlags, before: Partial<RegisteredTpp>) {
  const subject = certificateSubject ?? before.certificateSubject;
  const overrides = retry === undefined ? before.retry : overridesOf(retry);
  const allowed = scopes === undefined ? before.scopes : scopesOf(scopes);
  return {
    ...(typeof subject === 'string' && { certificateSubject: subject }),
    ...(allowed !== undefined && { scopes: allowed }),
    ...(overrides !== undefined && { retry: overrides }),
  };
}

/** Undefined for `all`, or without a list. The service validates the names. */
const scopesOf = (list = 'all') => (list === 'all' ? undefined : list.split(',').map((scope) => scope.trim()));

const RETRY_NAMES = ['delayMs', 'delayMaxMs', 'retriesMax', 'intervalMaxMs'];

/** Parses `name=1,other=2`; undefined for `default`. The service validates the ranges. @throws {CliError} */
function overridesOf(list: string): Record<string, number> | undefined {
  if (list === 'default') return undefined;
  const entries = list.split(',').map((part) => {
    const [, name = '', number] = /^\s*([A-Za-z]+)=(\d{1,15})\s*$/.exec(part) ?? [];
    if (RETRY_NAMES.includes(name)) return [name, Number(number)] as const;
    const names = RETRY_NAMES.join(', ');
    throw new CliError(
      EXIT_CONFIGURATION,
      `--retry takes ${names} with whole numbers, such as retriesMax=10,delayMs=2000; not ${JSON.stringify(part)}.`,
    );
  });
  return Object.fromEntries(entries);
}
