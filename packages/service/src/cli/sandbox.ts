import type { Command } from 'commander';
import { functionOf, importOptional } from '../base/optional-package.ts';
import { StartUpError } from '../base/start-up-error.ts';

/** `tidings sandbox` if its package is installed; otherwise a command that says how to install it. */
export function define(command: Command): Promise<void> {
  return defineFromSandbox(command, 'defineSandbox');
}

/** Defines a command with a function of the package; if that is not installed, as one that says how to install it. */
export async function defineFromSandbox(command: Command, name: 'defineSandbox' | 'defineTrigger'): Promise<void> {
  // A separate package that need not be installed with a production service.
  const defineIt = functionOf(await importOptional('@tidings/sandbox/cli'), name);
  if (defineIt !== undefined) {
    defineIt(command);
    return;
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
