import type { Command } from 'commander';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP } from './operator-flags.ts';

/** Flags of `rotate` and `retire`. */
export interface KeyFlags extends CommonFlags {
  readonly force?: boolean;
}

// Loaded only when a command of the group is run: the help of others need not wait for it.
const loadActions = () => import('./keys-actions.ts');

/** `tidings keys`: our own signing keys, at a running service. */
export function define(command: Command): void {
  command
    .addCommand(
      operatorCommand(
        'list',
        'List the keys: which one signs, and what still depends on each.',
        exampleOf('keys list'),
      ).action(async (flags: CommonFlags) => (await loadActions()).listKeys(flags)),
    )
    .addCommand(
      operatorCommand('show', 'Show one key.', exampleOf('keys show bank-2026'))
        .argument('<kid>')
        .action(async (kid: string, flags: CommonFlags) => (await loadActions()).showKey(kid, flags)),
    )
    .addCommand(
      operatorCommand(
        'announce',
        'Have the service that is asked read the keys of its configuration anew: "signing.next" is in the JWKS from then on.',
        exampleOf('keys announce'),
      ).action(async (flags: CommonFlags) => (await loadActions()).announce(flags)),
    )
    .addCommand(
      changeCommand('rotate', 'Sign with an announced key, or a former one, from now on: every instance that has it.')
        .option('--force', 'although it was announced only a short while ago')
        .action(async (kid: string, flags: KeyFlags) => (await loadActions()).changeKey(kid, 'rotate', flags)),
    )
    .addCommand(
      changeCommand('retire', 'Take a key out of the JWKS for good.')
        .option('--force', 'although something that it signed is awaiting')
        .action(async (kid: string, flags: KeyFlags) => (await loadActions()).changeKey(kid, 'retire', flags)),
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
