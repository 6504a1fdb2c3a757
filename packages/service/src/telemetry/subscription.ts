import type { Clock } from '../base/clock.ts';
import type { ActivityEntry, StoredActivity } from '../model/activity.ts';

/** Dependencies of a subscription. */
export interface SubscriptionOptions {
  readonly filter: StreamFilter;
  readonly clock: Clock;
  /** Rows after an id, and the id up to which at least they are complete. @throws {StoreError} */
  readonly read: (id: number) => Promise<{ readonly rows: readonly StoredActivity[]; readonly upTo: number }>;
  /** It has read up to a row. @returns whether it is given all later rows from now on */
  readonly join: (reachedId: number) => boolean;
  readonly onClose: () => void;
}

/** The first entries for a subscriber. */
export interface Batch {
  readonly told: readonly StreamEntry[];
  /** Entries before these are missing: the reader was too slow, or they are no longer kept. */
  readonly isMissing: boolean;
  /** How many are missing, where that is known. */
  readonly missed: number | undefined;
  /** Where to continue after this batch. A batch without entries is a heartbeat. */
  readonly position: Position;
}

// Entries held for a slow reader; beyond this number it misses some.
const HELD_MAX = 5000;
const HEARTBEAT_MS = 15_000;

/** One reader of the live stream; see `ActivityStream`. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  #position: Position = { rowId: 0, index: undefined };
  #isMissing = false;
  #missed: number | undefined;
  #held: StreamEntry[] = [];
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** @param isMissing entries before the position are missing */
  begin(position: Position, isMissing: boolean): void {
    this.#position = position;
    this.#isMissing = isMissing;
  }

  /** The position that it has reached; at first, where it begins. */
  get position(): Position {
    return this.#position;
  }

  /** The entries that follow, until it is closed; a heartbeat every 15 seconds. @throws {StoreError} while it catches up */
  async *batches(): AsyncGenerator<Batch, void, undefined> {
    try {
      if (this.#isMissing) yield this.#batchOf([]);
      yield* this.#catchUp();
      while (!this.#isClosed) {
        if (this.#held.length === 0 && !this.#isMissing) await this.#wait();
        if (!this.#isClosed) yield this.#batchOf(this.#held.splice(0));
      }
    } finally {
      this.close();
    }
  }

  /** Gives it the entries up to a row, in the order of the log. It leaves out those that it has already. */
  tell(rowId: number, told: readonly StreamEntry[]): void {
    const wanted = told.filter(
      ({ position, entry }) => this.#isAfter(position) && isWanted(entry, this.#options.filter),
    );
    if (rowId > this.#position.rowId) this.#position = { rowId, index: undefined };
    // A reader that has taken everything is not slow, however many entries come at once.
    if (this.#held.length > 0 && this.#held.length + wanted.length > HELD_MAX) {
      this.#isMissing = true;
      this.#missed = (this.#missed ?? 0) + this.#held.length + wanted.length;
      this.#held = [];
    } else this.#held.push(...wanted);
    if (this.#held.length > 0 || this.#isMissing) this.#wake();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.onClose();
    this.#wake();
  }

  /** Reads by itself until it has reached the live subscriptions. */
  async *#catchUp(): AsyncGenerator<Batch, void, undefined> {
    while (!this.#isClosed) {
      const { rowId, index } = this.#position;
      const { rows, upTo } = await this.#options.read(index === undefined ? rowId : rowId - 1);
      for (const row of rows) {
        const fresh = streamEntriesOf(row).filter(({ position }) => this.#isAfter(position));
        this.#position = { rowId: row.id, index: undefined };
        const wanted = fresh.filter(({ entry }) => isWanted(entry, this.#options.filter));
        if (wanted.length > 0 && !this.#isClosed) yield this.#batchOf(wanted);
      }
      if (rows.length === 0) this.#position = { rowId: Math.max(rowId, upTo), index: undefined };
      if (!this.#isClosed && this.#options.join(this.#position.rowId)) return;
    }
  }

  #isAfter({ rowId, index = 0 }: Position): boolean {
    const reached = this.#position;
    return rowId > reached.rowId || (reached.index !== undefined && index > reached.index);
  }

  #batchOf(told: readonly StreamEntry[]): Batch {
    const batch = { told, isMissing: this.#isMissing, missed: this.#missed, position: this.#position };
    this.#isMissing = false;
    this.#missed = undefined;
    return batch;
  }

  async #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(HEARTBEAT_MS, resolve);
    this.#wake = resolve;
    await promise;
    cancel();
  }
}

/** A position in the activity log: after an entry of a row, or without an index after the whole row. */
export interface Position {
  readonly rowId: number;
  readonly index: number | undefined;
}

/** Kinds of entries in the stream. `missed` is sent whatever the filter. */
export const STREAM_KINDS = [
  ...(['accepted', 'attempted', 'acknowledged', 'reported-error', 'failing', 'unresponsive', 'recovered'] as const),
  ...(['redelivered', 'withdrawn', 'expired', 'missed'] as const),
] as const satisfies readonly ActivityEntry['kind'][];

/** The filter of a subscriber. */
export interface StreamFilter {
  /** Undefined for all TPPs, and for entries that concern several. */
  readonly clientId: string | undefined;
  /** Undefined for all kinds. */
  readonly kinds: ReadonlySet<string> | undefined;
}

/** An entry with its position. */
export interface StreamEntry {
  readonly position: Position;
  readonly entry: ActivityEntry;
}

const POSITION = /^(\d{1,15})(?:-(\d{1,6}))?$/;

/** A position as text, for `Last-Event-ID`. */
export function formatPosition({ rowId, index }: Position): string {
  return index === undefined ? String(rowId) : `${rowId}-${index}`;
}

/** Parses a position. @returns undefined when the text is not one */
export function parsePosition(text: string): Position | undefined {
  const [, rowId, index] = POSITION.exec(text) ?? [];
  if (rowId === undefined) return undefined;
  return { rowId: Number(rowId), index: index === undefined ? undefined : Number(index) };
}

const KNOWN: ReadonlySet<string> = new Set(STREAM_KINDS);

/** The entries of a row, without kinds that only a newer version knows. */
export function streamEntriesOf({ id, entries }: StoredActivity): StreamEntry[] {
  return entries.flatMap((entry, index) => (KNOWN.has(entry.kind) ? [{ position: { rowId: id, index }, entry }] : []));
}

/** Whether an entry passes a filter. */
function isWanted(entry: ActivityEntry, { clientId, kinds }: StreamFilter): boolean {
  if (entry.kind === 'missed') return true;
  if (kinds !== undefined && !kinds.has(entry.kind)) return false;
  return clientId === undefined || entry.clientId === clientId;
}
