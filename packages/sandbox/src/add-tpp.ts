import type { Command } from 'commander';
import { addStateFlag, stateFolderOf } from './state-flag.ts';

interface Flags {
  readonly clientId?: string;
  readonly json?: boolean;
  readonly state: string;
}

/** `tidings sandbox add-tpp`: adds a TPP to the sandbox that runs. */
export function defineAddTpp(command: Command): void {
  command
    .description('Add a TPP of your own to the sandbox that runs.')
    .argument('<callback-url>', 'where the bank shall POST its notifications')
    .option('--client-id <id>', 'client_id of the TPP (default: "my-tpp", or "my-tpp-2" for the second)')
    .option('--json', 'print JSON');
  addStateFlag(command, 'state folder of the sandbox')
    .addHelpText(
      'after',
      `
Examples:
  tidings sandbox add-tpp https://localhost:9443/open-banking/v4.0/event-notifications > .env
  tidings sandbox add-tpp --client-id other https://localhost:9444/open-banking/v4.0/event-notifications --json

Makes keys and certificates for the TPP, among them a server certificate for its callback URL, because the standard demands
https. Registers the TPP at the bank and at the authorisation server, and creates an event subscription for all event types
unless it has one. Prints everything that the TPP needs as environment variables, or as JSON; both are also in files of the
state folder, in "tpps". The TPP stays for later runs of the sandbox. Repeated with the same callback URL, the command changes
nothing; with the same client_id, it changes the callback URL.

Exit codes: 0 done; 1 no sandbox runs with that state folder, or it failed; 2 wrong usage, or the URL is refused.`,
    )
    .action(async (callbackUrl: string, { clientId, json, state }: Flags) => {
      const { addTpp } = await import('./control/commands.ts');
      const wanted = { callbackUrl, ...(clientId !== undefined && { clientId }) };
      process.exitCode = await addTpp(stateFolderOf(state), wanted, json === true);
    });
}
