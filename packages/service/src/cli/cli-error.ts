/** Exit codes of every command: 0 done, 1 failed, 2 wrong use or configuration. */
export const EXIT_FAILED = 1;
export const EXIT_CONFIGURATION = 2;

/** A command cannot continue: `message` is printed, and the process ends with the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: typeof EXIT_FAILED | typeof EXIT_CONFIGURATION;

  /** @param message what is wrong and how to remedy it */
  constructor(exitCode: CliError['exitCode'], message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit codes in the help of every command that calls a running service. */
export const EXIT_CODES_HELP =
  'Exit codes: 0 done; 1 refused by the service, or the service cannot be reached; 2 wrong usage.';
