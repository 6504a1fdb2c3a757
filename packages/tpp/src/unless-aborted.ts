/**
 * Waits for a promise until the signal is aborted.
 *
 * @param errorOf makes the error of the abort. Default: the reason of the signal
 * @throws that error
 */
export async function unlessAborted<T>(
  promise: PromiseLike<T>,
  signal: AbortSignal,
  errorOf: () => unknown = () => signal.reason,
): Promise<T> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(errorOf());
  });
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
