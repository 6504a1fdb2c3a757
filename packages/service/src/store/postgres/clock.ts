import type { Clock } from '../../base/clock.ts';

/** Where the clock of the database is read, and how often. */
export interface DatabaseClockOptions {
  /** This machine's clock: it has to run evenly, whatever time it shows. */
  readonly local: Clock;
  /** Asks the database for its time, in milliseconds since the epoch. */
  readonly ask: () => Promise<number>;
}

/** A clock that goes by the database's. */
export interface DatabaseClock extends Clock {
  /** Stops asking the database; the clock continues. */
  stop(): void;
}

const MEASURE_EVERY_MS = 30_000;
const MEASURES_AT_START = 3;
// Two clocks of good machines drift apart by less than this per millisecond.
const DRIFT = 0.0002;
// A measurement that says nothing better than this is no measurement.
const ROUND_TRIP_MAX_MS = 5000;

/** The known time of the database: its offset to the local monotonic clock, give or take. */
interface Measure {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly atMs: number;
}

/**
 * Makes a clock that says the time of the database, so that all instances on it agree, whatever their own clocks say: to
 * within half a round trip. It is measured again every half minute, since clocks drift; between, the local monotonic
 * clock carries on, also while the database is away. It never runs backwards by itself: where it turns out to be ahead it
 * stands still until the time has come. After a jump of the database's own clock it follows at the next measurement;
 * backwards by standing still for no longer than a second, then all at once.
 *
 * @throws whatever `ask` does, when the first measurements all fail
 */
export async function createDatabaseClock({ local, ask }: DatabaseClockOptions): Promise<DatabaseClock> {
  const measure = async (): Promise<Measure> => {
    const before = local.monotonicMs();
    const told = await ask();
    const after = local.monotonicMs();
    // The database read its clock at some time in between.
    return { offsetMs: told - (before + after) / 2, uncertaintyMs: (after - before) / 2, atMs: after };
  };
  let best = await measure();
  for (let more = 1; more < MEASURES_AT_START; more += 1) best = better(best, await measure());
  let last = Number.NEGATIVE_INFINITY;
  let isStopped = false;
  let cancel: (() => void) | undefined;
  const again = () => {
    cancel = local.after(MEASURE_EVERY_MS, () => {
      const take = (next?: Measure) => {
        if (isStopped) return;
        if (next !== undefined) best = better(best, next);
        again();
      };
      // While the database is away the clock continues.
      void measure().then(take, () => take());
    });
  };
  again();
  return {
    nowMs: () => {
      const now = Math.floor(local.monotonicMs() + best.offsetMs);
      if (now > last || last - now > STANDS_STILL_MAX_MS) last = now;
      return last;
    },
    monotonicMs: () => local.monotonicMs(),
    after: (delayMs, callback) => local.after(delayMs, callback),
    stop: () => {
      isStopped = true;
      cancel?.();
    },
  };
}

const STANDS_STILL_MAX_MS = 1000;

/** The one that is known more closely; an older one becomes less certain with every moment. */
function better(old: Measure, fresh: Measure): Measure {
  if (fresh.uncertaintyMs > ROUND_TRIP_MAX_MS / 2) return old;
  const oldUncertaintyMs = old.uncertaintyMs + (fresh.atMs - old.atMs) * DRIFT;
  const apartMs = Math.abs(fresh.offsetMs - old.offsetMs);
  // Both cannot be true: the database's clock was set.
  if (apartMs > oldUncertaintyMs + fresh.uncertaintyMs) return fresh;
  return fresh.uncertaintyMs <= oldUncertaintyMs ? fresh : { ...old };
}
