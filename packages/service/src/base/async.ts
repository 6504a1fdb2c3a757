import type { Clock } from './clock.ts';

/** Work that is done again and again. */
export interface Interval {
  /** From the end of one run to the beginning of the next. */
  readonly everyMs: number;
  /** Whether the first run begins at once; left out: after `everyMs`. */
  readonly isImmediate?: boolean;
  readonly work: () => Promise<void>;
  /** Optional observer of runs that failed; the next one begins all the same. Not called once the interval is stopped. */
  readonly onError?: (error: unknown) => void;
}

/** Begins an interval. @returns stops it; resolves when a run that is under way has ended */
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

/** Makes a step that may be asked for more than once run once: all who ask get the same end. */
export function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= run();
    return result;
  };
}

/** Work did not settle in time. */
class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** Waits for work, but not for longer than `ms`. The work itself goes on. @throws {TimeoutError} */
export function withTimeout<T>(clock: Pick<Clock, 'after'>, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new TimeoutError(`no answer within ${ms} ms`)));
    work.then(resolve, reject).finally(cancel);
  });
}
