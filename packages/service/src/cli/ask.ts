import { createInterface } from 'node:readline/promises';
import { printError } from '../base/output.ts';
import { CliError, EXIT_CONFIGURATION } from './cli-error.ts';

/** Asks a person whether to go on; only yes is yes. @throws {CliError} saying what was not done, for anything else */
export async function confirm(question: string, otherwise: string): Promise<void> {
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT_CONFIGURATION, otherwise);
}

/** Asks a person at the terminal. @returns one line */
export async function ask(question: string): Promise<string> {
  printError(question);
  const terminal = createInterface({ input: process.stdin });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
  }
}
