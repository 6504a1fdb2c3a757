import { NotificationError } from '../notification/notification-error.ts';

/** How much a receiver takes on at once. */
export interface AdmissionLimits {
  /** How many verified notifications are handled at once. Default 100. */
  readonly handlingMax?: number;
  /** How many more may wait for their turn. Beyond that the bank gets 503. Default 400. */
  readonly waitingMax?: number;
  /** `Retry-After` of a 503, in whole seconds. Default 10. */
  readonly retryAfterSeconds?: number;
}

/** Runs an action now or when its turn comes. */
export type Admission = <T>(action: () => Promise<T>) => Promise<T>;

const HANDLING_MAX = 100;
const WAITING_MAX = 400;
const RETRY_AFTER_SECONDS = 10;

/**
 * Bounds how many actions run and wait. Those that wait run in the order in which they came.
 *
 * @returns a function that throws {@link NotificationError} handler_behind when as many wait as may
 * @throws {RangeError} when a limit is not a whole number, or too small
 */
export function createAdmission(limits: AdmissionLimits): Admission {
  const { handlingMax = HANDLING_MAX, waitingMax = WAITING_MAX, retryAfterSeconds = RETRY_AFTER_SECONDS } = limits;
  checkWhole('handlingMax', handlingMax, 1);
  checkWhole('waitingMax', waitingMax, 0);
  checkWhole('retryAfterSeconds', retryAfterSeconds, 0);
  const waiting: (() => void)[] = [];
  let running = 0;

  async function enter(): Promise<void> {
    if (running < handlingMax) {
      running += 1;
      return;
    }
    if (waiting.length >= waitingMax) {
      const message = `${handlingMax} notifications are being handled, and ${waitingMax} wait.`;
      throw new NotificationError('handler_behind', message, { retryAfterSeconds });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  // The turn of one that has ended passes to the next, so that nothing that comes meanwhile overtakes it.
  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  return async (action) => {
    await enter();
    try {
      return await action();
    } finally {
      leave();
    }
  };
}

function checkWhole(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    throw new RangeError(`${name} must be a whole number, at least ${min}`);
}
