import { setTimeout as pause } from 'node:timers/promises';
import { type ChaosReport, comeToEnd, publishTo, sayFindings } from '../chaos/chaos-run.ts';
import type { Publisher } from '../chaos/publisher.ts';
import { seededRandom } from '../chaos/random.ts';
import type { StoreKind } from '../chaos/schedule.ts';
import { badStop, STOP_MAX_MS } from '../chaos/strike.ts';
import { startWorld, type World } from '../chaos/world.ts';
import { BIN } from '../support/service-process.ts';

export interface UpgradeOptions {
  readonly store: StoreKind;
  /** The command line of the earlier version. */
  readonly earlier: string;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
}

/** What an upgrade came to. */
export interface UpgradeReport {
  /** Events whose publishing was answered. */
  readonly accepted: number;
  /** POSTs that came whole to a callback URL, by the version that sent them. */
  readonly postsOfEarlier: number;
  readonly postsOfThis: number;
  /** POSTs of the earlier version while an instance of this one ran on the same database; 0 where there is one instance. */
  readonly postsOfEarlierBeside: number;
  /** Notifications that the earlier version sent in vain, and this one delivered. */
  readonly handedOver: number;
  readonly duplicates: number;
  /** What must not be, each as a line; none: the upgrade is good. */
  readonly findings: readonly string[];
}

/** In each stretch: before the upgrade, after each instance. */
const POSTS = 150;
const LOOK_MS = 20;
// A bound against waiting for ever.
const STRETCH_MAX_MS = 300_000;

/**
 * Upgrades a running service with traffic: the earlier version is published to and delivers, then each instance is stopped
 * and this version started in its place, one after the other, on the same store. TPPs fail now and then meanwhile. In the
 * end everything that was accepted must have been delivered, the store must have all SETs and attempts of both versions, and
 * nothing may have been sent again once its acknowledgement was recorded.
 *
 * @throws when it could not be run at all
 */
export async function upgradeRun({ store, earlier, seed, onProgress }: UpgradeOptions): Promise<UpgradeReport> {
  const programs = store === 'postgres' ? [earlier, earlier] : [earlier];
  const world = await startWorld({
    ...{ store, instances: programs.length, hasDisk: false, withoutSync: 'never', random: seededRandom(seed) },
    programOf: (instance) => programs[instance] ?? BIN,
  });
  try {
    const publisher = publishTo(world, seed);
    await posts(world, ofRun(1));
    onProgress(`${store}: the earlier version accepted ${publisher.accepted.size}`);
    const badStops: string[] = [];
    let postsOfEarlierBeside = 0;
    for (const [at, instance] of world.instances.entries()) {
      programs[at] = BIN;
      badStops.push(...badStop(instance.name, await instance.terminate(STOP_MAX_MS)));
      await instance.untilRunning();
      onProgress(`${store}: ${instance.name} was upgraded`);
      await posts(world, ofRun(2, instance.name));
      const beside = world.instances.slice(at + 1).map(({ name }) => name);
      if (beside.length > 0) postsOfEarlierBeside = await posts(world, ofRun(1, ...beside));
    }
    return await reportOf(world, publisher, { badStops, postsOfEarlierBeside });
  } finally {
    await world.close();
  }
}

/** Processes of instances, by their number in the instance: the first is the earlier version. */
function ofRun(run: 1 | 2, ...instances: readonly string[]): (process: string) => boolean {
  return (process) =>
    process.endsWith(`.${run}`) && (instances.length === 0 || instances.some((name) => process === `${name}.${run}`));
}

/** Waits for so many more POSTs of these processes. @returns how many there were */
async function posts({ ledger: { arrivals } }: World, isOf: (process: string) => boolean): Promise<number> {
  const from = arrivals.length;
  const latestMs = performance.now() + STRETCH_MAX_MS;
  for (;;) {
    const count = arrivals.slice(from).filter(({ process }) => isOf(process)).length;
    if (count >= POSTS) return count;
    if (performance.now() > latestMs) throw new Error(`only ${count} of ${POSTS} POSTs came`);
    await pause(LOOK_MS);
  }
}

interface Upgraded {
  readonly badStops: readonly string[];
  readonly postsOfEarlierBeside: number;
}

async function reportOf(world: World, publisher: Publisher, upgraded: Upgraded): Promise<UpgradeReport> {
  const { badStops, postsOfEarlierBeside } = upgraded;
  const ended: Pick<ChaosReport, 'accepted' | 'duplicates' | 'findings'> = await comeToEnd(world, publisher, {
    ...{ faults: [], badStops, storeLost: undefined },
  });
  const { arrivals } = world.ledger;
  const isOfEarlier = ofRun(1);
  const [ofEarlier, ofThis] = [true, false].map((of) => arrivals.filter(({ process }) => isOfEarlier(process) === of));
  const inVain = new Set(ofEarlier?.flatMap(({ jti, status }) => (status === 202 ? [] : [jti])));
  const handedOver = new Set(ofThis?.flatMap(({ jti, status }) => (inVain.has(jti) && status === 202 ? [jti] : [])));
  const { accepted, duplicates } = ended;
  return {
    ...{ accepted, duplicates, postsOfEarlierBeside },
    ...{ postsOfEarlier: ofEarlier?.length ?? 0, postsOfThis: ofThis?.length ?? 0, handedOver: handedOver.size },
    findings: sayFindings(ended),
  };
}
