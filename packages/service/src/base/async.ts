import type { Clock } from './clock.ts';

/** Work that is repeated. */
export interface Interval {
  /** Time from the end of one run to the start of the next. */
  readonly everyMs: number;
  /** Whether the first run starts at once. Default: after `everyMs`. */
  readonly isImmediate?: boolean;
  readonly work: () => Promise<void>;
  /** Optional observer of failed runs, which do not end the interval. Not called once it is stopped. */
  readonly onError?: (error: unknown) => void;
}

/** Starts an interval. @returns a function that stops it, and resolves when the run under way has ended */
export function startInterval(clock: Pick<Clock, 'after'>, interval: Interval): () => Promise<void> {
  const { everyMs, isImmediate = false, work, onError } = interval;
  let isStopped = false;
  let cancel = (): void => undefined;
  let underWay: Promise<void> = Promise.resolve();
  const run = () => {
    underWay = work()
      .catch((error: unknown) => {
        if (!isStopped) onError?.(error);
      })
      .then(() => {
        if (!isStopped) cancel = clock.after(everyMs, run);
      });
  };
  if (isImmediate) run();
  else cancel = clock.after(everyMs, run);
  return async () => {
    isStopped = true;
    cancel();
    await underWay;
  };
}

/** Wraps a function so that it runs only once; later calls get the same promise. */
export function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= run();
    return result;
  };
}

/** Waits for `ms`, or until the signal is aborted. Does not reject. */
export function pause(clock: Pick<Clock, 'after'>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end);
  });
}

/** Work that did not settle in time. */
class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** Waits for work, for `ms` at most. A timeout does not end the work. @throws {TimeoutError} */
export function withTimeout<T>(clock: Pick<Clock, 'after'>, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new TimeoutError(`no answer within ${ms} ms`)));
    work.then(resolve, reject).finally(cancel);
  });
}
