import type { Clock } from './clock.ts';

/**
 * Does something over and over, each time that long after it was done; what fails is tried again like that.
 *
 * @returns ends it; resolves when what is under way is done
 */
export function repeat(clock: Pick<Clock, 'after'>, everyMs: number, work: () => Promise<void>): () => Promise<void> {
  let isStopped = false;
  let cancel = (): void => undefined;
  let underWay: Promise<void> = Promise.resolve();
  const next = () => {
    cancel = clock.after(everyMs, () => {
      underWay = work()
        .catch(() => undefined)
        .then(() => {
          if (!isStopped) next();
        });
    });
  };
  next();
  return async () => {
    isStopped = true;
    cancel();
    await underWay;
  };
}
