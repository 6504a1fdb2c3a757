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
  countHappening,
  emptyTally,
  type MutableTally,
  NOBODY,
} from './tally.ts';

/** Dependencies of the statistics. */
export interface StatisticsOptions {
  readonly store: Pick<Store, 'putStatistics' | 'statistics'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** Of this process, and of no other ever. */
  readonly instance: string;
  /** How often what was counted is kept. */
  readonly writeMs: number;
}

/** How long a bucket lasts. */
export const BUCKET_MS: Readonly<Record<Resolution, number>> = { minute: 60_000, hour: 3_600_000 };

/** Counts of a minute or an hour, of all processes. */
export interface StatisticsBucket {
  readonly beganAtMs: number;
  readonly tally: Tally;
}

interface OpenBucket extends CountedBucket {
  readonly tally: MutableTally;
  /** Not kept by the store as it is now. */
  isDirty: boolean;
}

const BUCKETS_PER_WRITE_MAX = 500;
// TPPs that are counted by themselves in an hour; of others this process counts the sum only.
const CLIENTS_MAX = 2000;
// What is held of times that are over while the store is away: a day of minutes, and hours of TPPs.
const CLOSED_MAX = 10_000;

/**
 * Counts what happens in this process, by minute and hour, and by hour for each TPP. Every few seconds what changed is
 * kept in the store: whole buckets in place of what was kept of them, so that a write that is repeated counts nothing twice. A
 * crash loses the counts of those last seconds; notifications themselves are another matter, and are all there.
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
  /** Keeps what is left, once; counts no more. */
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
    countHappening(occurrence, {
      count: (clientId, name) => this.#each(atMs, clientId, (tally) => addCount(tally, name)),
      latency: (clientId, latencyMs) => this.#each(atMs, clientId, (tally) => addLatency(tally, latencyMs)),
    });
  }

  /** Counts of all processes, the oldest bucket first; buckets without a count are left out. @throws {StoreError} */
  async read(query: StatisticsQuery): Promise<readonly StatisticsBucket[]> {
    // Asked for before and after: what is kept and closed meanwhile is counted once all the same.
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
    // Whether it is kept or not: it may be being written just now, which may fail.
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

  /** Never rejects: what could not be kept is kept the next time. */
  async #keep(): Promise<void> {
    const dirty = this.#dirty();
    for (let at = 0; at < dirty.length; at += BUCKETS_PER_WRITE_MAX) {
      const portion = dirty.slice(at, at + BUCKETS_PER_WRITE_MAX);
      // What is counted while it is being written is written the next time.
      for (const bucket of portion) bucket.isDirty = false;
      try {
        await this.#options.store.putStatistics(portion.map(copyOf));
        this.#isStoreAway = false;
      } catch (error) {
        for (const bucket of portion) bucket.isDirty = true;
        if (!this.#isStoreAway) this.#options.log.warn({ err: error }, 'statistics cannot be kept; it is tried again');
        this.#isStoreAway = true;
        break;
      }
    }
    this.#closed = this.#closed.filter(({ isDirty }) => isDirty);
    this.#makeRoom();
  }

  /** TPPs that are quiet make room for others; should they be back within the hour, another part counts on. */
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

/** When the bucket began that a time is in. */
export function beginOf(resolution: Resolution, atMs: number): number {
  return Math.floor(atMs / BUCKET_MS[resolution]) * BUCKET_MS[resolution];
}
