import { setTimeout as pause } from 'node:timers/promises';
import { createOperatorClient, type OperatorClient, type ShownNotification } from '@tidings/sandbox';
import { type Duplicate, describePosts, type Fault } from './in-flight.ts';
import type { Arrival, Ledger, RecordedAttempt } from './ledger.ts';
import { isSentAfterRecorded } from './sent-after.ts';
import type { World } from './world.ts';

// Without any progress.
const LOOK_MS = 200;
const ASKED_AT_ONCE = 8;
// A last retry, or a lease of a frozen instance, would come well within it.
const REST_MS = 1500;

/** What a notification is, as the operator API tells it, or why it does not. */
interface State {
  readonly jti: string;
  readonly state: string;
  /** The store does not have it. */
  readonly isGone?: boolean;
}

/**
 * Waits until every accepted notification was handled and the operator API calls it acknowledged. Of what the store does
 * not have, once the faults are over, nothing comes any more.
 *
 * @param accepted their jtis
 * @returns what was not so after `settleMaxMs` without progress, and the notifications that the store has
 */
export async function settle(world: World, accepted: readonly string[]) {
  await Promise.all(world.instances.map((instance) => instance.untilRunning()));
  const gone = (await askFor(world, accepted)).filter(({ isGone }) => isGone === true);
  const goneJtis = new Set(gone.map(({ jti }) => jti));
  const jtis = accepted.filter((jti) => !goneJtis.has(jti));
  const unhandled = () => jtis.filter((jti) => !world.ledger.handled.has(jti));
  await untilNone(world.settleMaxMs, async () => unhandled().map((jti) => ({ jti, state: 'not handled' })));
  let left: readonly string[] = jtis;
  const states = await untilNone(world.settleMaxMs, async () => {
    const asked = await askFor(world, left);
    left = asked.map(({ jti }) => jti);
    return asked;
  });
  return { jtis, notAcknowledged: [...gone, ...states].map(({ jti, state }) => `${jti}: ${state}`) };
}

/** Looks until nothing is left, or nothing has become less for so long. @returns what is left then */
async function untilNone(maxMs: number, look: () => Promise<readonly State[]>): Promise<readonly State[]> {
  let fewest = Number.POSITIVE_INFINITY;
  let latestMs = 0;
  for (;;) {
    const left = await look();
    const nowMs = performance.now();
    if (left.length < fewest) latestMs = nowMs + maxMs;
    fewest = Math.min(fewest, left.length);
    if (left.length === 0 || nowMs > latestMs) return left;
    await pause(LOOK_MS);
  }
}

/**
 * Kills every instance once more, when nothing is in flight: when they are back, everything must still be acknowledged,
 * nothing may be sent, and the store must have every SET that a TPP got, and every attempt of which a log said that it was
 * recorded.
 *
 * @param jtis of the notifications that the store has
 */
export async function checkAtRest(world: World, jtis: readonly string[]) {
  const { instances, ledger } = world;
  await untilQuiet(ledger);
  const before = ledger.arrivals.length;
  await Promise.all(instances.map((instance) => instance.kill()));
  await Promise.all(instances.map((instance) => instance.untilRunning()));
  await pause(REST_MS);
  const sent = ledger.arrivals.slice(before).map(({ jti }) => jti);
  const kept = new Map<string, ShownNotification>();
  // A busy machine may answer late: what was answered once is not asked again.
  const untold = await untilNone(world.settleMaxMs, async () => {
    const left = jtis.filter((jti) => !kept.has(jti));
    const asked = await askFor(world, left, (notification) => kept.set(notification.jti, notification));
    return asked.filter(({ jti }) => !kept.has(jti));
  });
  const states = [...untold, ...kept.values()].filter(({ state }) => state !== 'acknowledged');
  return {
    ...{ sent, kept },
    notAcknowledged: states.map(({ jti, state }) => `${jti}: ${state} after a kill`),
    lostSets: [...ledger.sets].filter(([jti, set]) => kept.get(jti)?.set !== set).map(([jti]) => jti),
    lostAttempts: [...ledger.recorded]
      .filter(([id, attempt]) => !hasAttempt(kept.get(attempt.jti), id, attempt))
      .map(([id, { jti }]) => `${id} of ${jti}`),
  };
}

