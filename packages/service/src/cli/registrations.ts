import type { Command } from 'commander';
import { type CommonFlags, exampleOf, operatorCommand, WHERE_HELP } from './operator-flags.ts';

/** Flags of `list`. */
export interface RegistrationFlags extends CommonFlags {
  readonly apiVersion?: string;
  readonly resourceVersion?: string;
  readonly eventType?: string;
  readonly state?: string;
}

const loadActions = () => import('./registrations-actions.ts');

/** `tidings registrations`: what the TPPs registered, at a running service. */
export function define(command: Command): void {
  command
    .addCommand(
      operatorCommand(
        'list',
        'List event subscriptions and callback URLs in the order of the client_ids.',
        exampleOf('registrations list --state unresponsive'),
      )
        .option('--api-version <version>', 'made or last changed through this version of the API: v3.1 or v4.0')
        .option('--resource-version <version>', 'with this minimum version of resources, as in 4.0')
        .option('--event-type <type>', 'that are told of events of this type, by its URN or code')
        .option('--state <state>', 'only these: responsive, unresponsive, polling, suspended, superseded')
        .action(async (flags: RegistrationFlags) => (await loadActions()).listRegistrations(flags)),
    )
    .addCommand(
      operatorCommand(
        'show',
        'Show what a TPP registered, how its callback URL fares, and the last outcomes.',
        exampleOf('registrations show tpp-1'),
      )
        .argument('<clientId>')
        .action(async (clientId: string, flags: CommonFlags) =>
          (await loadActions()).showRegistrations(clientId, flags),
        ),
    )
    .addHelpText(
      'after',
      `
Examples:
  tidings registrations list --state unresponsive
  tidings registrations list --event-type UK.OBIE.Resource-Update --json
  tidings registrations show tpp-1
${WHERE_HELP}`,
    );
}
