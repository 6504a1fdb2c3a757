import { systemClock } from '@tidings/service';

/** Resolves after a delay in real time. */
export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(delayMs, resolve);
  });
}
