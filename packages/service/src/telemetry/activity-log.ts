import { once } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ActivityEntry } from '../model/activity.ts';
import { attemptClassOf } from '../model/attempt.ts';
import type { Store } from '../store/store.ts';
import type { Observer, Occurrence } from './observer.ts';

/** Dependencies of an activity log. */
export interface ActivityLogOptions {
  readonly store: Pick<Store, 'appendActivity'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** A unique id of this process. */
  readonly instance: string;
}

// Occurrences within this time share a row: few transactions, and the view is still practically live.
const APPEND_MS = 250;
// Limits the size of a row, and so of one read.
const ENTRIES_PER_ROW_MAX = 2000;
// Limits the entries held while the store is unavailable or slow.
const ENTRIES_MAX = 20_000;

/**
 * Collects the occurrences of this process and appends them to the activity log of the store four times a second, apart from
 * the transactions that do the work. It is a view and not a record: a crash loses the entries of the last quarter of a
 * second; while the store is unavailable the oldest entries are replaced by a `missed` entry; and entries are appended twice
 * when the answer of the store was lost.
 */
export class ActivityLog implements Observer {
  readonly #options: ActivityLogOptions;
  #entries: ActivityEntry[] = [];
  #missed = 0;
  #cancel: (() => void) | undefined;
  #appending: Promise<void> | undefined;
  #isStoreAway = false;
  #isStopped = false;
  /** Appends the remaining entries, once, and takes no more. */
  readonly stop: () => Promise<void>;

  constructor(options: ActivityLogOptions) {
    this.#options = options;
    this.stop = once(async () => {
      this.#isStopped = true;
      this.#cancel?.();
      await this.#appending;
      await this.#append();
    });
  }

  record(occurrence: Occurrence): void {
    if (this.#isStopped) return;
    const entries = entriesOf(occurrence);
    if (entries.length === 0) return;
    for (const entry of entries) this.#entries.push(entry);
    // By halves, so that the array is not moved for every entry.
    if (this.#entries.length > ENTRIES_MAX) {
      this.#missed += this.#entries.splice(0, this.#entries.length - ENTRIES_MAX / 2).length;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#appending !== undefined || this.#isStopped) return;
    this.#cancel = this.#options.clock.after(APPEND_MS, () => {
      this.#cancel = undefined;
      this.#appending = this.#append().finally(() => {
        this.#appending = undefined;
        if (this.#entries.length + this.#missed > 0) this.#schedule();
      });
    });
  }

  /** Appends all entries, row by row; keeps those that could not be appended. Never rejects. */
  async #append(): Promise<void> {
    const { store, clock, log, instance } = this.#options;
    while (this.#entries.length + this.#missed > 0) {
      const missed = this.#missed;
      const entries = this.#entries.splice(0, ENTRIES_PER_ROW_MAX);
      const gap: ActivityEntry[] = missed === 0 ? [] : [{ atMs: clock.nowMs(), kind: 'missed', count: missed }];
      this.#missed = 0;
      try {
        await store.appendActivity({ atMs: clock.nowMs(), instance, entries: [...gap, ...entries] });
        this.#isStoreAway = false;
      } catch (error) {
        // These entries are older than those that were given up meanwhile.
        const isFull = this.#missed > 0 || this.#entries.length + entries.length > ENTRIES_MAX;
        if (isFull) this.#missed += entries.length;
        else this.#entries = [...entries, ...this.#entries];
        this.#missed += missed;
        if (!this.#isStoreAway) log.warn({ err: error }, 'the activity log could not be written; it is written later');
        this.#isStoreAway = true;
        return;
      }
    }
  }
}

// TPPs may report any text as an error code; only a plain word is shown.
const WORD = /^[A-Za-z][A-Za-z0-9_.-]*$/;

/** The entries of the live stream for an occurrence, without payloads, URLs and tokens. Pure. */
export function entriesOf(occurrence: Occurrence): ActivityEntry[] {
  switch (occurrence.kind) {
    case 'published':
      return ofPublished(occurrence);
    case 'attempted':
      return ofAttempted(occurrence);
    case 'polled':
      return ofPolled(occurrence);
    case 'turned':
      return ofTurned(occurrence);
    case 'recovered':
      return [{ atMs: occurrence.atMs, kind: 'recovered', clientId: occurrence.clientId, by: 'operator' }];
    case 'redelivered':
    case 'withdrawn':
    case 'expired':
      return occurrence.count === 0 ? [] : [occurrence];
    default:
      return [];
  }
}

function ofPublished({ atMs, events, result }: Occurrence & { kind: 'published' }): ActivityEntry[] {
  if (result.kind === 'conflict') return [];
  const entries: ActivityEntry[] = [];
  for (const [at, outcome] of result.outcomes.entries()) {
    const event = events[at];
    if (event === undefined || outcome.kind !== 'notification' || outcome.repeated) continue;
    const { jti, eventId } = outcome;
    const eventTypes = event.events.map(({ type }) => type.urn);
    entries.push({ atMs, kind: 'accepted', jti, clientId: event.clientId, eventId, eventTypes });
  }
  return entries;
}

function ofAttempted({ atMs, record, result }: Occurrence & { kind: 'attempted' }): ActivityEntry[] {
  const { claimed, attempt } = record;
  const { jti, clientId, publishedAtMs } = claimed;
  const { outcome } = attempt;
  const entries: ActivityEntry[] = [
    {
      atMs,
      kind: 'attempted',
      jti,
      clientId,
      attempt: claimed.attempts + 1,
      outcome: attemptClassOf(outcome),
      ...(outcome.kind === 'unreachable' ? { errorClass: outcome.errorClass } : { status: outcome.status }),
      durationMs: Math.round(attempt.durationMs),
    },
  ];
  if (outcome.kind === 'acknowledged' && result !== 'overtaken') {
    entries.push({ atMs, kind: 'acknowledged', jti, clientId, by: 'push', afterMs: atMs - publishedAtMs });
  }
  if (result === 'became-unresponsive') entries.push({ atMs, kind: 'unresponsive', clientId });
  if (result === 'recovered') entries.push({ atMs, kind: 'recovered', clientId, by: 'acknowledgement' });
  return entries;
}

function ofTurned({ atMs, turn }: Occurrence & { kind: 'turned' }): ActivityEntry[] {
  const { clientId } = turn;
  if (turn.to === 'healthy') {
    return [{ atMs, kind: 'recovered', clientId, by: 'acknowledgement', afterMs: atMs - turn.failingSinceMs }];
  }
  const { class: outcome, status } = turn.failure;
  return [{ atMs, kind: 'failing', clientId, outcome, ...(status !== undefined && { status }) }];
}

function ofPolled({ atMs, clientId, acknowledged, errors }: Occurrence & { kind: 'polled' }): ActivityEntry[] {
  return [
    ...acknowledged.map(({ jti, publishedAtMs, by }): ActivityEntry => {
      return { atMs, kind: 'acknowledged', jti, clientId, by, afterMs: atMs - publishedAtMs };
    }),
    ...errors.map(({ jti, err }): ActivityEntry => {
      return { atMs, kind: 'reported-error', jti, clientId, ...(WORD.test(err) && { err }) };
    }),
  ];
}
