/** Settings of a circuit breaker. */
export interface BreakerSettings {
  /** Number of latest attempts that count. */
  readonly attemptsMin: number;
  /** Share of them that must have failed, from 0 to 1. */
  readonly failureShare: number;
  /** First pause; doubled after each trial that fails. */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
}

/**
 * Circuit breaker of a callback URL: pauses attempts when most fail, long before a limit of the retry policy, so that a dead
 * TPP costs next to nothing. After each pause one attempt is tried, at the oldest notification that is due, so that a dead
 * callback URL comes to the limits of the retry policy. Notifications that wait meanwhile use up no retries. Each instance has
 * its own breakers, and a restart resets them.
 */
export class Breaker {
  readonly #settings: BreakerSettings;
  /** The last `attemptsMin` attempts: true for each that failed. */
  readonly #recent: boolean[] = [];
  #failures = 0;
  /** Undefined while closed. */
  #pauseEndsAtMs: number | undefined;
  #pauseMs = 0;

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
  }

  /** `closed`: attempts are made. `open`: none is. `trial`: one at a time. */
  state(nowMs: number): 'closed' | 'open' | 'trial' {
    if (this.#pauseEndsAtMs === undefined) return 'closed';
    return nowMs < this.#pauseEndsAtMs ? 'open' : 'trial';
  }

  /** When one attempt may be tried; undefined while closed. */
  get pauseEndsAtMs(): number | undefined {
    return this.#pauseEndsAtMs;
  }

  /** True when it is closed and remembers no failure. */
  get isFresh(): boolean {
    return this.#pauseEndsAtMs === undefined && this.#failures === 0;
  }

  /** Takes an attempt into account. @returns true when this one opened the breaker */
  note(hasFailed: boolean, nowMs: number): boolean {
    if (!hasFailed && this.#pauseEndsAtMs !== undefined) this.reset();
    this.#push(hasFailed);
    if (!hasFailed) return false;
    if (this.#pauseEndsAtMs !== undefined) {
      // Attempts that were under way when it opened do not count: each failure would double the pause.
      if (this.state(nowMs) === 'trial') this.#pause(this.#pauseMs * 2, nowMs);
      return false;
    }
    const { attemptsMin, failureShare, pauseMs } = this.#settings;
    if (this.#recent.length < attemptsMin || this.#failures < failureShare * this.#recent.length) return false;
    this.#pause(pauseMs, nowMs);
    return true;
  }

  /** Closes the breaker: the callback URL was replaced, or recovered. */
  reset(): void {
    this.#recent.length = 0;
    this.#failures = 0;
    this.#pauseEndsAtMs = undefined;
  }

  #push(hasFailed: boolean): void {
    this.#recent.push(hasFailed);
    if (hasFailed) this.#failures += 1;
    if (this.#recent.length > this.#settings.attemptsMin && this.#recent.shift() === true) this.#failures -= 1;
  }

  #pause(pauseMs: number, nowMs: number): void {
    this.#pauseMs = Math.min(pauseMs, this.#settings.pauseMaxMs);
    this.#pauseEndsAtMs = nowMs + this.#pauseMs;
  }
}
