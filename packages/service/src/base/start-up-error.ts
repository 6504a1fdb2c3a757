/**
 * The service cannot start as it is configured. The command line prints `message` and exits with 2. `message` is one sentence
 * that names the setting, file or port and the remedy.
 */
export class StartUpError extends Error {
  override readonly name = 'StartUpError';
}

/** The `code` of a Node.js system error (`ENOENT`, `EADDRINUSE`); undefined for other errors. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of what was thrown, whatever it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
