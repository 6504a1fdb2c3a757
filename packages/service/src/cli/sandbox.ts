import type { Command } from 'commander';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';

// The sandbox is a separate package that need not be installed with a production service. Its name is computed so that
// neither the compiler nor bundlers follow the import.
const SANDBOX = ['@tidings', 'sandbox', 'cli'].join('/');

interface SandboxPackage {
  readonly defineSandbox: (command: Command) => void;
}

/** `tidings sandbox` if its package is installed; otherwise a command that says how to install it. */
export async function define(command: Command): Promise<void> {
  try {
    const loaded: unknown = await import(SANDBOX);
    if (isSandboxPackage(loaded)) {
      loaded.defineSandbox(command);
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
      '\nExample:\n  tidings sandbox --once\n\nExit codes: 2 the package @tidings/sandbox is not installed.',
    )
    .action(() => {
      throw new StartUpError('The sandbox is not installed; run "npm install @tidings/sandbox" and try again.');
    });
}

function isSandboxPackage(value: unknown): value is SandboxPackage {
  return typeof value === 'object' && value !== null && 'defineSandbox' in value;
}
