import type { Command } from 'commander';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';

// The sandbox is a separate package that need not be installed with a production service. Its name is computed so that
// neither the compiler nor bundlers follow the import.
const SANDBOX = ['@tidings', 'sandbox', 'cli'].join('/');

/** `tidings sandbox` if its package is installed; otherwise a command that says how to install it. */
export function define(command: Command): Promise<void> {
  return defineFromSandbox(command, 'defineSandbox');
}

/** Defines a command with a function of the package; if that is not installed, as one that says how to install it. */
export async function defineFromSandbox(command: Command, name: 'defineSandbox' | 'defineTrigger'): Promise<void> {
  try {
    const loaded: unknown = await import(SANDBOX);
    const defineIt = definition(loaded, name);
    if (defineIt !== undefined) {
      defineIt(command);
      return;
    }
  } catch (error) {
    if (systemErrorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
  }
  command
    .allowUnknownOption()
    .allowExcessArguments()
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  tidings ${command.name()}\n\nExit codes: 2 the package @tidings/sandbox is not installed.`,
    )
    .action(() => {
      throw new StartUpError('The sandbox is not installed; run "npm install @tidings/sandbox" and try again.');
    });
}

function definition(loaded: unknown, name: string): ((command: Command) => void) | undefined {
  const found = typeof loaded === 'object' && loaded !== null ? Reflect.get(loaded, name) : undefined;
  return typeof found === 'function' ? (command) => found(command) : undefined;
}
