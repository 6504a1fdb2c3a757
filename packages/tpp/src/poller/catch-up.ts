import { randomFraction, waitFor } from '../clock.ts';
import { TIMER_MS_MAX, wholeNumber } from '../whole-number.ts';
import type { PollOutcome } from './poll-loop.ts';
import type { Poller } from './poller.ts';

/** Options of {@link keepCaughtUp}. */
export interface CatchUpOptions {
  /** Shares its `handler`, such as an inbox, with the receiver. It must not run otherwise. */
  readonly poller: Pick<Poller, 'catchUp'>;
  /** Time between two catch-ups, of which up to a tenth is left out at random. Default 300 000 (5 minutes). */
  readonly intervalMs?: number;
  /** Observer of every catch-up that has ended. Its errors are ignored. */
  onCaughtUp?(outcome: PollOutcome): void;
  /** Random number in [0, 1). Default: the system's. */
  random?(): number;
  /** Resolves after the delay, or when the signal is aborted. Default: a system timer. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
}

const INTERVAL_MS = 300_000;
const SPREAD_SHARE = 0.1;

/**
 * Collects what could not be pushed, besides a receiver: at once, when the bank is reachable again after an outage, and at
 * an interval, because a TPP cannot see that its callback URL was unreachable from outside (rules, sections 4 and 6).
 * Notifications that are pushed and polled at once are handled once, as receiver and poller share a handler. A failed poll
 * is retried with the poller's backoff, so a catch-up that an outage interrupts ends when the outage does.
 *
 * @param signal ends it; notifications in progress are finished and acknowledged
 * @returns resolves when stopped; rejects with `BankError` when further polls would fail as well, as `Poller.run` does
 * @throws {RangeError} for a number out of range
 */
export async function keepCaughtUp(options: CatchUpOptions, signal: AbortSignal): Promise<void> {
  const { poller, random = randomFraction, wait = waitFor } = options;
  const intervalMs = wholeNumber('intervalMs', options.intervalMs ?? INTERVAL_MS, 1, TIMER_MS_MAX);
  while (!signal.aborted) {
    const outcome = await poller.catchUp(signal);
    try {
      options.onCaughtUp?.(outcome);
    } catch {
      // A failing observer must not stop polling.
    }
    await wait(Math.ceil(intervalMs * (1 - SPREAD_SHARE * random())), signal);
  }
}
