import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { RecentAttempts as Recent, RecentAttempt } from '../model/attempt.ts';
import type { Store } from '../store/store.ts';
import type { Observer, Occurrence } from './observer.ts';

/** Attempts that are known of each TPP. */
export const RECENT_ATTEMPTS = 10;

export interface RecentAttemptsOptions {
  readonly store: Pick<Store, 'keepRecentAttempts' | 'recentAttempts'>;
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly log: Pick<Log, 'warn'>;
  /** Of this process, and of no other ever. */
  readonly instance: string;
  /** How late other instances see it. An attempt costs a place in a short list; the store hears of many at once. */
  readonly writeMs: number;
}

// What is not asked for and not attempted any more is forgotten, the first first; the store still has it.
const TPPS_MAX = 10_000;

/** An attempt, and the process that made it. */
export interface AttemptSomewhere extends RecentAttempt {
  readonly instance: string;
}

/**
 * Knows the last attempts to each callback URL, of all instances: those of this one at once, those of others, and of those that
 * are gone, some seconds late, from the store. It is told of each after it was recorded, so that no delivery waits.
 */
export class RecentAttempts implements Observer {
  readonly #options: RecentAttemptsOptions;
  readonly #byClient = new Map<string, RecentAttempt[]>();
  /** TPPs of which the store does not know all. */
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

  /** The last attempts for each of some TPPs, the newest first; none for whoever was never pushed to. */
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

  /** Keeps what is left; to be called when nothing is attempted any more, before the store is closed. */
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

  /** Entries that cannot be kept now are kept with the next ones: nothing depends on them. */
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
      log.warn({ err: error }, 'the last attempts could not be kept for other instances');
    });
  }
}

/** Those of the same moment in an order that is the same at every instance. */
function newestFirst(left: RecentAttempt, right: RecentAttempt): number {
  return right.startedAtMs - left.startedAtMs || (left.interactionId < right.interactionId ? -1 : 1);
}
