import { once } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Store } from '../store/store.ts';

/** Dependencies of a sweeper: the section `retention` of the configuration, other ages, and the store. */
export interface SweeperOptions {
  readonly notificationsMs: number;
  readonly eventsMs: number;
  /** Age at which an awaiting notification expires; undefined: never. */
  readonly awaitingMs?: number | undefined;
  readonly sweepMs: number;
  /** How long the activity log is kept. */
  readonly activityKeptMs: number;
  /** How long statistics by minute are kept. */
  readonly minutesKeptMs: number;
  readonly hoursKeptMs: number;
  /** Optional observer of how many notifications expired. */
  readonly onExpired?: (count: number) => void;
  readonly store: Pick<Store, 'dropHistory' | 'expireAwaiting' | 'dropWatched'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/** Drops history past its retention; see {@link startSweeper}. */
export interface Sweeper {
  /** Resolves when the portion under way is done. May be called more than once. */
  stop(): Promise<void>;
}

// A portion is one transaction, for which publishing and recording wait; they run in the pauses.
const PORTION_ROWS = 1000;
const PAUSE_MS = 20;
// A row of the activity log may hold hundreds of kilobytes.
const PORTION_WATCHED_ROWS = 25;

const NOTHING = (): void => undefined;

/** Starts the sweeper as the configuration has it. */
export function openSweeper(options: {
  readonly config: Pick<Config, 'activity' | 'statistics' | 'retention'>;
  readonly store: SweeperOptions['store'];
  readonly clock: Clock;
  readonly log: SweeperOptions['log'];
  readonly onExpired: (count: number) => void;
}): Sweeper {
  const { config, ...others } = options;
  const { activity, statistics, retention } = config;
  return startSweeper({ ...others, ...retention, ...statistics, activityKeptMs: activity.keptMs });
}

/**
 * Every `sweepMs`, drops history past its retention, and expires awaiting notifications where an age is configured; nothing
 * else ever expires them. Works in small portions with pauses, so that traffic does not wait. A failure is logged, and the
 * next sweep continues. Several instances may sweep one store at the same time.
 */
export function startSweeper(options: SweeperOptions): Sweeper {
  const { sweepMs, clock, log } = options;
  let isStopping = false;
  let cancelTimer = NOTHING;
  let endPause = NOTHING;
  let sweeping: Promise<void> = Promise.resolve();

  const pause = () =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(PAUSE_MS, resolve);
      endPause = () => {
        cancel();
        resolve();
      };
    });

  /** Runs portions until one drops nothing. @returns the number of rows */
  const drain = async (portion: () => Promise<number>): Promise<number> => {
    let total = 0;
    while (!isStopping) {
      const count = await portion();
      total += count;
      if (count === 0) break;
      await pause();
    }
    return total;
  };

  const sweep = async () => {
    try {
      const { expired, dropped } = await sweepOnce(options, drain);
      if (expired + dropped > 0) log.info({ expired, dropped }, 'swept');
    } catch (error) {
      log.warn({ err: error }, 'the retention sweep failed; the next one continues');
    }
    if (!isStopping) begin();
  };

  const begin = () => {
    cancelTimer = clock.after(sweepMs, () => {
      sweeping = sweep();
    });
  };
  begin();
  return {
    stop: once(async () => {
      isStopping = true;
      cancelTimer();
      endPause();
      await sweeping;
    }),
  };
}

/** Expiry comes first, since expired notifications are history from then on. */
async function sweepOnce(
  options: SweeperOptions,
  drain: (portion: () => Promise<number>) => Promise<number>,
): Promise<{ expired: number; dropped: number }> {
  const { notificationsMs, eventsMs, awaitingMs, store, clock } = options;
  const nowMs = clock.nowMs();
  const expired =
    awaitingMs === undefined
      ? 0
      : await drain(() => store.expireAwaiting(nowMs - awaitingMs, PORTION_ROWS, clock.nowMs()));
  if (expired > 0) options.onExpired?.(expired);
  const before = { notificationsBeforeMs: nowMs - notificationsMs, eventsBeforeMs: nowMs - eventsMs };
  const dropped = await drain(() => store.dropHistory({ ...before, limit: PORTION_ROWS }));
  const watched = {
    activityBeforeMs: nowMs - options.activityKeptMs,
    minutesBeforeMs: nowMs - options.minutesKeptMs,
    hoursBeforeMs: nowMs - options.hoursKeptMs,
    limit: PORTION_WATCHED_ROWS,
  };
  // Telemetry rows are not logged: the log line is about notifications.
  await drain(() => store.dropWatched(watched));
  return { expired, dropped };
}
