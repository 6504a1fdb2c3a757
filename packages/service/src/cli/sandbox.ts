import type { Command } from 'commander';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';

// Nothing imports the sandbox: it is a package of its own that may not be installed beside a production service. The
// name is computed so that neither types nor bundlers follow it.
const SANDBOX = ['@tidings', 'sandbox', 'cli'].join('/');

interface SandboxPackage {
  readonly defineSandbox: (command: Command) => void;
}

/** `tidings sandbox`, where the package is installed; otherwise a command that says how to install it. */
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
    .addHelpText('after', '\nExample:\n  tidings sandbox --once\n\nExit codes: 2 the package is not installed.')
    .action(() => {
      throw new StartUpError('The sandbox is not installed; run "npm install @tidings/sandbox" and try again.');
    });
}

function isSandboxPackage(value: unknown): value is SandboxPackage {
  return typeof value === 'object' && value !== null && 'defineSandbox' in value;
}
