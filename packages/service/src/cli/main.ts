import { Command, CommanderError } from 'commander';
import { print, printError } from '../base/output.ts';
import { StartUpError } from '../base/start-up-error.ts';
import { printable } from '../base/terminal-text.ts';
import { auditCommand } from './audit.ts';
import { backupCommand } from './backup.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { completionCommand } from './completion.ts';
import { configCommand } from './config.ts';
import { doctorCommand } from './doctor.ts';
import { evidenceCommand, verifyEvidenceCommand } from './evidence.ts';
import { keysCommand } from './keys.ts';
import { migrateCommand } from './migrate.ts';
import { notificationsCommand } from './notifications.ts';
import { openapiCommand } from './openapi.ts';
import { portalNotesCommand } from './portal-notes.ts';
import { publishCommand } from './publish.ts';
import { redeliverCommand } from './redeliver.ts';
import { registrationsCommand } from './registrations.ts';
import { sandboxCommand } from './sandbox.ts';
import { serveCommand } from './serve.ts';
import { statisticsCommand } from './statistics.ts';
import { statusCommand } from './status.ts';
import { tailCommand } from './tail.ts';
import { tppsCommand } from './tpps.ts';
import { withdrawCommand } from './withdraw.ts';

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const program = await buildProgram();
  prepare(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return sayError(error);
  }
}

/** Every command that there is, those of the sandbox where it is installed. */
export async function buildProgram(): Promise<Command> {
  const program = new Command('tidings')
    .description('The event notification system for UK Open Banking.')
    .version(VERSION)
    .configureHelp({ showGlobalOptions: true })
    // An option belongs to the command that it follows: "audit" and "audit archive" both have options of their own.
    .enablePositionalOptions()
    .addCommand(serveCommand())
    .addCommand(migrateCommand())
    .addCommand(configCommand())
    .addCommand(doctorCommand())
    .addCommand(backupCommand())
    .addCommand(tppsCommand())
    .addCommand(registrationsCommand())
    .addCommand(keysCommand())
    .addCommand(statusCommand())
    .addCommand(statisticsCommand())
    .addCommand(tailCommand())
    .addCommand(publishCommand())
    .addCommand(notificationsCommand())
    .addCommand(redeliverCommand())
    .addCommand(withdrawCommand())
    .addCommand(auditCommand())
    .addCommand(evidenceCommand())
    .addCommand(verifyEvidenceCommand())
    .addCommand(portalNotesCommand())
    .addCommand(openapiCommand())
    .addCommand(await sandboxCommand());
  return program.addCommand(completionCommand(program)).addHelpText('after', PROGRAM_HELP);
}

const PROGRAM_HELP = `
Examples:
  tidings sandbox --once                        see everything play on this machine
  tidings doctor --config tidings.json          find what is wrong with an installation
  tidings serve --config tidings.json           run the service
  tidings tpps --help                           what a group of commands has, with examples

Exit codes: 0 done; 1 failed, refused, or something is wrong; 2 wrong use or configuration. Each command says its own.
A command whose output nobody reads any more, such as one piped into "head", goes on to its end without a word, and its
exit code is the same; "tail", and a sandbox that stays up, end.
Colours are for terminals alone, and not even there with NO_COLOR set.`;

const VERSION = '0.1.0';

/** Commander must neither end the process by itself nor write past {@link print}. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: print, writeErr: printError });
  for (const inner of command.commands) prepare(inner);
}

function sayError(error: unknown): number {
  // Commander has written its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CONFIGURATION;
  if (error instanceof CliError) {
    printError(`tidings: ${printable(error.message)}\n`);
    return error.exitCode;
  }
  if (error instanceof StartUpError || (error instanceof Error && error.name === 'StateFolderError')) {
    printError(`tidings: ${printable(error.message)}\n`);
    return EXIT_CONFIGURATION;
  }
  printError(`tidings: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_FAILED;
}
