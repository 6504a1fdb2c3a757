import type { WithoutSync } from './database.ts';
import { countDuplicates, type Duplicates, type Fault, inFlightAt } from './in-flight.ts';
import type { Ledger } from './ledger.ts';
import { disturbNetwork } from './network.ts';
import { type Publisher, startPublisher } from './publisher.ts';
import { seededRandom } from './random.ts';
import { type StoreKind, type Strike, scheduleOf } from './schedule.ts';
import { CLAIMED_PER_TPP_MAX, TIMEOUT_MS } from './service-config.ts';
import { checkAtRest, sentAfterRecorded, settle } from './settle.ts';
import { badStop, STOP_MAX_MS, type Struck, strikeAll } from './strike.ts';
import { startWorld, type World } from './world.ts';

export interface ChaosOptions {
  readonly store: StoreKind;
  /** 1 for SQLite, which serves one process. */
  readonly instances: number;
  /** SIGKILLs of instances; what else is done is in proportion to them. */
  readonly kills: number;
  /** True: nothing but kills, of instances and of the database. Default: false. */
  readonly isKillsAlone?: boolean;
  /** Power cuts of the machine that the store is on; above 0 only where {@link whyNoPowerCuts} names no reason. */
  readonly powerCuts: number;
  /** A fault to plant, which the power cuts must show. Default: never. */
  readonly withoutSync?: WithoutSync;
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
}

/** What a run came to. */
export interface ChaosReport extends Omit<ChaosOptions, 'onProgress'> {
  /** How often each kind of strike was made. */
  readonly strikes: Readonly<Record<string, number>>;
  /** Events whose publishing was answered. */
  readonly accepted: number;
  /** POSTs that came whole to a callback URL. */
  readonly posts: number;
  /** Of them, those answered 202 that the bank must have seen, and those that it may not have seen. */
  readonly acknowledged: number;
  readonly uncertain: number;
  /** POSTs of what had been acknowledged already; at-least-once allows as many as were in flight at the faults. */
  readonly duplicates: number;
  readonly inFlight: number;
  /** Everything that must not be: each list must be empty. */
  readonly findings: Findings;
  readonly seconds: number;
}

export interface Findings {
  /** Accepted events whose notification no handler ever took. */
  readonly lost: readonly string[];
  /** Accepted events that the operator API does not call acknowledged in the end, also after one more kill. */
  readonly notAcknowledged: readonly string[];
  /** SETs that a TPP has and that the store does not have, or not in these bytes. */
  readonly lostSets: readonly string[];
  /** Attempts that the log calls recorded and that the store does not have with that outcome, by interaction id. */
  readonly lostAttempts: readonly string[];
  /** Events that got another notification when they were published again. */
  readonly changedNotification: readonly string[];
  /** Notifications that came in more than one spelling. */
  readonly changedBytes: readonly string[];
  /** Notifications of events that nobody published. */
  readonly unknown: readonly string[];
  /** What the verifying receivers and the poller refused. */
  readonly refused: readonly string[];
  /** What a poll offered though an answered poll had acknowledged it. */
  readonly offeredAgain: readonly string[];
  /** What was sent when everything had been acknowledged. */
  readonly sentAtRest: readonly string[];
  /** Duplicates that no fault accounts for. */
  readonly unexplainedDuplicates: readonly string[];
  /** Faults with more duplicates than were in flight at them. */
  readonly tooManyDuplicates: readonly string[];
  /** Duplicates that were claimed after the acknowledgement before them had been recorded. */
  readonly sentAfterRecorded: readonly string[];
  /** Publishing that was answered with what is neither success nor "later". */
  readonly wrongAnswers: readonly string[];
  /** Polling that ended by itself. */
  readonly pollingFailed: readonly string[];
  /** Instances that ended without being asked to. */
  readonly died: readonly string[];
  /** SIGTERMs that were not obeyed within the grace, with code 0. */
  readonly badStops: readonly string[];
  /** What the database finds wrong with its own file, or why it does not start on it: then the run ended there. */
  readonly damaged: readonly string[];
}

