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

/** Where a subscription begins: after something that was read before, at a time, or now. */
export type Beginning =
  | { readonly kind: 'now' }
  | { readonly kind: 'after'; readonly position: Position }
  | { readonly kind: 'since'; readonly sinceMs: number };

const LOOK_MS = 300;
// While there is more than one look takes; time for those who follow to take it.
const MORE_MS = 20;
// Rows are of up to 2,000 entries.
const ROWS_PER_LOOK = 10;

/**
 * The live stream of what happens, in all processes on the store. However many subscribe, one reader looks at the activity
 * log; while nobody does, nothing does. A subscriber that begins earlier reads the log by itself until it has caught up.
 */
export class ActivityStream {
  readonly #options: ActivityStreamOptions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #live = new Set<Subscription>();
  /** Up to where the live ones were told. */
  #lastId = 0;
  /** Changes when the reader stops, so that a look that was under way then counts for nothing. */
  #reader = 0;
  #cancel: (() => void) | undefined;
  #isStoreAway = false;
  #isEnded = false;

  constructor(options: ActivityStreamOptions) {
    this.#options = options;
  }

  /**
   * Subscribes; whoever does must close it.
   *
   * @returns undefined: there are as many subscribers as there may be
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

  /** Ends all subscriptions, at once; there are no more. */
  end(): void {
    this.#isEnded = true;
    for (const subscription of this.#subscriptions) subscription.close();
  }

  /** @returns where it begins, and whether something before that is not kept any more */
  async #locate(beginning: Beginning): Promise<[Position, boolean]> {
    const sinceMs = beginning.kind === 'since' ? beginning.sinceMs : undefined;
    const { firstId, lastId, sinceId } = await this.#options.store.activityBounds(sinceMs);
    if (beginning.kind === 'now') return [{ rowId: lastId, index: undefined }, false];
    if (beginning.kind === 'since') return [{ rowId: sinceId, index: undefined }, false];
    const { position } = beginning;
    // Of another store, or one that was restored.
    if (position.rowId > lastId) return [{ rowId: lastId, index: undefined }, true];
    const isDropped = position.rowId < firstId - 1;
    return isDropped ? [{ rowId: firstId - 1, index: undefined }, true] : [position, false];
  }

  /**
   * Reads for a subscriber that has to catch up.
   *
   * @returns the rows, and up to where they are all there is at least
   */
  async #read(id: number): Promise<{ rows: readonly StoredActivity[]; upTo: number }> {
    const upTo = this.#live.size === 0 ? 0 : this.#lastId;
    return { rows: await this.#options.store.activityAfter(id, ROWS_PER_LOOK), upTo };
  }

  /**
   * A subscriber has read up to here by itself.
   *
   * @returns whether it is told of everything after that from now on; if not, the others are ahead, and it reads on
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

  #schedule(delayMs = LOOK_MS): void {
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#look());
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const reader = this.#reader;
    let isMore = false;
    try {
      const rows = await this.#options.store.activityAfter(this.#lastId, ROWS_PER_LOOK);
      if (reader !== this.#reader) return;
      this.#tell(rows);
      isMore = rows.length === ROWS_PER_LOOK;
      this.#isStoreAway = false;
    } catch (error) {
      if (reader !== this.#reader) return;
      if (!this.#isStoreAway) this.#options.log.warn({ err: error }, 'the activity log cannot be read');
      this.#isStoreAway = true;
    }
    this.#schedule(isMore ? MORE_MS : LOOK_MS);
  }

  #tell(rows: readonly StoredActivity[]): void {
    const last = rows.at(-1);
    if (last === undefined) return;
    const told = rows.flatMap(streamEntriesOf);
    for (const subscription of this.#live) subscription.tell(last.id, told);
    this.#lastId = last.id;
  }
}
