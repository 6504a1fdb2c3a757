import { systemClock } from '@tidings/service';

/** Waits; the sandbox plays in real time. */
export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(delayMs, resolve);
  });
}
