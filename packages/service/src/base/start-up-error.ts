/**
 * The service cannot start as it is configured: the command line says `message` and exits with 2. `message` is one
 * sentence that names the setting, file or port and what to do about it.
 */
export class StartUpError extends Error {
  override readonly name = 'StartUpError';
}

/** The `code` of a Node system error (`ENOENT`, `EADDRINUSE`), if it is one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
