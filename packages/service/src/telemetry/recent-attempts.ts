import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { RecentAttempts as Recent, RecentAttempt } from '../model/attempt.ts';
import type { Store } from '../store/store.ts';
import type { Observer, Occurrence } from './observer.ts';

/** Number of attempts kept for each TPP. */
export const RECENT_ATTEMPTS = 10;

export interface RecentAttemptsOptions {
  readonly store: Pick<Store, 'keepRecentAttempts' | 'recentAttempts'>;
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly log: Pick<Log, 'warn'>;
  /** A unique id of this process. */
  readonly instance: string;
  /** How often new attempts are stored, for other instances to see. */
  readonly writeMs: number;
}

// Beyond this number the TPP that came first is forgotten; the store still has its attempts.
const TPPS_MAX = 10_000;

/** An attempt with the instance that made it. */
export interface AttemptSomewhere extends RecentAttempt {
  readonly instance: string;
}

/**
 * The last attempts to each callback URL, by all instances: those of this instance at once, those of others, present and past,
 * from the store with a delay of some seconds. Attempts are added after they were recorded, so that no delivery waits.
 */
export class RecentAttempts implements Observer {
  readonly #options: RecentAttemptsOptions;
  readonly #byClient = new Map<string, RecentAttempt[]>();
  /** TPPs with attempts that are not stored yet. */
  readonly #ahead = new Set<string>();
  #cancel: (() => void) | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: RecentAttemptsOptions) {
    this.#options = options;
  }

  record(occurrence: Occurrence): void {
    if (occurrence.kind !== 'attempted') return;
    const { claimed, attempt } = occurrence.record;
    const { clientId, jti } = claimed;
    const known = this.#listOf(clientId);
    known.unshift({ ...attempt, jti });
    if (known.length > RECENT_ATTEMPTS) known.length = RECENT_ATTEMPTS;
    this.#ahead.add(clientId);
    if (this.#isStopped) return;
    this.#cancel ??= this.#options.clock.after(this.#options.writeMs, () => {
      this.#keeping = this.#keep();
    });
  }

  /** The last attempts for each of the TPPs, newest first; empty where there was none. */
  async of(clientIds: readonly string[]): Promise<ReadonlyMap<string, readonly AttemptSomewhere[]>> {
    const { store, instance } = this.#options;
    const kept = await store.recentAttempts(clientIds);
    return new Map(
      clientIds.map((clientId) => {
        const own = this.#byClient.get(clientId);
        const others = kept.filter((each) => each.clientId === clientId && (each.instance !== instance || !own));
        const all = [...others, ...(own === undefined ? [] : [{ instance, attempts: own }])];
        const attempts = all.flatMap((each) => each.attempts.map((one) => ({ ...one, instance: each.instance })));
        return [clientId, attempts.toSorted(newestFirst).slice(0, RECENT_ATTEMPTS)];
      }),
    );
  }

  /** Stores the remaining attempts. To be called after the last attempt, before the store is closed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#keeping;
    await this.#keep();
  }

  #listOf(clientId: string): RecentAttempt[] {
    const known = this.#byClient.get(clientId);
    if (known !== undefined) return known;
    const [first] = this.#byClient.keys();
    if (this.#byClient.size >= TPPS_MAX && first !== undefined) this.#byClient.delete(first);
    const fresh: RecentAttempt[] = [];
    this.#byClient.set(clientId, fresh);
    return fresh;
  }

  /** Attempts that cannot be stored now are stored with the next ones; nothing depends on them. */
  async #keep(): Promise<void> {
    const { store, clock, log, instance } = this.#options;
    this.#cancel = undefined;
    const recent = [...this.#ahead].map((clientId): Recent => {
      return { clientId, instance, attempts: [...(this.#byClient.get(clientId) ?? [])] };
    });
    this.#ahead.clear();
    if (recent.length === 0) return;
    await store.keepRecentAttempts(recent, clock.nowMs()).catch((error: unknown) => {
      for (const { clientId } of recent) this.#ahead.add(clientId);
      log.warn({ err: error }, 'the last attempts could not be stored; they are stored later');
    });
  }
}

/** Orders attempts of the same moment alike at every instance. */
function newestFirst(left: RecentAttempt, right: RecentAttempt): number {
  return right.startedAtMs - left.startedAtMs || (left.interactionId < right.interactionId ? -1 : 1);
}
