import type { Clock } from '../base/clock.ts';
import type { AuditEntry, NotificationFilter, Store } from '../store/store.ts';

/** A redelivery that an operator asked for, read and checked. */
export interface RedeliveryOrder {
  readonly filter: NotificationFilter;
  readonly isDryRun: boolean;
  readonly ratePerSecond: number;
  /** Where an earlier part of it ended; undefined: from the oldest. */
  readonly from: RedeliveryPlace | undefined;
}

/** Where a part of a redelivery ended. */
export interface RedeliveryPlace {
  /** Goes on after this one. */
  readonly after: string;
  /** When the next one is due, so that the rate holds from part to part. */
  readonly nextDueAtMs: number;
}

/** What a part of a redelivery came to. */
export interface RedeliveryPart {
  /** Notifications that are due again (dry run: that would be). */
  readonly count: number;
  /** Undefined when there was none. */
  readonly lastDueAtMs: number | undefined;
  /** Undefined when this was the last part. */
  readonly next: RedeliveryPlace | undefined;
}

// A portion is one transaction, for which publishing and recording wait; between two of them they go first.
const PORTION = 500;
const PAUSE_MS = 5;
// Every part is answered well before whoever asked for it stops waiting.
const WORK_MS_MAX = 5000;

/**
 * Makes notifications due again, portion by portion and the oldest first, so that at most `ratePerSecond` fall due in a
 * second. Ends after a while although there is more, to be called again with the place where it ended.
 *
 * @param isWanted false ends it after the portion under way
 * @throws {StoreError} what was made due before stays so
 */
export async function redeliver(
  order: RedeliveryOrder,
  audit: Omit<AuditEntry, 'atMs'>,
  { store, clock }: { readonly store: Pick<Store, 'redeliver'>; readonly clock: Clock },
  isWanted: () => boolean,
): Promise<RedeliveryPart> {
  const { filter, isDryRun, ratePerSecond, from } = order;
  const spacingMs = Math.ceil(1000 / ratePerSecond);
  const beganMs = clock.monotonicMs();
  let nextDueAtMs = Math.max(clock.nowMs(), from?.nextDueAtMs ?? 0);
  let after = from?.after;
  let count = 0;
  for (;;) {
    const portion = await store.redeliver({
      ...{ filter, after, isDryRun, spacingMs, limit: PORTION, firstDueAtMs: nextDueAtMs },
      audit: { ...audit, atMs: clock.nowMs() },
    });
    count += portion.count;
    nextDueAtMs += portion.count * spacingMs;
    const lastDueAtMs = count === 0 ? undefined : nextDueAtMs - spacingMs;
    if (portion.next === undefined) return { count, lastDueAtMs, next: undefined };
    after = portion.next;
    if (clock.monotonicMs() - beganMs >= WORK_MS_MAX || !isWanted()) {
      return { count, lastDueAtMs, next: { after, nextDueAtMs } };
    }
    await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve));
  }
}
