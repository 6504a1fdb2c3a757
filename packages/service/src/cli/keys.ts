import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { ShownSigningKey } from '../operator/signing-key-view.ts';
import { CONNECTION_HELP, type CommonFlags, exampleOf, operatorCommand, withOperatorClient } from './operator-flags.ts';
import { formatFacts, printTable, timeCell, timeFact, withTableFlags } from './output.ts';
import type { Column, Shortenable } from './table.ts';
import { formatTime } from './units.ts';

// Loaded when a call is made: the help of a command does not wait for it.
const loadSchemas = () => import('../operator/signing-key-view.ts');

/** Flags of `rotate` and `retire`. */
interface KeyFlags extends CommonFlags {
  readonly force?: boolean;
}

/** `tidings keys`: the signing keys of a running service. */
export function define(command: Command): void {
  command
    .addCommand(
      withTableFlags(
        operatorCommand(
          'list',
          'List the signing keys: which one signs, and what still depends on each.',
          exampleOf('keys list'),
        ),
      ).action((flags: CommonFlags) => listKeys(flags)),
    )
    .addCommand(
      operatorCommand('show', 'Show one signing key.', exampleOf('keys show bank-2026'))
        .argument('<kid>')
        .action((kid: string, flags: CommonFlags) => showKey(kid, flags)),
    )
    .addCommand(
      operatorCommand(
        'announce',
        'Make the called instance reload its keys and publish the key of "signing.next" in the JWKS.',
        exampleOf('keys announce'),
      ).action((flags: CommonFlags) => announce(flags)),
    )
    .addCommand(
      changeCommand('rotate', 'Sign with this key from now on, on every instance that has it.')
        .option('--force', 'even if TPPs may not have fetched the announced key yet')
        .action((kid: string, flags: KeyFlags) => changeKey(kid, 'rotate', flags)),
    )
    .addCommand(
      changeCommand('retire', 'Remove a key from the JWKS for good.')
        .option('--force', 'even if notifications that it signed are still awaiting')
        .action((kid: string, flags: KeyFlags) => changeKey(kid, 'retire', flags)),
    )
    .addHelpText(
      'after',
      `
Examples:
  tidings keys announce
  tidings keys list
  tidings keys rotate bank-2027
  tidings keys retire bank-2026

To rotate: announce the next key, wait until TPPs have fetched it, rotate to it, and retire the former key once nothing
depends on it. Private keys never leave their files. The full procedure is in docs/guides/key-rotation.md.
${CONNECTION_HELP}`,
    );
}

function changeCommand(name: 'rotate' | 'retire', description: string): Command {
  return operatorCommand(name, description, exampleOf(`keys ${name} bank-2026`)).argument('<kid>');
}

const KEYS = '/operator/v1/signing-keys';

const pathOf = (kid: string) => `${KEYS}/${encodeURIComponent(kid)}`;

/** `tidings keys list` */
async function listKeys(flags: CommonFlags): Promise<void> {
  const call = { method: 'GET', path: KEYS } as const;
  const { value } = await withOperatorClient(flags, async (client) =>
    client.read(call, (await loadSchemas()).SigningKeyList),
  );
  if (flags.json === true) return printJson(value);
  printTable(COLUMNS, value.keys, { flags, empty: 'There is no signing key.' });
  const { signsWith, holds, problem } = value.thisInstance;
  print(`The called instance holds ${holds.join(', ') || 'no key'} and signs with ${signsWith ?? 'none'}.\n`);
  if (problem !== undefined) print(`PROBLEM: ${problem}.\n`);
}

const COLUMNS: readonly Column<ShownSigningKey>[] = [
  { head: 'KID', cell: ({ kid }) => kid },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'SINCE', cell: ({ since }, nowMs) => timeCell(since, nowMs), rank: 3 },
  { head: 'IN THE JWKS', cell: publicationCell, rank: 2 },
  { head: 'AWAITING', cell: awaitingOf, rank: 1 },
  { head: 'THUMBPRINT', cell: ({ thumbprint }) => thumbprint, rank: 4, charsMin: 12 },
];

/** `tidings keys show` */
async function showKey(kid: string, flags: CommonFlags): Promise<void> {
  const call = { method: 'GET', path: pathOf(kid) } as const;
  const { value } = await withOperatorClient(flags, async (client) =>
    client.read(call, (await loadSchemas()).ShownSigningKey),
  );
  if (flags.json === true) printJson(value);
  else printKey(value);
}

/** `tidings keys announce` */
async function announce(flags: CommonFlags): Promise<void> {
  const call = { method: 'POST', path: `${KEYS}/reload` } as const;
  const { value } = await withOperatorClient(flags, async (client) =>
    client.read(call, (await loadSchemas()).ReloadedKey),
  );
  if (flags.json === true) return printJson(value);
  const { kid, changed, announced } = value;
  const signing = changed ? `${kid} signs from now on.` : `${kid} still signs.`;
  const next = announced === undefined ? 'No new key is announced.' : `${announced} is announced.`;
  print(`The keys are reloaded. ${next} ${signing}\n`);
}

/** `tidings keys rotate` and `tidings keys retire` */
async function changeKey(kid: string, how: 'rotate' | 'retire', flags: KeyFlags): Promise<void> {
  const body = { force: flags.force === true };
  const call = { method: 'POST', path: `${pathOf(kid)}/${how}`, body, flagNames: { force: '--force' } } as const;
  const { value } = await withOperatorClient(flags, async (client) =>
    client.read(call, (await loadSchemas()).ShownSigningKey),
  );
  if (flags.json === true) printJson(value);
  else print(how === 'rotate' ? `${kid} signs from now on.\n` : `${kid} is removed from the JWKS.\n`);
}

function printKey(key: ShownSigningKey): void {
  const { oldest, evidence } = key.dependents;
  print(
    formatFacts({
      ...{ kid: key.kid, thumbprint: key.thumbprint, algorithm: key.algorithm, state: key.state },
      since: timeFact(key.since),
      'can sign from': timeFact(key.rotatableFrom),
      retired: timeFact(key.retiredAt),
      'last used': timeFact(key.stillUsedAt),
      'in the JWKS': publicationOf(key, timeFact),
      'awaiting notifications': awaitingOf(key),
      'oldest awaiting': oldest && `${oldest.jti}, published ${timeFact(oldest.publishedAt)}`,
      'kept evidence': evidence ? 'may depend on it' : 'none depends on it',
    }),
  );
}

function publicationOf({ isPublished, publishedUntil }: ShownSigningKey, format: (at: string) => string): string {
  if (!isPublished) return 'no';
  return publishedUntil === undefined ? 'yes' : `until ${format(publishedUntil)}`;
}

const DATE_CHARS = 10;

function publicationCell(key: ShownSigningKey, nowMs: number): Shortenable {
  return {
    whole: publicationOf(key, (at) => formatTime(at, nowMs)),
    short: publicationOf(key, (at) => at.slice(0, DATE_CHARS)),
  };
}

function awaitingOf({ dependents: { awaiting, isAtLeast } }: ShownSigningKey): string {
  return isAtLeast ? `at least ${awaiting}` : String(awaiting);
}
