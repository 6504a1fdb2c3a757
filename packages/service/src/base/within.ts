import type { Clock } from './clock.ts';

/** What was waited for took too long. */
class TooLate extends Error {
  override readonly name = 'TooLate';
}

/** Waits for an answer, but not for longer. @throws {TooLate} the work goes on, and nobody hears of it */
export function within<T>(clock: Pick<Clock, 'after'>, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new TooLate(`no answer within ${ms} ms`)));
    work.then(resolve, reject).finally(cancel);
  });
}
