import { type Command, InvalidArgumentError, Option } from 'commander';
import { defineAddTpp } from './add-tpp.ts';
import { CHANGES, type Change } from './resource-server/ledger.ts';
import { addStateFlag, stateFolderOf } from './state-flag.ts';

export { defineTrigger } from './trigger.ts';

/** Default for the first of the seven ports of a sandbox that keeps running. */
const PORT_DEFAULT = 8440;
const INSTANCES_MAX = 20;
const CALLBACK_EXAMPLE = ' Example: https://localhost:9443/open-banking/v4.0/event-notifications';
const PORT_LAST_FIRST = 65_529;

interface Flags {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly state: string;
  readonly port?: number;
  readonly instances: number;
  readonly postgres?: string;
  readonly change: Change;
  readonly tppCallback?: string;
}

/** `tidings sandbox`: runs the flow, then keeps running. The participants are loaded only when it is called. */
export function defineSandbox(command: Command): void {
  command
    .option('--once', 'run the flow once and exit; the exit code is 0 only if every step succeeded')
    .option('--json', 'print one JSON object per step, and a summary');
  addStateFlag(command, 'folder for keys and store')
    .option(
      '--port <number>',
      `first of seven consecutive ports (default: ${PORT_DEFAULT}; any free ports with --once)`,
      parsePort,
    )
    .option(
      '--instances <number>',
      'number of instances of the service on one database; requires --postgres',
      parseInstances,
      1,
    )
    .option(
      '--postgres <url>',
      'PostgreSQL database for the store, such as postgres://user@host:port/database; its password is in PGPASSWORD',
    )
    .addOption(new Option('--change <what>', 'the event at the bank').choices(CHANGES).default(CHANGES[0]))
    .option('--tpp-callback <url>', 'add a TPP of your own with this callback URL; it stays for later runs')
    .addHelpText(
      'after',
      `
Examples:
  tidings sandbox                             run the flow, keep running, print a link to the console
  tidings sandbox --once --json               for scripts: one JSON object per step
  tidings sandbox --once --change consent-revoked
  tidings sandbox --tpp-callback https://localhost:9443/open-banking/v4.0/event-notifications
  tidings sandbox add-tpp --help              add a TPP while the sandbox runs
  tidings sandbox --instances 3 --postgres postgres://tidings@localhost/tidings

Starts an authorisation server, the notification service, a resource server and a TPP on this machine, all over TLS with
locally generated certificates, and runs every step from registration to polling. Use it to learn the product and to develop
a TPP or a publisher against it. It is not for production.

A sandbox that keeps running prints a link to the operators' console, which signs in once. It has a button that makes
something happen at the bank, and when it is first opened a second TPP joins whose endpoint is down.

With --tpp-callback the sandbox makes keys and certificates for a TPP of your own, registers it, and says which files have
everything that it needs. "tidings trigger" makes something happen at the bank.

Exit codes: 0 every step succeeded; 1 a step failed; 2 wrong usage, or the folder or a port cannot be used; 130 interrupted.`,
    )
    .action(async (flags: Flags) => {
      if (flags.instances > 1 && flags.postgres === undefined) {
        const { StartUpError } = await import('@tidings/service');
        throw new StartUpError(
          '--instances requires --postgres, because several instances share a PostgreSQL database.',
        );
      }
      if (flags.tppCallback !== undefined) await checkTppCallback(flags.tppCallback, flags.once === true);
      const { runSandbox } = await import('./run.ts');
      const port = flags.port ?? (flags.once === true ? 0 : PORT_DEFAULT);
      process.exitCode = await runSandbox({
        ...flags,
        once: flags.once === true,
        json: flags.json === true,
        folder: stateFolderOf(flags.state),
        port,
        postgresUrl: flags.postgres,
      });
    });
  // A flag belongs to the command that it follows.
  command.enablePositionalOptions();
  defineAddTpp(command.command('add-tpp'));
}

/** @throws {StartUpError} before anything is started */
async function checkTppCallback(url: string, once: boolean): Promise<void> {
  const { StartUpError } = await import('@tidings/service');
  const { checkCallbackUrl } = await import('@tidings/protocol');
  if (once) throw new StartUpError('--tpp-callback requires a sandbox that keeps running; leave --once out.');
  const why = checkCallbackUrl(url, 'v4.0');
  if (why !== undefined) throw new StartUpError(`--tpp-callback ${why}.${CALLBACK_EXAMPLE}`);
}

function parseInstances(text: string): number {
  const instances = Number(text);
  if (Number.isInteger(instances) && instances >= 1 && instances <= INSTANCES_MAX) return instances;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${INSTANCES_MAX}.`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= PORT_LAST_FIRST) return port;
  throw new InvalidArgumentError(`It must be a whole number from 0 (any free ports) to ${PORT_LAST_FIRST}.`);
}
