import { START_MS } from '../../packages/service/test/support/fake-clock.ts';
import type { Clock } from '../../packages/service/test/support/parts.ts';
import type { Timeline } from './timeline.ts';

/** The clocks and timers of one instance, from its start to its end. */
export class InstanceClock implements Clock {
  readonly #timeline: Timeline;
  readonly #startedAtMs: number;
  readonly #timers = new Set<() => void>();
  /** How far its time of day is from the true one. */
  skewMs: number;

  constructor(timeline: Timeline, skewMs: number) {
    this.#timeline = timeline;
    this.#startedAtMs = timeline.nowMs;
    this.skewMs = skewMs;
  }

  nowMs(): number {
    return START_MS + Math.floor(this.#timeline.nowMs) + this.skewMs;
  }

  /** Never jumps, and begins elsewhere than the epoch, so that a mix-up of the two clocks shows. */
  monotonicMs(): number {
    return this.#timeline.nowMs - this.#startedAtMs + 777;
  }

  after(delayMs: number, callback: () => void): () => void {
    const end = () => {
      this.#timers.delete(cancel);
      stop();
    };
    const cancel = () => end();
    const stop = this.#timeline.after(delayMs, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
    return cancel;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** The instance is gone, and with it all that it waited for. */
  end(): void {
    for (const cancel of [...this.#timers]) cancel();
  }
}
