import { join, relative } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CHANGES, type Change } from './resource-server/ledger.ts';

/** First of the five ports that a sandbox that stays up listens on, unless another one is given. */
const PORT_DEFAULT = 8440;
const INSTANCES_MAX = 20;
const PORT_LAST_FIRST = 65_531;

interface Flags {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly state: string;
  readonly port?: number;
  readonly instances: number;
  readonly postgres?: string;
  readonly change: Change;
}

/** `tidings sandbox`: plays the flow, then stays up. What it runs is loaded only when it is run. */
export function defineSandbox(command: Command): void {
  command
    .option('--once', 'play the flow once and exit: 0 only if every step happened')
    .option('--json', 'print one JSON object per step, and a summary')
    .option('--state <folder>', 'where keys and store are kept', join('.tidings', 'sandbox'))
    .option('--port <number>', `first of five ports (default ${PORT_DEFAULT}; with --once any free ones)`, parsePort)
    .option('--instances <number>', 'instances of the service, on one database; needs --postgres', parseInstances, 1)
    .option(
      '--postgres <url>',
      'keep everything in this database: postgres://user@host:port/database; PGPASSWORD holds its password',
    )
    .addOption(new Option('--change <what>', 'what happens at the bank').choices(CHANGES).default(CHANGES[0]))
    .addHelpText(
      'after',
      `
Examples:
  tidings sandbox                             play the flow, stay up, print how to publish events
  tidings sandbox --once --json               for scripts: one JSON object per step
  tidings sandbox --once --change consent-revoked
  tidings sandbox --instances 3 --postgres postgres://tidings@localhost/tidings

Exit codes: 0 every step happened, and Ctrl-C ended it; 1 a step failed; 2 wrong use, or its folder cannot be used.`,
    )
    .action(async (flags: Flags) => {
      if (flags.instances > 1 && flags.postgres === undefined) {
        const { StartUpError } = await import('@tidings/service');
        throw new StartUpError('--instances needs --postgres: several instances share a PostgreSQL database.');
      }
      const { runSandbox } = await import('./run.ts');
      const port = flags.port ?? (flags.once === true ? 0 : PORT_DEFAULT);
      const folder = relative('', flags.state) || '.';
      process.exitCode = await runSandbox({
        ...flags,
        once: flags.once === true,
        json: flags.json === true,
        folder,
        port,
        postgresUrl: flags.postgres,
      });
    });
}

function parseInstances(text: string): number {
  const instances = Number(text);
  if (Number.isInteger(instances) && instances >= 1 && instances <= INSTANCES_MAX) return instances;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${INSTANCES_MAX}.`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= PORT_LAST_FIRST) return port;
  throw new InvalidArgumentError(`It must be a whole number from 0 (any free ones) to ${PORT_LAST_FIRST}.`);
}
