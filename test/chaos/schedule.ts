import type { SeededRandom } from './random.ts';
import { LEASE_MS } from './service-config.ts';

export type StoreKind = 'sqlite' | 'postgres';

/** Something that is done to the service or to its database. */
export type Strike =
  /** SIGKILL. `work`: so long after it ran; `any`: whether it runs or still starts. */
  | { readonly kind: 'kill'; readonly instance: number; readonly during: 'any' | 'work'; readonly afterMs: number }
  /** SIGTERM: it must end cleanly. */
  | { readonly kind: 'terminate'; readonly instance: number; readonly afterMs: number }
  /** SIGSTOP for longer than its leases, then SIGCONT. */
  | { readonly kind: 'freeze'; readonly instance: number; readonly afterMs: number; readonly forMs: number }
  /** The power of the machine is cut that the instance and its store are on. */
  | { readonly kind: 'power-cut'; readonly instance: number; readonly afterMs: number }
  /** The same, of the machine that PostgreSQL is on. */
  | { readonly kind: 'power-cut-database'; readonly afterMs: number }
  /** SIGKILL of PostgreSQL, which is started again after a while. */
  | { readonly kind: 'kill-database'; readonly afterMs: number; readonly forMs: number }
  | { readonly kind: 'terminate-backends'; readonly afterMs: number }
  | { readonly kind: 'cut-database'; readonly afterMs: number }
  | { readonly kind: 'stall-database'; readonly afterMs: number; readonly forMs: number };

const UPTIME_MAX_MS = 500;
const ANY_TIME_MAX_MS = 600;
const STALL_MAX_MS = 2500;
const DATABASE_DOWN_MAX_MS = 1500;
// The part of the kills that do not wait until the instance runs.
const AT_ANY_TIME = 0.2;

/** What is done, in its order: so many kills and power cuts, and of everything else in proportion to the kills. */
export function scheduleOf(
  { kills, powerCuts, instances, store }: { kills: number; powerCuts: number; instances: number; store: StoreKind },
  random: SeededRandom,
): Strike[] {
  const times = <T>(count: number, make: () => T) => Array.from({ length: Math.ceil(count) }, make);
  const instance = () => random.whole(0, instances - 1);
  const afterMs = () => random.whole(1, UPTIME_MAX_MS);
  const strikes: Strike[] = [
    ...times(kills, (): Strike => {
      const during = random.fraction() < AT_ANY_TIME ? 'any' : 'work';
      const latestMs = during === 'work' ? UPTIME_MAX_MS : ANY_TIME_MAX_MS;
      return { kind: 'kill', instance: instance(), during, afterMs: random.whole(1, latestMs) };
    }),
    ...times(kills / 10, (): Strike => ({ kind: 'terminate', instance: instance(), afterMs: afterMs() })),
    ...times(kills / 20, (): Strike => {
      const forMs = LEASE_MS + random.whole(100, 1000);
      return { kind: 'freeze', instance: instance(), afterMs: afterMs(), forMs };
    }),
  ];
  const powerCut = (): Strike =>
    store === 'sqlite'
      ? { kind: 'power-cut', instance: instance(), afterMs: afterMs() }
      : { kind: 'power-cut-database', afterMs: afterMs() };
  if (store === 'postgres') {
    strikes.push(
      ...times(kills / 10, (): Strike => {
        return { kind: 'kill-database', afterMs: afterMs(), forMs: random.whole(1, DATABASE_DOWN_MAX_MS) };
      }),
      ...times(kills / 10, (): Strike => ({ kind: 'terminate-backends', afterMs: afterMs() })),
      ...times(kills / 10, (): Strike => ({ kind: 'cut-database', afterMs: afterMs() })),
      ...times(kills / 20, (): Strike => {
        return { kind: 'stall-database', afterMs: afterMs(), forMs: random.whole(100, STALL_MAX_MS) };
      }),
    );
  }
  return random.shuffled([...strikes, ...times(powerCuts, powerCut)]);
}
