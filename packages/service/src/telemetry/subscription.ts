import type { Clock } from '../base/clock.ts';
import type { ActivityEntry, StoredActivity } from '../model/activity.ts';

/** Dependencies of a subscription. */
export interface SubscriptionParts {
  readonly filter: StreamFilter;
  readonly clock: Clock;
  /** Rows after one, and up to where they are all there is at least. @throws {StoreError} */
  readonly read: (id: number) => Promise<{ readonly rows: readonly StoredActivity[]; readonly upTo: number }>;
  /** It has read up to here. @returns whether it is told of everything after that */
  readonly join: (reachedId: number) => boolean;
  readonly onClose: () => void;
}

/** The first entries for a subscriber. */
export interface Batch {
  readonly told: readonly StreamEntry[];
  /** Something before them is lost to it: it was too slow, or what it asks for is not kept any more. */
  readonly isMissing: boolean;
  /** How many are lost, where that is known. */
  readonly missed: number | undefined;
  /** Where to go on after this batch. Without entries it is a sign of life. */
  readonly position: Position;
}

// What is held for a reader that is slower than what happens; beyond, it misses some.
const HELD_MAX = 5000;
const HEARTBEAT_MS = 15_000;

/** One reader of the live stream, with a place of its own; see `ActivityStream`. */
export class Subscription {
  readonly #parts: SubscriptionParts;
  #position: Position = { rowId: 0, index: undefined };
  #isMissing = false;
  #missed: number | undefined;
  #held: StreamEntry[] = [];
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  /** @param isMissing something before the position is lost to it */
  begin(position: Position, isMissing: boolean): void {
    this.#position = position;
    this.#isMissing = isMissing;
  }

  /** Up to where it has been told, or, at first, where it begins. */
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

  /** Entries up to this row, in the order of the log, without those that it has already. */
  tell(rowId: number, told: readonly StreamEntry[]): void {
    const wanted = told.filter(({ position, entry }) => this.#isAfter(position) && isWanted(entry, this.#parts.filter));
    if (rowId > this.#position.rowId) this.#position = { rowId, index: undefined };
    // Who has taken everything is not slow, however much comes at once.
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
    this.#parts.onClose();
    this.#wake();
  }

  /** Reads by itself until it is where the others are. */
  async *#catchUp(): AsyncGenerator<Batch, void, undefined> {
    while (!this.#isClosed) {
      const { rowId, index } = this.#position;
      const { rows, upTo } = await this.#parts.read(index === undefined ? rowId : rowId - 1);
      for (const row of rows) {
        const fresh = streamEntriesOf(row).filter(({ position }) => this.#isAfter(position));
        this.#position = { rowId: row.id, index: undefined };
        const wanted = fresh.filter(({ entry }) => isWanted(entry, this.#parts.filter));
        if (wanted.length > 0 && !this.#isClosed) yield this.#batchOf(wanted);
      }
      if (rows.length === 0) this.#position = { rowId: Math.max(rowId, upTo), index: undefined };
      if (!this.#isClosed && this.#parts.join(this.#position.rowId)) return;
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
    const cancel = this.#parts.clock.after(HEARTBEAT_MS, resolve);
    this.#wake = resolve;
    await promise;
    cancel();
  }
}

/** A place in the activity log: after an entry of a row, or after all of it where there is no index. */
export interface Position {
  readonly rowId: number;
  readonly index: number | undefined;
}

/** Kinds of entries in the stream. `missed` is sent whatever is asked for. */
export const STREAM_KINDS = [
  ...(['accepted', 'attempted', 'acknowledged', 'reported-error', 'unresponsive', 'recovered'] as const),
  ...(['redelivered', 'withdrawn', 'expired', 'missed'] as const),
] as const satisfies readonly ActivityEntry['kind'][];

/** The filter of a subscriber. */
export interface StreamFilter {
  /** Undefined: of all TPPs, and of what is of no single one. */
  readonly clientId: string | undefined;
  /** Undefined: of all kinds. */
  readonly kinds: ReadonlySet<string> | undefined;
}

/** An entry with its place. `entry` is undefined for what only moves the place on. */
export interface StreamEntry {
  readonly position: Position;
  readonly entry: ActivityEntry;
}

const POSITION = /^(\d{1,15})(?:-(\d{1,6}))?$/;

/** A position as text, for `Last-Event-ID`. */
export function formatPosition({ rowId, index }: Position): string {
  return index === undefined ? String(rowId) : `${rowId}-${index}`;
}

/** Reads a position. @returns undefined when it is none */
export function parsePosition(text: string): Position | undefined {
  const [, rowId, index] = POSITION.exec(text) ?? [];
  if (rowId === undefined) return undefined;
  return { rowId: Number(rowId), index: index === undefined ? undefined : Number(index) };
}

const KNOWN: ReadonlySet<string> = new Set(STREAM_KINDS);

/** The entries of a row; those of kinds that a newer version writes are left out. */
export function streamEntriesOf({ id, entries }: StoredActivity): StreamEntry[] {
  return entries.flatMap((entry, index) => (KNOWN.has(entry.kind) ? [{ position: { rowId: id, index }, entry }] : []));
}

/** Whether an entry is asked for. */
function isWanted(entry: ActivityEntry, { clientId, kinds }: StreamFilter): boolean {
  if (entry.kind === 'missed') return true;
  if (kinds !== undefined && !kinds.has(entry.kind)) return false;
  return clientId === undefined || entry.clientId === clientId;
}
