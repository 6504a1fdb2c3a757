import type { Clock } from '../../base/clock.ts';

interface Suspect {
  failures: number;
  /** When it is sent again, by the monotonic clock. */
  dueMs: number;
  /** Another row was accepted since its first failure, so that the fault is not the service's as a whole. */
  isOtherAccepted: boolean;
}

// With pauses that double from half a second: three minutes.
const FAILURES_MAX = 10;
const PAUSE_MAX_MS = 60_000;

/** Rows at which alone the service failed with 500. They are set aside for growing pauses, so that the others go on. */
export class Suspects {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #pauseMs: number;
  readonly #rows = new Map<string, Suspect>();

  /** @param pauseMs after the first failure; it doubles with each further one */
  constructor(clock: Pick<Clock, 'monotonicMs'>, pauseMs: number) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  has(id: string): boolean {
    return this.#rows.has(id);
  }

  /** The rows that are not to be sent yet. */
  setAside(): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#rows].filter(([, { dueMs }]) => nowMs < dueMs).map(([id]) => id);
  }

  /** The service accepted these rows. */
  accepted(ids: readonly string[]): void {
    for (const id of ids) this.#rows.delete(id);
    if (ids.length === 0) return;
    for (const suspect of this.#rows.values()) suspect.isOtherAccepted = true;
  }

  /** The service failed at this row alone. @returns the pause until it is sent again; undefined: it never will be */
  failed(id: string): number | undefined {
    const suspect = this.#rows.get(id) ?? { failures: 0, dueMs: 0, isOtherAccepted: false };
    suspect.failures += 1;
    if (suspect.failures >= FAILURES_MAX && suspect.isOtherAccepted) {
      this.#rows.delete(id);
      return undefined;
    }
    const pauseMs = Math.min(this.#pauseMs * 2 ** (suspect.failures - 1), PAUSE_MAX_MS);
    suspect.dueMs = this.#clock.monotonicMs() + pauseMs;
    this.#rows.set(id, suspect);
    return pauseMs;
  }
}
