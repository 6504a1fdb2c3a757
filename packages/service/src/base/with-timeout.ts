import type { Clock } from './clock.ts';

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