const KILLS: ReadonlySet<string> = new Set<Strike['kind']>(['kill', 'kill-database']);
const LIMITS = { perTppMax: CLAIMED_PER_TPP_MAX, timeoutMs: TIMEOUT_MS };
// Publishing waits while so many accepted notifications have not been handled, so that a run ends soon after its faults.
const BACKLOG_MAX = 600;
// After the last fault. A busy machine takes its time to start the instances.
const PUBLISHED_WITHIN_MS = 300_000;

/**
 * Runs the service as real processes behind a network that fails, publishes to it all the time, and strikes it: SIGKILL
 * at random, clean restarts, instances frozen for longer than their leases, the database killed and cut off. Then lets it
 * finish, and compares what it accepted with what reached the TPPs. The same seed makes the same schedule; what is under
 * way when a strike comes differs from run to run.
 *
 * A killed process loses nothing that the operating system has taken over. That the disk has it too, a power cut shows:
 * the store goes on with what its file system had given to its device at that moment, see {@link Disk}.
 *
 * @throws when it could not be run at all; what the service did wrong is in `findings`
 */
export async function chaosRun(options: ChaosOptions): Promise<ChaosReport> {
  const { store, instances, kills, isKillsAlone = false, powerCuts, withoutSync = 'never', seed } = options;
  const began = performance.now();
  const random = seededRandom(seed);
  const strikes = scheduleOf(options, random).filter(({ kind }) => !isKillsAlone || KILLS.has(kind));
  const world = await startWorld({ store, instances, hasDisk: powerCuts > 0, withoutSync, random });
  try {
    const publisher = publishTo(world, seed);
    const doors = [...world.pushTpps.map(({ door }) => door), world.apiDoor, world.operatorDoor];
    const network = disturbNetwork(doors, seededRandom(seed + 2));
    const struck = await strikeAll(strikes, world, tellOf(options, world, publisher));
    await network.stop();
    options.onProgress?.('the faults are over; waiting until all are acknowledged');
    const ended = await comeToEnd(world, publisher, struck, withoutSync === 'never' ? PUBLISHED_WITHIN_MS : undefined);
    return {
      ...{ store, instances, kills, powerCuts, withoutSync, seed },
      strikes: tally(strikes),
      ...ended,
      seconds: Math.round((performance.now() - began) / 100) / 10,
    };
  } finally {
    await world.close();
  }
}

/**
 * Lets the TPPs behave, ends publishing, waits until everything is acknowledged, and compares what was accepted with what
 * reached the TPPs.
 *
 * @param publishedWithinMs how long publishing may take to be answered. Default: as long as the end of the run waits
 */
export async function comeToEnd(
  world: World,
  publisher: Publisher,
  struck: Struck,
  publishedWithinMs = world.settleMaxMs,
): Promise<
  Pick<ChaosReport, 'accepted' | 'posts' | 'acknowledged' | 'uncertain' | 'duplicates' | 'inFlight' | 'findings'>
> {
  for (const tpp of [...world.pushTpps, world.pollTpp]) tpp.behave();
  await publisher.stop(struck.storeLost === undefined ? publishedWithinMs : 0);
  const rest = struck.storeLost === undefined ? await comeToRest(world, publisher) : NOTHING_TO_ASK;
  const limits = { ...LIMITS, delayMs: world.delays.between };
  const reckoned: Duplicates = countDuplicates(world.ledger.arrivals, struck.faults, limits);
  const { duplicates, repeated, inFlight, acknowledged, uncertain, unexplained, exceeded } = reckoned;
  const afterRecorded = sentAfterRecorded(world, rest.kept, { repeated, faults: struck.faults });
  return {
    accepted: publisher.accepted.size,
    posts: world.ledger.arrivals.length,
    ...{ acknowledged, uncertain, inFlight, duplicates: duplicates.length },
    findings: {
      ...ledgerFindings(world.ledger, publisher),
      unexplainedDuplicates: unexplained,
      tooManyDuplicates: exceeded,
      sentAfterRecorded: afterRecorded,
      notAcknowledged: rest.notAcknowledged,
      ...{ sentAtRest: rest.sent, lostSets: rest.lostSets, lostAttempts: rest.lostAttempts },
      pollingFailed: world.pollTpp.failed,
      ...(await endOf(world, struck)),
    },
  };
}

