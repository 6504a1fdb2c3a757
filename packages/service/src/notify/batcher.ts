import type { Clock } from '../base/clock.ts';
import { StoreError } from '../store/store.ts';

export interface BatcherOptions<Item, Result> {
  /** Writes a batch. @returns a result for each item, in their order */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly clock: Clock;
  /** Called when the store is unavailable; the write is retried after a pause. */
  readonly onStoreError: (error: StoreError) => void;
  /** Ends the retries: items that are not written by then are given up. */
  readonly giveUp: AbortSignal;
  /** How long a batch that is not full waits for more items to share its commit; 0: not at all. */
  readonly lingerMs: number;
}

const BATCH_MAX = 256;
// Pause before a write is retried.
const STORE_PAUSE_MS = 500;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes items in batches: items that arrive while a batch is being written form the next one, so that they share its commit,
 * and an item that arrives at rest does not wait. A batch that the store could not take is retried, so that no acknowledgement
 * is lost because the database was unavailable for a moment.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #isWriting = false;
  /** Ends the wait for more items; undefined when there is none. */
  #endLinger: (() => void) | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** @throws {StoreError} when the item was given up; other errors of the write are passed on */
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
