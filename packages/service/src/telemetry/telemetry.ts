import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Store } from '../store/store.ts';
import { ActivityLog } from './activity-log.ts';
import { ActivityStream } from './activity-stream.ts';
import { type Observer, observers } from './observer.ts';
import { startPresence } from './presence.ts';
import { RecentAttempts } from './recent-attempts.ts';
import { Statistics } from './statistics.ts';

/** Activity log, live stream, statistics and last attempts. */
export interface Telemetry {
  /** Must be given every occurrence. */
  readonly observer: Observer;
  /** Undefined where the activity log is disabled. */
  readonly stream: ActivityStream | undefined;
  readonly statistics: Statistics;
  readonly recentAttempts: RecentAttempts;
  /** The id of this process, as it is among the instances in the store. */
  readonly instance: string;
  /** Stores what remains. To be called after the last occurrence, before the store is closed. */
  stop(): Promise<void>;
}

/** Dependencies of the telemetry. */
export interface TelemetryOptions {
  readonly activity: Config['activity'];
  readonly statistics: Pick<Config['statistics'], 'writeMs'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** A unique id of this process. */
  readonly instance: string;
}

/**
 * Makes activity log, live stream, statistics and last attempts, which are idle until an occurrence or a reader comes, and keeps
 * this process among the instances in the store.
 */
export function createTelemetry({ activity, statistics: { writeMs }, ...options }: TelemetryOptions): Telemetry {
  const statistics = new Statistics({ ...options, writeMs });
  const recentAttempts = new RecentAttempts({ ...options, writeMs });
  const endPresence = startPresence(options);
  const always = { statistics, recentAttempts, instance: options.instance };
  if (!activity.isKept) {
    const stop = async () => {
      await Promise.all([statistics.stop(), recentAttempts.stop(), endPresence()]);
    };
    return { ...always, observer: observers([statistics, recentAttempts]), stream: undefined, stop };
  }
  const log = new ActivityLog(options);
  const stream = new ActivityStream({ ...options, subscribersMax: activity.subscribersMax });
  const stop = async () => {
    stream.end();
    await Promise.all([log.stop(), statistics.stop(), recentAttempts.stop(), endPresence()]);
  };
  return { ...always, observer: observers([log, statistics, recentAttempts]), stream, stop };
}
