import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { ShownSigningKey } from '../operator/signing-key-view.ts';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP, withOperatorClient } from './operator-flags.ts';
import { factsOf, tableOf } from './output.ts';

// Loaded where a call is made: the help of a command need not wait for it.
const loadSchemas = () => import('../operator/signing-key-view.ts');

/** Flags of `rotate` and `retire`. */
interface KeyFlags extends CommonFlags {
  readonly force?: boolean;
}

/** `tidings keys`: our own signing keys, at a running service. */
export function define(command: Command): void {
  command
    .addCommand(
      operatorCommand(
        'list',
        'List the keys: which one signs, and what still depends on each.',
        exampleOf('keys list'),
      ).action((flags: CommonFlags) => listKeys(flags)),
    )
    .addCommand(
      operatorCommand('show', 'Show one key.', exampleOf('keys show bank-2026'))
        .argument('<kid>')
        .action((kid: string, flags: CommonFlags) => showKey(kid, flags)),
    )
    .addCommand(
      operatorCommand(
        'announce',
        'Have the service that is asked read the keys of its configuration anew: "signing.next" is in the JWKS from then on.',
        exampleOf('keys announce'),
      ).action((flags: CommonFlags) => announce(flags)),
    )
    .addCommand(
      changeCommand('rotate', 'Sign with an announced key, or a former one, from now on: every instance that has it.')
        .option('--force', 'although it was announced only a short while ago')
        .action((kid: string, flags: KeyFlags) => changeKey(kid, 'rotate', flags)),
    )
    .addCommand(
      changeCommand('retire', 'Take a key out of the JWKS for good.')
        .option('--force', 'although something that it signed is awaiting')
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

Private keys never leave their files. The procedure, for one instance and for several: docs/guides/key-rotation.md.
${WHERE_HELP}`,
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
  const rows = value.keys.map((key) => [
    key.kid,
    key.state,
    key.since ?? '',
    publicationOf(key),
    awaitingOf(key),
    key.thumbprint,
  ]);
  print(tableOf(['KID', 'STATE', 'SINCE', 'IN THE JWKS', 'AWAITING', 'THUMBPRINT'], rows));
  const { signsWith, holds, problem } = value.thisInstance;
  print(`This instance has ${holds.join(', ')} and signs with ${signsWith ?? 'nothing'}.\n`);
  if (problem !== undefined) print(`PROBLEM: ${problem}.\n`);
}

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
  const signing = changed ? `${kid} signs from now on, at once.` : `${kid} signs, as before.`;
  const next = announced === undefined ? 'No key is announced that was not known.' : `${announced} is announced.`;
  print(`The keys were read anew. ${next} ${signing}\n`);
}

/** `tidings keys rotate` and `tidings keys retire` */
async function changeKey(kid: string, how: 'rotate' | 'retire', flags: KeyFlags): Promise<void> {
  const body = { force: flags.force === true };
  const call = { method: 'POST', path: `${pathOf(kid)}/${how}`, body } as const;
  const { value } = await withOperatorClient(flags, async (client) =>
    client.read(call, (await loadSchemas()).ShownSigningKey),
  );
  if (flags.json === true) printJson(value);
  else print(how === 'rotate' ? `${kid} signs from now on.\n` : `${kid} is not in the JWKS any more.\n`);
}

function printKey(key: ShownSigningKey): void {
  const { oldest, evidence } = key.dependents;
  print(
    factsOf({
      ...{ kid: key.kid, thumbprint: key.thumbprint, algorithm: key.algorithm, state: key.state, since: key.since },
      'may sign from': key.rotatableFrom,
      retired: key.retiredAt,
      'still used': key.stillUsedAt,
      'in the JWKS': publicationOf(key),
      'awaiting notifications': awaitingOf(key),
      'oldest of them': oldest && `${oldest.jti}, published ${oldest.publishedAt}`,
      'kept evidence': evidence ? 'may refer to it' : 'none',
    }),
  );
}

function publicationOf({ isPublished, publishedUntil }: ShownSigningKey): string {
  if (!isPublished) return 'no';
  return publishedUntil === undefined ? 'yes' : `until ${publishedUntil}`;
}

function awaitingOf({ dependents: { awaiting, isAtLeast } }: ShownSigningKey): string {
  return isAtLeast ? `at least ${awaiting}` : String(awaiting);
}