/** Waits until nothing has come for a while: a duplicate may still be under way when everything is acknowledged. */
async function untilQuiet({ arrivals }: Ledger): Promise<void> {
  for (let seen = -1; seen !== arrivals.length; ) {
    seen = arrivals.length;
    await pause(REST_MS);
  }
}

function hasAttempt(kept: ShownNotification | undefined, id: string, { isAcknowledged }: RecordedAttempt): boolean {
  const found = kept?.attempts.find(({ interactionId }) => interactionId === id);
  return found !== undefined && (found.outcome === 'acknowledged') === isAcknowledged;
}

/**
 * Finds the duplicates that were claimed after the acknowledgement before them had been recorded; see
 * {@link isSentAfterRecorded}. The store shows each recorded attempt by its interaction id, and the log line of an attempt
 * says by when it was recorded. So does the end of its process where the store is a part of that process.
 *
 * @param kept what the store has in the end, by jti
 * @returns each with its POSTs and the faults around them
 */
export function sentAfterRecorded(
  { instances, ledger, store }: World,
  kept: ReadonlyMap<string, ShownNotification>,
  { repeated, faults }: { readonly repeated: readonly Duplicate[]; readonly faults: readonly Fault[] },
): string[] {
  const lives = new Map(instances.flatMap((instance) => [...instance.lives]));
  const attemptOf = ({ jti, interactionId }: Arrival) =>
    kept.get(jti)?.attempts.find((attempt) => attempt.interactionId === interactionId);
  const found = repeated.filter(({ before, again }) => {
    const [acknowledged, later] = [attemptOf(before), attemptOf(again)];
    if (acknowledged?.outcome !== 'acknowledged') return false;
    const loggedAtMs = ledger.recorded.get(before.interactionId)?.loggedAtMs ?? Number.POSITIVE_INFINITY;
    const endedAtMs =
      (store.isInProcess ? lives.get(before.process)?.endedAtMs : undefined) ?? Number.POSITIVE_INFINITY;
    return isSentAfterRecorded({
      acknowledgedBeganAtMs: Date.parse(acknowledged.startedAt),
      recordedByMs: Math.min(loggedAtMs, endedAtMs),
      beganAtMs: later && Date.parse(later.startedAt),
      spawnedAtMs: lives.get(again.process)?.spawnedAtMs ?? 0,
    });
  });
  return found.map(({ before: { jti } }) => describePosts(jti, ledger.arrivals, faults));
}

function clientOf({ operatorUrl: url, operatorToken: token, caPem }: World): OperatorClient {
  return createOperatorClient({ url, token, caPem });
}

/** @returns those that are not acknowledged, with what they are */
async function askFor(
  world: World,
  jtis: readonly string[],
  onAnswer: (notification: ShownNotification) => void = () => undefined,
): Promise<State[]> {
  const client = clientOf(world);
  const left: State[] = [];
  const queue = jtis.values();
  // A store that is damaged may take its whole statement timeout for each.
  const latestMs = performance.now() + world.settleMaxMs;
  const ask = async () => {
    for (const jti of queue) {
      const isLate = performance.now() > latestMs;
      const state = isLate ? 'not asked, because the others took too long' : await stateOf(client, jti, onAnswer);
      if (state !== 'acknowledged') left.push({ jti, state, isGone: / returned 404: /.test(state) });
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  client.close();
  return left;
}

async function stateOf(
  client: OperatorClient,
  jti: string,
  onAnswer: (notification: ShownNotification) => void,
): Promise<string> {
  try {
    const notification = await client.notification(jti);
    onAnswer(notification);
    const { state, attempts } = notification;
    return state === 'acknowledged' ? state : `${state} after ${attempts.length} attempts`;
  } catch (error) {
    return error instanceof Error ? error.message : 'no answer';
  }
}
