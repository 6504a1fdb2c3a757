import type { Clock } from '../base/clock.ts';
import { StoreError } from '../store/store.ts';

export interface BatcherOptions<Item, Result> {
  /** Writes a batch. @returns a result for each item, in their order */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly clock: Clock;
  /** Called when the store could not answer; it is asked again after a pause. */
  readonly onStoreError: (error: StoreError) => void;
  /** Ends the asking again: what is not written then is given up. */
  readonly giveUp: AbortSignal;
  /** How long a batch waits for more that may share its commit, unless it is full; 0: not at all. */
  readonly lingerMs: number;
}

const BATCH_MAX = 256;
// How long a store is left alone that could not answer.
const STORE_PAUSE_MS = 500;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers what comes while a batch is being written into the next one, so that each costs a share of a commit, and none
 * waits when there is nothing to wait for. A batch that the store could not take is written again, so that an
 * acknowledgement is not forgotten because the database was away for a moment.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #isWriting = false;
  /** Ends the wait for more; undefined: there is none. */
  #endLinger: (() => void) | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** @throws {StoreError} when it was given up; whatever else the write throws is passed on */
  run(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#isWriting) void this.#writeAll();
      else if (this.#waiting.length >= BATCH_MAX) this.#endLinger?.();
    });
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      if (this.#mayGrow()) await this.#linger();
      const batch = this.#waiting.splice(0, BATCH_MAX);
      try {
        const results = await this.#writeUntilTaken(batch.map(({ item }) => item));
        for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #writeUntilTaken(items: readonly Item[]): Promise<readonly Result[]> {
    const { write, onStoreError, giveUp } = this.#options;
    for (;;) {
      try {
        return await write(items);
      } catch (error) {
        if (!(error instanceof StoreError) || giveUp.aborted) throw error;
        onStoreError(error);
        await this.#pause(STORE_PAUSE_MS);
      }
    }
  }

  #mayGrow(): boolean {
    const { lingerMs, giveUp } = this.#options;
    return lingerMs > 0 && this.#waiting.length < BATCH_MAX && !giveUp.aborted;
  }

  async #linger(): Promise<void> {
    await this.#pause(this.#options.lingerMs, (end) => {
      this.#endLinger = end;
    });
    this.#endLinger = undefined;
  }

  #pause(ms: number, mayEnd?: (end: () => void) => void): Promise<void> {
    const { clock, giveUp } = this.#options;
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        giveUp.removeEventListener('abort', end);
        resolve();
      };
      const cancel = clock.after(ms, end);
      mayEnd?.(end);
      giveUp.addEventListener('abort', end);
    });
  }
}