/** The findings that there are, each as a line; none: the run passed. */
export function sayFindings({ findings }: Pick<ChaosReport, 'findings'>): string[] {
  return Object.entries(findings).flatMap(([name, list]: [string, readonly string[]]) => {
    const more = list.length > 3 ? ` and ${list.length - 3} more` : '';
    return list.length === 0 ? [] : [`${name}: ${list.slice(0, 3).join('; ')}${more}`];
  });
}

/** Publishes until it is stopped, and waits while the TPPs have much to do. */
export function publishTo({ operatorUrl, operatorToken, caPem, clientIds, ledger }: World, seed: number): Publisher {
  return startPublisher({
    ...{ url: operatorUrl, token: operatorToken, caPem, clientIds, random: seededRandom(seed + 1) },
    isBusy: (accepted) => accepted - ledger.handled.size > BACKLOG_MAX,
  });
}

function tellOf(options: ChaosOptions, { ledger }: World, publisher: Publisher) {
  let kills = 0;
  return (strike: Strike, fault: Fault | undefined): void => {
    if (strike.kind === 'kill') kills += 1;
    const what = strike.kind === 'kill' ? `kill ${kills}/${options.kills}` : strike.kind;
    const of = 'instance' in strike ? ` of instance-${strike.instance}` : '';
    const flying = fault === undefined ? 0 : inFlightAt(fault, ledger.arrivals, LIMITS).count;
    const { accepted } = publisher;
    options.onProgress?.(
      `${what}${of}: ${accepted.size} accepted, ${ledger.handled.size} handled, ${flying} in flight at it`,
    );
  };
}

const NOTHING_TO_ASK = { kept: new Map(), notAcknowledged: [], sent: [], lostSets: [], lostAttempts: [] };

async function comeToRest(world: World, { accepted }: Publisher) {
  const settled = await settle(world, [...accepted.values()]);
  const rest = await checkAtRest(world, settled.jtis);
  return { ...rest, notAcknowledged: [...settled.notAcknowledged, ...rest.notAcknowledged] };
}

/** Ends the instances. Those without a database are ended with the world. */
async function endOf(world: World, { storeLost, badStops }: Struck) {
  const stops = storeLost === undefined ? await endAll(world) : [];
  return {
    died: world.instances.flatMap(({ died }) => died),
    badStops: [...badStops, ...stops],
    damaged: storeLost === undefined ? await world.store.damage() : [storeLost],
  };
}

async function endAll({ pollTpp, instances }: World): Promise<string[]> {
  await pollTpp.stop();
  const stops = await Promise.all(
    instances.map(async (instance) => badStop(instance.name, await instance.end(STOP_MAX_MS))),
  );
  return stops.flat();
}

function ledgerFindings({ handled, changedBytes, refused, offeredAgain }: Ledger, publisher: Publisher) {
  const { accepted, sent, changedNotification, wrongAnswers } = publisher;
  return {
    lost: [...accepted].filter(([, jti]) => !handled.has(jti)).map(([id]) => id),
    unknown: [...handled.values()].map(({ claims }) => claims.txn).filter((id) => !sent.has(id)),
    changedBytes: [...changedBytes],
    ...{ changedNotification, wrongAnswers, refused, offeredAgain },
  };
}

function tally(strikes: readonly Strike[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of strikes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
