import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config-file.ts';
import { SelectionError } from '../run.ts';
import { VERSION } from '../version.ts';
import { defineAspsp } from './aspsp.ts';
import type { CommandEffects } from './effects.ts';
import { UsageError } from './errors.ts';
import { defineList } from './list.ts';
import { type Output, systemOutput } from './output.ts';
import { defineTpp } from './tpp.ts';

const EXIT_USE = 2;
const EXIT_FAILED = 1;

const HELP = `
Examples:
  tidings-conformance list
  tidings-conformance aspsp --config bank.json
  tidings-conformance aspsp --config bank.json --report-html report.html
  tidings-conformance tpp --config tpp.json

Exit codes: 0 every check that counts passed or was skipped; 1 a check failed or could not be carried out; 2 wrong use or
configuration.`;

/** Runs the command line. @returns the exit code */
export async function main(args: readonly string[], output: Output = systemOutput): Promise<number> {
  let code = 0;
  const stop = new AbortController();
  const onInterrupt = () => stop.abort();
  process.once('SIGINT', onInterrupt);
  const end = (given: number) => {
    code = given;
  };
  const program = new Command('tidings-conformance')
    .description('Black-box conformance tests for UK Open Banking event notifications.')
    .version(VERSION)
    .addHelpText('after', HELP);
  const effects: CommandEffects = { output, signal: stop.signal, end };
  defineAspsp(program.command('aspsp'), effects);
  defineTpp(program.command('tpp'), effects);
  defineList(program.command('list'), effects);
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: output.print, writeErr: output.printError });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return reported(error, output);
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}

/** @returns the exit code */
function reported(error: unknown, { printError }: Output): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USE;
  const isUse = error instanceof ConfigError || error instanceof SelectionError || error instanceof UsageError;
  printError(`tidings-conformance: ${error instanceof Error ? error.message : String(error)}\n`);
  return isUse ? EXIT_USE : EXIT_FAILED;
}
