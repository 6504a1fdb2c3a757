import { setTimeout as pause } from 'node:timers/promises';
import { StoreLost } from './database.ts';
import type { Fault } from './in-flight.ts';
import type { Instance, Stop } from './instance.ts';
import type { Strike } from './schedule.ts';
import { GRACE_MS } from './service-config.ts';
import type { World } from './world.ts';

/** What the strikes came to. */
export interface Struck {
  /** What may have kept acknowledgements from being recorded. */
  readonly faults: readonly Fault[];
  /** Clean stops that were not clean: must be empty. */
  readonly badStops: readonly string[];
  /** Why there was no going on; undefined: there was. */
  readonly storeLost: string | undefined;
}

// Closing doors and store takes a moment beside the grace, on a busy machine.
const STOP_MARGIN_MS = 3000;

const POSTS_BEFORE_STRIKE = 20;
const WORK_MAX_MS = 2000;
const LOOK_MS = 10;

/** Does what the schedule says, one after the other, as long as the database starts again. @param onStruck told after each */
export async function strikeAll(
  strikes: readonly Strike[],
  world: World,
  onStruck: (strike: Strike, fault: Fault | undefined) => void,
): Promise<Struck> {
  const faults: Fault[] = [];
  const badStops: string[] = [];
  for (const strike of strikes) {
    if (strike.kind === 'terminate') {
      const instance = instanceOf(strike, world);
      badStops.push(...badStop(instance.name, await terminate(instance, strike.afterMs)));
      onStruck(strike, undefined);
    } else {
      const fault = await strikeOne(strike, world).catch(storeLostOf);
      if (fault instanceof StoreLost) return { faults, badStops, storeLost: fault.message };
      faults.push(fault);
      onStruck(strike, fault);
    }
  }
  return { faults, badStops, storeLost: undefined };
}

function storeLostOf(error: unknown): StoreLost {
  if (error instanceof StoreLost) return error;
  throw error;
}

/** How an instance that was stopped for good, or to be started again, did not do so cleanly. */
export function badStop(name: string, { code, tookMs }: Stop): string[] {
  return code === 0 ? [] : [`${name} ended with ${code} after ${tookMs} ms, ${GRACE_MS + STOP_MARGIN_MS} ms allowed`];
}

/** Longest time that a clean stop may take. */
export const STOP_MAX_MS = GRACE_MS + STOP_MARGIN_MS;

async function terminate(instance: Instance, afterMs: number): Promise<Stop> {
  await instance.untilRunning();
  await pause(afterMs);
  return instance.terminate(STOP_MAX_MS);
}

async function strikeOne(strike: Exclude<Strike, { kind: 'terminate' }>, world: World): Promise<Fault> {
  const { kind } = strike;
  const instance = 'instance' in strike ? instanceOf(strike, world) : undefined;
  const isPowerCut = kind === 'power-cut' || kind === 'power-cut-database';
  const isWhileRunning = kind === 'freeze' || isPowerCut || (kind === 'kill' && strike.during === 'work');
  // A database is cut while it is written to: while any instance works.
  if (isWhileRunning) await untilAtWork(instance === undefined ? world.instances : [instance], world);
  await pause(strike.afterMs);
  const fromMs = performance.now();
  if (kind === 'kill') await instance?.kill();
  else if (kind === 'freeze') await freeze(instance, strike.forMs);
  else if (kind === 'power-cut') await instance?.cutPower(world.store.cutPower);
  else await strikeDatabase(strike, world);
  return { kind, instance: instance?.name, fromMs, toMs: performance.now() };
}

/** On a busy machine a process that has just begun to run has done nothing yet: a strike would show nothing. */
async function untilAtWork(instances: readonly Instance[], { ledger: { arrivals } }: World): Promise<void> {
  await Promise.race(instances.map((instance) => instance.untilRunning()));
  const enough = arrivals.length + POSTS_BEFORE_STRIKE;
  const latestMs = performance.now() + WORK_MAX_MS;
  while (arrivals.length < enough && performance.now() < latestMs) await pause(LOOK_MS);
}

async function freeze(instance: Instance | undefined, forMs: number): Promise<void> {
  instance?.freeze();
  await pause(forMs);
  instance?.wake();
}

type DatabaseStrike = Exclude<Strike, { readonly instance: number }>;

async function strikeDatabase(strike: DatabaseStrike, { store }: World): Promise<void> {
  if (strike.kind === 'kill-database') return store.restart(strike.forMs);
  if (strike.kind === 'power-cut-database') return store.cutPower(() => Promise.resolve());
  if (strike.kind === 'terminate-backends') return store.terminateBackends();
  if (strike.kind === 'cut-database') return store.cut();
  store.stall(strike.forMs);
  await pause(strike.forMs);
}

function instanceOf({ instance }: { readonly instance: number }, { instances }: World): Instance {
  const found = instances[instance];
  if (found === undefined) throw new Error(`there is no instance ${instance}`);
  return found;
}
