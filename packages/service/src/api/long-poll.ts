import type { Clock } from '../base/clock.ts';
import type { Store } from '../store/store.ts';

/** Why a wait ended: a notification may be available, or the poll must be answered now. */
export type WaitEnd = 'look-again' | 'give-up';

/** A held long poll. */
export interface HeldPoll {
  /**
   * Waits until a notification may be available. Changes since the end of the last wait count, so that none is lost
   * between a query and the wait.
   *
   * @param untilMs latest time to query again, in milliseconds since the epoch; undefined: only when woken
   */
  wait(untilMs: number | undefined): Promise<WaitEnd>;
  /** Ends the wait permanently: the connection is gone. */
  abort(): void;
  /** Releases its resources. Must be called however the poll ends. */
  release(): void;
}

export interface LongPollsOptions {
  readonly store: Pick<Store, 'onChange'>;
  readonly clock: Clock;
  readonly longPollMaxMs: number;
  readonly longPollsMax: number;
  readonly longPollsPerTppMax: number;
}

// A timer may fire slightly before the time of the store; querying again must not become a busy loop.
const LOOK_AGAIN_MIN_MS = 5;

interface Waiter {
  /** A change came that it has not queried yet. */
  isWoken: boolean;
  /** It may not wait any longer. */
  isOver: boolean;
  isAborted: boolean;
  /** Ends the current wait; undefined if there is none. */
  resolve: (() => void) | undefined;
}

/**
 * Holds polls while nothing is available. One listener on the store serves all of them, and waking a TPP costs only its own
 * polls, so that thousands can wait at once. Their number is bounded, in total and per TPP.
 */
export class LongPolls {
  readonly #options: LongPollsOptions;
  readonly #waitersOf = new Map<string, Set<Waiter>>();
  readonly #stopListening: () => void;
  #held = 0;
  #isClosed = false;

  constructor(options: LongPollsOptions) {
    this.#options = options;
    this.#stopListening = options.store.onChange(({ offered }) => {
      for (const clientId of offered) this.wake(clientId);
    });
  }

  /** How many polls are held now. */
  get held(): number {
    return this.#held;
  }

  /** Makes the polls of a TPP query again: what is available to it, or when, has changed. */
  wake(clientId: string): void {
    for (const waiter of this.#waitersOf.get(clientId) ?? []) {
      waiter.isWoken = true;
      waiter.resolve?.();
    }
  }

  /** Answers all held polls at once, and holds no more. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const waiters of this.#waitersOf.values()) for (const waiter of waiters) giveUp(waiter);
  }

  /**
   * Holds a poll for at most `longPollMaxMs`, and no longer than its access token is valid.
   *
   * @param tokenExpiresAtMs in milliseconds since the epoch; undefined if unknown
   * @returns undefined if the poll must be answered at once
   */
  hold(clientId: string, tokenExpiresAtMs = Number.POSITIVE_INFINITY): HeldPoll | undefined {
    const { clock, longPollMaxMs, longPollsMax, longPollsPerTppMax } = this.#options;
    const waiters = this.#waitersOf.get(clientId) ?? new Set();
    const hasCapacity = this.#held < longPollsMax && waiters.size < longPollsPerTppMax;
    const heldMs = Math.min(longPollMaxMs, tokenExpiresAtMs - clock.nowMs());
    if (this.#isClosed || heldMs <= 0 || !hasCapacity) return undefined;
    const waiter: Waiter = { isWoken: false, isOver: false, isAborted: false, resolve: undefined };
    this.#waitersOf.set(clientId, waiters.add(waiter));
    this.#held += 1;
    const cancelLimit = clock.after(heldMs, () => giveUp(waiter));
    return {
      wait: (untilMs) => this.#wait(waiter, untilMs),
      abort: () => {
        waiter.isAborted = true;
        giveUp(waiter);
      },
      release: () => {
        cancelLimit();
        if (!waiters.delete(waiter)) return;
        this.#held -= 1;
        if (waiters.size === 0) this.#waitersOf.delete(clientId);
      },
    };
  }

  async #wait(waiter: Waiter, untilMs: number | undefined): Promise<WaitEnd> {
    if (!waiter.isOver && !waiter.isWoken) await this.#untilWoken(waiter, untilMs);
    // At the time limit it queries once more, for a change at the same moment; after an abort nobody waits for a response.
    const shouldLook = !waiter.isAborted && (waiter.isWoken || !waiter.isOver);
    waiter.isWoken = false;
    return shouldLook ? 'look-again' : 'give-up';
  }

  async #untilWoken(waiter: Waiter, untilMs: number | undefined): Promise<void> {
    const { clock } = this.#options;
    let cancelAlarm: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      waiter.resolve = resolve;
      if (untilMs === undefined) return;
      cancelAlarm = clock.after(Math.max(untilMs - clock.nowMs(), LOOK_AGAIN_MIN_MS), resolve);
    });
    waiter.resolve = undefined;
    cancelAlarm();
  }
}

function giveUp(waiter: Waiter): void {
  waiter.isOver = true;
  waiter.resolve?.();
}
