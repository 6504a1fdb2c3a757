import { hostname } from 'node:os';
import { startInterval } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { VERSION } from '../base/version.ts';
import { SEEN_EVERY_MS } from '../model/instance.ts';
import type { Store } from '../store/store.ts';

/** Dependencies of the presence of this process. */
export interface PresenceOptions {
  readonly store: Pick<Store, 'instanceSeen' | 'instanceEnded'>;
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  /** A unique id of this process. */
  readonly instance: string;
}

/**
 * Keeps this process among the instances in the store. A store that does not answer is found out by all else that needs it.
 *
 * @returns takes it out; to be called before the store is closed
 */
export function startPresence({ store, clock, instance: id }: PresenceOptions): () => Promise<void> {
  const about = {
    ...{ id, host: hostname(), processId: process.pid },
    ...{ version: VERSION, nodeVersion: process.versions.node, startedAtMs: clock.nowMs() },
  };
  const work = () => store.instanceSeen({ ...about, seenAtMs: clock.nowMs() });
  const stop = startInterval(clock, { everyMs: SEEN_EVERY_MS, isImmediate: true, work });
  return async () => {
    await stop();
    await store.instanceEnded(id).catch(() => undefined);
  };
}
