import { createInterface } from 'node:readline/promises';
import { printError } from '../base/output.ts';

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
