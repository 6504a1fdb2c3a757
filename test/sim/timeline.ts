import type { Chance } from './chance.ts';

interface Moment {
  readonly atMs: number;
  /** Decides between moments that fall together. */
  readonly tie: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/**
 * Simulated time: callbacks at moments, one after another; those of the same moment in an order that the seed decides.
 * Between two of them everything asynchronous comes to rest.
 */
export class Timeline {
  readonly #chance: Chance;
  /** A binary heap, the earliest first. */
  readonly #heap: Moment[] = [];
  #order = 0;
  #pending = 0;
  #nowMs = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Milliseconds since the world began, the same for all instances. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** @returns cancels it */
  after(delayMs: number, callback: () => void): () => void {
    const atMs = this.#nowMs + Math.max(delayMs, 0);
    this.#order += 1;
    const moment: Moment = { atMs, tie: this.#chance.fraction(), order: this.#order, callback };
    this.#push(moment);
    return () => {
      moment.callback = undefined;
    };
  }

  /** Time stands still until the promise is settled. */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#pending += 1;
    return work.finally(() => {
      this.#pending -= 1;
    });
  }

  /** Lets time pass until then, or until `isDone` says so after some moment. */
  async runUntil(untilMs: number, isDone: () => boolean): Promise<void> {
    await this.#settle();
    while (!isDone()) {
      const moment = this.#heap[0];
      if (moment === undefined || moment.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return;
      }
      this.#pop();
      if (moment.callback === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, moment.atMs);
      moment.callback();
      await this.#settle();
    }
  }

  /**
   * What is put behind the microtasks runs when there are none left: then all that went on has ended, or holds time and
   * waits for the event loop, as a store does.
   */
  async #settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (this.#pending === 0) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #push(moment: Moment): void {
    const heap = this.#heap;
    let at = heap.push(moment) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(moment, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = moment;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const isRight = right !== undefined && left !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}

function isBefore(left: Moment, right: Moment): boolean {
  if (left.atMs !== right.atMs) return left.atMs < right.atMs;
  return left.tie === right.tie ? left.order < right.order : left.tie < right.tie;
}
