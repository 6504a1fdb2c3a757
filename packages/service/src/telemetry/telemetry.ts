import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Store } from '../store/store.ts';
import { ActivityLog } from './activity-log.ts';
import { ActivityStream } from './activity-stream.ts';
import { type Observer, observers } from './observer.ts';
import { RecentAttempts } from './recent-attempts.ts';
import { Statistics } from './statistics.ts';

/** Observers of the service's work. */
export interface Telemetry {
  /** To be told of everything that happens. */
  readonly observer: Observer;
  /** Undefined where no activity is kept. */
  readonly stream: ActivityStream | undefined;
  readonly statistics: Statistics;
  readonly recentAttempts: RecentAttempts;
  /** Keeps what is left; to be called when nothing happens any more, before the store is closed. */
  stop(): Promise<void>;
}

/** Dependencies. */
export interface TelemetryOptions {
  readonly activity: Config['activity'];
  readonly statistics: Pick<Config['statistics'], 'writeMs'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this process, and of no other ever. */
  readonly instance: string;
}

/** Makes activity log, live stream, statistics, and the last attempts. Nothing runs until something happens or somebody looks. */
export function createTelemetry({ activity, statistics: { writeMs }, ...parts }: TelemetryOptions): Telemetry {
  const statistics = new Statistics({ ...parts, writeMs });
  const recentAttempts = new RecentAttempts({ ...parts, writeMs });
  const watches = { statistics, recentAttempts };
  if (!activity.isKept) {
    const stop = async () => {
      await Promise.all([statistics.stop(), recentAttempts.stop()]);
    };
    return { ...watches, observer: observers([statistics, recentAttempts]), stream: undefined, stop };
  }
  const log = new ActivityLog(parts);
  const stream = new ActivityStream({ ...parts, subscribersMax: activity.subscribersMax });
  const stop = async () => {
    stream.end();
    await Promise.all([log.stop(), statistics.stop(), recentAttempts.stop()]);
  };
  return { ...watches, observer: observers([log, statistics, recentAttempts]), stream, stop };
}
