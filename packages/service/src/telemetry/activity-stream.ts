import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { StoredActivity } from '../model/activity.ts';
import type { Store } from '../store/store.ts';
import { type Position, type StreamFilter, Subscription, streamEntriesOf } from './subscription.ts';

/** Dependencies of a stream. */
export interface ActivityStreamOptions {
  readonly store: Pick<Store, 'activityAfter' | 'activityBounds'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly subscribersMax: number;
}

/** Where a subscription begins: after an entry that was read before, at a time, or now. */
export type Beginning =
  | { readonly kind: 'now' }
  | { readonly kind: 'after'; readonly position: Position }
  | { readonly kind: 'since'; readonly sinceMs: number };

const READ_MS = 300;
// The interval while reads are full, which gives subscribers time to take the entries.
const MORE_MS = 20;
// Rows are of up to 2,000 entries.
const ROWS_PER_READ = 10;

/**
 * The live stream of the occurrences of all processes on the store. One reader polls the activity log for all subscribers, and
 * only while there are any. A subscription that begins in the past reads the log by itself until it has caught up.
 */
export class ActivityStream {
  readonly #options: ActivityStreamOptions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #live = new Set<Subscription>();
  /** The last row that the live subscriptions were given. */
  #lastId = 0;
  /** Changes when the reader stops, so that the result of a read under way is ignored. */
  #reader = 0;
  #cancel: (() => void) | undefined;
  #isStoreAway = false;
  #isEnded = false;

  constructor(options: ActivityStreamOptions) {
    this.#options = options;
  }

  /**
   * Subscribes. The caller must close the subscription.
   *
   * @returns undefined when there are `subscribersMax` already
   * @throws {StoreError}
   */
  async subscribe(beginning: Beginning, filter: StreamFilter): Promise<Subscription | undefined> {
    if (this.#isEnded || this.#subscriptions.size >= this.#options.subscribersMax) return undefined;
    const subscription = new Subscription({
      filter,
      clock: this.#options.clock,
      read: (id) => this.#read(id),
      join: (reachedId) => this.#join(subscription, reachedId),
      onClose: () => this.#leave(subscription),
    });
    this.#subscriptions.add(subscription);
    try {
      subscription.begin(...(await this.#locate(beginning)));
    } catch (error) {
      subscription.close();
      throw error;
    }
    return subscription;
  }

  /** Ends all subscriptions at once, and allows no more. */
  end(): void {
    this.#isEnded = true;
    for (const subscription of this.#subscriptions) subscription.close();
  }

  /** @returns where it begins, and whether entries before that are no longer kept */
  async #locate(beginning: Beginning): Promise<[Position, boolean]> {
    const sinceMs = beginning.kind === 'since' ? beginning.sinceMs : undefined;
    const { firstId, lastId, sinceId } = await this.#options.store.activityBounds(sinceMs);
    if (beginning.kind === 'now') return [{ rowId: lastId, index: undefined }, false];
    if (beginning.kind === 'since') return [{ rowId: sinceId, index: undefined }, false];
    const { position } = beginning;
    // A position of another store, or of one that was restored.
    if (position.rowId > lastId) return [{ rowId: lastId, index: undefined }, true];
    const isDropped = position.rowId < firstId - 1;
    return isDropped ? [{ rowId: firstId - 1, index: undefined }, true] : [position, false];
  }

  /**
   * Reads for a subscription that has to catch up.
   *
   * @returns the rows, and the id up to which at least they are complete
   */
  async #read(id: number): Promise<{ rows: readonly StoredActivity[]; upTo: number }> {
    const upTo = this.#live.size === 0 ? 0 : this.#lastId;
    return { rows: await this.#options.store.activityAfter(id, ROWS_PER_READ), upTo };
  }

  /**
   * Makes a subscription that has read up to a row live.
   *
   * @returns false when the live ones are ahead, and it must read on
   */
  #join(subscription: Subscription, reachedId: number): boolean {
    if (this.#live.size > 0 && reachedId < this.#lastId) return false;
    if (this.#live.size === 0) {
      this.#lastId = reachedId;
      this.#schedule();
    }
    this.#live.add(subscription);
    return true;
  }

  #leave(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    if (!this.#live.delete(subscription) || this.#live.size > 0) return;
    this.#reader += 1;
    this.#cancel?.();
  }

  #schedule(delayMs = READ_MS): void {
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#readOn());
  }

  /** Never rejects. */
  async #readOn(): Promise<void> {
    const reader = this.#reader;
    let isMore = false;
    try {
      const rows = await this.#options.store.activityAfter(this.#lastId, ROWS_PER_READ);
      if (reader !== this.#reader) return;
      this.#tell(rows);
      isMore = rows.length === ROWS_PER_READ;
      this.#isStoreAway = false;
    } catch (error) {
      if (reader !== this.#reader) return;
      if (!this.#isStoreAway)
        this.#options.log.warn({ err: error }, 'the activity log could not be read; it is read again');
      this.#isStoreAway = true;
    }
    this.#schedule(isMore ? MORE_MS : READ_MS);
  }

  #tell(rows: readonly StoredActivity[]): void {
    const last = rows.at(-1);
    if (last === undefined) return;
    const told = rows.flatMap(streamEntriesOf);
    for (const subscription of this.#live) subscription.tell(last.id, told);
    this.#lastId = last.id;
  }
}
