import { once } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { CountedBucket, Resolution, Tally } from '../model/activity.ts';
import type { StatisticsQuery } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import type { Observer, Occurrence } from './observer.ts';
import {
  addCount,
  addLatency,
  addTally,
  copyTally,
  countOccurrence,
  emptyTally,
  type MutableTally,
  NOBODY,
} from './tally.ts';

/** Dependencies of the statistics. */
export interface StatisticsOptions {
  readonly store: Pick<Store, 'putStatistics' | 'statistics'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** A unique id of this process. */
  readonly instance: string;
  /** How often the counts are stored. */
  readonly writeMs: number;
}

/** Duration of a bucket. */
export const BUCKET_MS: Readonly<Record<Resolution, number>> = { minute: 60_000, hour: 3_600_000 };

/** The counts of all processes in a minute or an hour. */
export interface StatisticsBucket {
  readonly beganAtMs: number;
  readonly tally: Tally;
}

interface OpenBucket extends CountedBucket {
  readonly tally: MutableTally;
  /** Changed since it was last stored. */
  isDirty: boolean;
}

const BUCKETS_PER_WRITE_MAX = 500;
// TPPs with counts of their own in an hour; others only count in the sum.
const CLIENTS_MAX = 2000;
// Buckets of past times that are held while the store is unavailable: a day of minutes, and hours of TPPs.
const CLOSED_MAX = 10_000;

/**
 * Counts the occurrences of this process by minute and hour, and by hour for each TPP. Every few seconds changed buckets are
 * stored, each replacing its earlier version, so that a repeated write counts nothing twice. A crash loses the counts of the
 * last few seconds, but no notification.
 */
export class Statistics implements Observer {
  readonly #options: StatisticsOptions;
  readonly #open = new Map<string, OpenBucket>();
  #closed: OpenBucket[] = [];
  #hourBeganAtMs = 0;
  #parts = 0;
  #cancel: (() => void) | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #isStoreAway = false;
  #isStopped = false;
  /** Stores the remaining counts, once, and counts no more. */
  readonly stop: () => Promise<void>;

  constructor(options: StatisticsOptions) {
    this.#options = options;
    this.stop = once(async () => {
      this.#isStopped = true;
      this.#cancel?.();
      await this.#keeping;
      await this.#keep();
    });
  }

  record(occurrence: Occurrence): void {
    if (this.#isStopped) return;
    const { atMs } = occurrence;
    countOccurrence(occurrence, {
      count: (clientId, name) => this.#each(atMs, clientId, (tally) => addCount(tally, name)),
      latency: (clientId, latencyMs) => this.#each(atMs, clientId, (tally) => addLatency(tally, latencyMs)),
    });
  }

  /** Counts of all processes, the oldest bucket first; buckets without a count are left out. @throws {StoreError} */
  async read(query: StatisticsQuery): Promise<readonly StatisticsBucket[]> {
    // Own buckets are taken before and after, so that one that is stored and closed meanwhile is counted once.
    const own = new Map<string, CountedBucket>(this.#own(query));
    const kept = await this.#options.store.statistics(query);
    for (const [part, bucket] of this.#own(query)) own.set(part, bucket);
    const sums = new Map<number, MutableTally>();
    const ofOthers = kept.filter(({ part }) => !own.has(part));
    for (const { beganAtMs, tally } of [...ofOthers, ...own.values()]) {
      const sum = sums.get(beganAtMs);
      if (sum === undefined) sums.set(beganAtMs, copyTally(tally));
      else addTally(sum, tally);
    }
    return [...sums]
      .map(([beganAtMs, tally]) => ({ beganAtMs, tally }))
      .toSorted((left, right) => left.beganAtMs - right.beganAtMs);
  }

  #own({ resolution, clientId, fromMs, beforeMs }: StatisticsQuery): [string, CountedBucket][] {
    return [...this.#open.values(), ...this.#closed].flatMap((bucket): [string, CountedBucket][] => {
      if (bucket.resolution !== resolution || bucket.clientId !== clientId) return [];
      return bucket.beganAtMs >= fromMs && bucket.beganAtMs < beforeMs ? [[bucket.part, bucket]] : [];
    });
  }

