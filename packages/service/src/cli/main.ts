import { Command, CommanderError } from 'commander';
import { StartUpError } from '../base/start-up-error.ts';
import { sandboxCommand } from './sandbox.ts';
import { serveCommand } from './serve.ts';

/** Exit codes: 0 done, 1 failed, 2 wrong use or configuration. */
const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 2;

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('tidings')
    .description('The event notification system for UK Open Banking.')
    .version(VERSION)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addCommand(serveCommand())
    .addCommand(await sandboxCommand());
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return sayError(error);
  }
}

const VERSION = '0.1.0';

function sayError(error: unknown): number {
  // Commander has written its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CONFIGURATION;
  if (error instanceof StartUpError || (error instanceof Error && error.name === 'StateFolderError')) {
    process.stderr.write(`tidings: ${error.message}\n`);
    return EXIT_CONFIGURATION;
  }
  process.stderr.write(`tidings: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_FAILED;
}
