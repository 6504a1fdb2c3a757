/** Exit codes of every command: 0 done, 1 failed, 2 wrong use or configuration. */
export const EXIT_FAILED = 1;
export const EXIT_CONFIGURATION = 2;

/** A command that cannot go on: `message` is said, and the process ends with the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: typeof EXIT_FAILED | typeof EXIT_CONFIGURATION;

  /** @param message says what is wrong and what to do */
  constructor(exitCode: CliError['exitCode'], message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit codes, as the help of a command says them. */
export const EXIT_CODES_HELP = 'Exit codes: 0 done; 1 refused, or the service cannot be reached; 2 wrong use.';
