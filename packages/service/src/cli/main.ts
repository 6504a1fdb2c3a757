import { Command, CommanderError } from 'commander';
import { StartUpError } from '../base/start-up-error.ts';
import { auditCommand } from './audit.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { evidenceCommand, verifyEvidenceCommand } from './evidence.ts';
import { migrateCommand } from './migrate.ts';
import { notificationsCommand } from './notifications.ts';
import { openapiCommand } from './openapi.ts';
import { portalNotesCommand } from './portal-notes.ts';
import { redeliverCommand } from './redeliver.ts';
import { sandboxCommand } from './sandbox.ts';
import { serveCommand } from './serve.ts';
import { statusCommand } from './status.ts';
import { tppsCommand } from './tpps.ts';
import { withdrawCommand } from './withdraw.ts';

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('tidings')
    .description('The event notification system for UK Open Banking.')
    .version(VERSION)
    .configureHelp({ showGlobalOptions: true })
    .addCommand(serveCommand())
    .addCommand(migrateCommand())
    .addCommand(tppsCommand())
    .addCommand(statusCommand())
    .addCommand(notificationsCommand())
    .addCommand(redeliverCommand())
    .addCommand(withdrawCommand())
    .addCommand(auditCommand())
    .addCommand(evidenceCommand())
    .addCommand(verifyEvidenceCommand())
    .addCommand(portalNotesCommand())
    .addCommand(openapiCommand())
    .addCommand(await sandboxCommand());
  throwInsteadOfExit(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return sayError(error);
  }
}

const VERSION = '0.1.0';

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const inner of command.commands) throwInsteadOfExit(inner);
}

function sayError(error: unknown): number {
  // Commander has written its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CONFIGURATION;
  if (error instanceof CliError) {
    process.stderr.write(`tidings: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof StartUpError || (error instanceof Error && error.name === 'StateFolderError')) {
    process.stderr.write(`tidings: ${error.message}\n`);
    return EXIT_CONFIGURATION;
  }
  process.stderr.write(`tidings: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_FAILED;
}
