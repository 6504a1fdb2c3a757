import type { Clock } from '../base/clock.ts';
import type { Store } from '../store/store.ts';

/** Why a wait ended: something may be offered now, or the poll is to be answered with what there is. */
export type WaitEnd = 'look-again' | 'give-up';

/** One poll that is held. */
export interface HeldPoll {
  /**
   * Waits for something that may be offered. What came since the last wait ended counts, so that nothing slips in
   * between looking and waiting.
   *
   * @param untilMs look again then, at the latest, in milliseconds since the epoch; undefined: only when told to
   */
  wait(untilMs: number | undefined): Promise<WaitEnd>;
  /** Ends the wait, now and for good: the connection is gone. */
  abort(): void;
  /** Frees everything. Must be called, however the poll ended. */
  release(): void;
}

export interface LongPollsOptions {
  readonly store: Pick<Store, 'onChange'>;
  readonly clock: Clock;
  readonly longPollMaxMs: number;
  readonly longPollsMax: number;
  readonly longPollsPerTppMax: number;
}

// A timer may fire a moment before the store's time has come; looking again must not become a busy loop.
const LOOK_AGAIN_MIN_MS = 5;

interface Waiter {
  /** Something came that it has not looked for yet. */
  isWoken: boolean;
  /** It may wait no more. */
  isOver: boolean;
  isAborted: boolean;
  /** Ends the wait that goes on; undefined while none does. */
  resolve: (() => void) | undefined;
}

/**
 * Holds polls for which nothing is available. One listener at the store serves all of them, and a wake costs as much as
 * the TPP has polls, so that thousands can wait at once. Their number is bounded, in all and for each TPP.
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

  /** Lets the polls of a TPP look again: what may be offered to it, or when, has changed. */
  wake(clientId: string): void {
    for (const waiter of this.#waitersOf.get(clientId) ?? []) {
      waiter.isWoken = true;
      waiter.resolve?.();
    }
  }

  /** Answers all polls at once with what there is, and holds no more. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const waiters of this.#waitersOf.values()) for (const waiter of waiters) giveUp(waiter);
  }

  /**
   * Holds a poll for at most `longPollMaxMs`, and no longer than the token that it came with is good.
   *
   * @param tokenExpiresAtMs in milliseconds since the epoch; undefined: nobody knows when
   * @returns undefined when it is to be answered at once
   */
  hold(clientId: string, tokenExpiresAtMs = Number.POSITIVE_INFINITY): HeldPoll | undefined {
    const { clock, longPollMaxMs, longPollsMax, longPollsPerTppMax } = this.#options;
    const waiters = this.#waitersOf.get(clientId) ?? new Set();
    const hasRoom = this.#held < longPollsMax && waiters.size < longPollsPerTppMax;
    const heldMs = Math.min(longPollMaxMs, tokenExpiresAtMs - clock.nowMs());
    if (this.#isClosed || heldMs <= 0 || !hasRoom) return undefined;
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
    if (!waiter.isOver && !waiter.isWoken) await this.#untilTold(waiter, untilMs);
    // At its limit too it looks once more for what came in the same moment; nobody is there to look for after an abort.
    const shouldLook = !waiter.isAborted && (waiter.isWoken || !waiter.isOver);
    waiter.isWoken = false;
    return shouldLook ? 'look-again' : 'give-up';
  }

  async #untilTold(waiter: Waiter, untilMs: number | undefined): Promise<void> {
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
