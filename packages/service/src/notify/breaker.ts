/** When attempts to one callback URL pause. */
export interface BreakerSettings {
  /** Attempts that are looked at. */
  readonly attemptsMin: number;
  /** Part of them that must have failed. */
  readonly failureShare: number;
  /** First pause; doubles with each trial that fails. */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
}

/**
 * Pauses attempts to a callback URL at which most fail, long before a limit of the retry policy, so that a dead TPP costs
 * next to nothing: after each pause one attempt is tried. What waits meanwhile is not attempted, so its retries are not
 * used up. Each instance has its own; it forgets at a restart.
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

  /** `closed`: attempts go on. `open`: none. `trial`: one at a time. */
  state(nowMs: number): 'closed' | 'open' | 'trial' {
    if (this.#pauseEndsAtMs === undefined) return 'closed';
    return nowMs < this.#pauseEndsAtMs ? 'open' : 'trial';
  }

  /** When one attempt may be tried; undefined while closed. */
  get pauseEndsAtMs(): number | undefined {
    return this.#pauseEndsAtMs;
  }

  /** True when it knows nothing that would be missed. */
  get isFresh(): boolean {
    return this.#pauseEndsAtMs === undefined && this.#failures === 0;
  }

  /** Takes an attempt into account. @returns true when this one made attempts pause that did not before */
  note(hasFailed: boolean, nowMs: number): boolean {
    if (!hasFailed && this.#pauseEndsAtMs !== undefined) this.reset();
    this.#push(hasFailed);
    if (!hasFailed) return false;
    if (this.#pauseEndsAtMs !== undefined) {
      // Of what was under way when it opened, each failure would double the pause: only those after it count.
      if (this.state(nowMs) === 'trial') this.#pause(this.#pauseMs * 2, nowMs);
      return false;
    }
    const { attemptsMin, failureShare, pauseMs } = this.#settings;
    if (this.#recent.length < attemptsMin || this.#failures < failureShare * this.#recent.length) return false;
    this.#pause(pauseMs, nowMs);
    return true;
  }

  /** Closes it: the callback URL was replaced, or recovered. */
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
