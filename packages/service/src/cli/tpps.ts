import type { Command } from 'commander';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP } from './operator-flags.ts';

/** Flags that say what is known of a TPP. */
export interface TppFlags extends CommonFlags {
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
export interface ImportFlags extends CommonFlags {
  readonly clientId?: string;
  readonly certificateSubject?: string;
  readonly scopes?: string;
}

// Loaded only when a command of the group is run: the help of others need not wait for it.
const loadActions = () => import('./tpps-actions.ts');

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
    .addCommand(bringBackCommand())
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
  tidings tpps bring-back tpp-1 --probe
${WHERE_HELP}`,
    );
}

function listCommand(): Command {
  return operatorCommand('list', 'List the TPPs in the order of their client_ids.', exampleOf('tpps list')).action(
    async (flags: CommonFlags) => (await loadActions()).listTpps(flags),
  );
}

function showCommand(): Command {
  return operatorCommand('show', 'Show a TPP, and what it registered.', exampleOf('tpps show tpp-1'))
    .argument('<clientId>')
    .action(async (clientId: string, flags: CommonFlags) => (await loadActions()).showTpp(clientId, flags));
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
    .action(async (clientId: string, flags: TppFlags) => (await loadActions()).addTpp(clientId, flags));
}

function changeCommand(): Command {
  return withTppFlags(
    operatorCommand('change', 'Change what is given of a TPP; the rest stays.', exampleOf(`tpps ${CHANGING}`)),
  )
    .option('--no-revoked-jwks-url', 'ask for no list of its revoked keys')
    .option('--no-certificate-subject', 'accept any certificate that its tokens are bound to')
    .argument('<clientId>')
    .action(async (clientId: string, flags: TppFlags) => (await loadActions()).changeTpp(clientId, flags));
}

function stateCommand(name: 'suspend' | 'resume', description: string): Command {
  return operatorCommand(name, description, exampleOf(`tpps ${name} tpp-1`))
    .argument('<clientId>')
    .action(async (clientId: string, flags: CommonFlags) => (await loadActions()).setState(clientId, name, flags));
}

function bringBackCommand(): Command {
  return operatorCommand(
    'bring-back',
    'Make the unresponsive callback URL of a TPP count as responsive again.',
    exampleOf('tpps bring-back tpp-1 --probe'),
  )
    .option('--probe', 'only try it now with one notification; it is responsive when that is acknowledged')
    .argument('<clientId>')
    .action(async (clientId: string, flags: CommonFlags & { probe?: boolean }) =>
      (await loadActions()).bringBack(clientId, flags),
    );
}

function removeCommand(): Command {
  return operatorCommand(
    'remove',
    'Remove a TPP and its registrations; what is awaiting is withdrawn.',
    exampleOf('tpps remove tpp-1'),
  )
    .option('--yes', 'do not ask')
    .argument('<clientId>')
    .action(async (clientId: string, flags: CommonFlags & { yes?: boolean }) =>
      (await loadActions()).removeTpp(clientId, flags),
    );
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
    .action(async (file: string, flags: ImportFlags) => (await loadActions()).importTpp(file, flags));
}