  #each(atMs: number, clientId: string, add: (tally: MutableTally) => void): void {
    const hourBeganAtMs = beginOf('hour', atMs);
    if (hourBeganAtMs !== this.#hourBeganAtMs) this.#closeClients();
    this.#hourBeganAtMs = hourBeganAtMs;
    this.#add('minute', atMs, undefined, add);
    this.#add('hour', atMs, undefined, add);
    if (clientId !== NOBODY) this.#add('hour', atMs, clientId, add);
    this.#schedule();
  }

  #add(resolution: Resolution, atMs: number, clientId: string | undefined, add: (tally: MutableTally) => void): void {
    const beganAtMs = beginOf(resolution, atMs);
    const name = clientId === undefined ? resolution : `of ${clientId}`;
    let bucket = this.#open.get(name);
    if (bucket !== undefined && bucket.beganAtMs !== beganAtMs) {
      this.#close(name, bucket);
      bucket = undefined;
    }
    if (bucket === undefined) {
      if (this.#open.size >= CLIENTS_MAX + 2 && clientId !== undefined) return;
      this.#parts += 1;
      const part = `${this.#options.instance}-${this.#parts}`;
      bucket = { resolution, beganAtMs, clientId, part, tally: emptyTally(), isDirty: true };
      this.#open.set(name, bucket);
    }
    add(bucket.tally);
    bucket.isDirty = true;
  }

  #closeClients(): void {
    for (const [name, bucket] of this.#open) if (bucket.clientId !== undefined) this.#close(name, bucket);
  }

  #close(name: string, bucket: OpenBucket): void {
    this.#open.delete(name);
    // Even when it is not dirty: it may be being written now, which may fail.
    this.#closed.push(bucket);
    if (this.#closed.length > CLOSED_MAX) this.#closed.splice(0, CLOSED_MAX / 10);
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#isStopped) return;
    this.#cancel = this.#options.clock.after(this.#options.writeMs, () => {
      this.#keeping = this.#keep().finally(() => {
        this.#cancel = undefined;
        if (this.#dirty().length > 0) this.#schedule();
      });
    });
  }

  #dirty(): OpenBucket[] {
    return [...this.#closed, ...this.#open.values()].filter(({ isDirty }) => isDirty);
  }

  /** Never rejects: buckets that could not be stored are stored the next time. */
  async #keep(): Promise<void> {
    const dirty = this.#dirty();
    for (let at = 0; at < dirty.length; at += BUCKETS_PER_WRITE_MAX) {
      const portion = dirty.slice(at, at + BUCKETS_PER_WRITE_MAX);
      // Counts that are added during the write are written the next time.
      for (const bucket of portion) bucket.isDirty = false;
      try {
        await this.#options.store.putStatistics(portion.map(copyOf));
        this.#isStoreAway = false;
      } catch (error) {
        for (const bucket of portion) bucket.isDirty = true;
        if (!this.#isStoreAway)
          this.#options.log.warn({ err: error }, 'statistics could not be stored; they are stored later');
        this.#isStoreAway = true;
        break;
      }
    }
    this.#closed = this.#closed.filter(({ isDirty }) => isDirty);
    this.#makeRoom();
  }

  /** Drops buckets of quiet TPPs to make room for others. Should one be active again within the hour, it gets another part. */
  #makeRoom(): void {
    if (this.#open.size < CLIENTS_MAX) return;
    for (const [name, { clientId, isDirty }] of this.#open) {
      if (clientId !== undefined && !isDirty) this.#open.delete(name);
    }
  }
}

function copyOf({ isDirty, tally, ...bucket }: OpenBucket): CountedBucket {
  return { ...bucket, tally: copyTally(tally) };
}

/** When the bucket of a time begins. */
export function beginOf(resolution: Resolution, atMs: number): number {
  return Math.floor(atMs / BUCKET_MS[resolution]) * BUCKET_MS[resolution];
}
