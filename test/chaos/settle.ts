import { setTimeout as pause } from 'node:timers/promises';
import { createOperatorClient, type OperatorClient } from '@tidings/sandbox';
import type { Duplicate } from './in-flight.ts';
import type { World } from './world.ts';

const SETTLE_MAX_MS = 90_000;
const LOOK_MS = 200;
const ASKED_AT_ONCE = 8;
// A last retry, or a lease of a frozen instance, would come well within it.
const REST_MS = 1500;

type Accepted = ReadonlyMap<string, string>;

/**
 * Waits until every accepted notification was handled and the operator API calls it acknowledged.
 *
 * @returns what was not so after SETTLE_MAX_MS
 */
export async function settle(world: World, accepted: Accepted): Promise<readonly string[]> {
  const untilMs = performance.now() + SETTLE_MAX_MS;
  await Promise.all(world.instances.map((instance) => instance.untilRunning()));
  const jtis = [...accepted.values()];
  while (performance.now() < untilMs && !jtis.every((jti) => world.ledger.handled.has(jti))) await pause(LOOK_MS);
  let left: readonly string[] = jtis;
  let states: readonly string[] = [];
  do {
    const asked = await askFor(world, left);
    left = asked.map(({ jti }) => jti);
    states = asked.map(({ jti, state }) => `${jti}: ${state}`);
    if (left.length > 0) await pause(LOOK_MS);
  } while (left.length > 0 && performance.now() < untilMs);
  return states;
}

/**
 * Kills every instance once more, when nothing is in flight: when they are back, everything must still be acknowledged,
 * and nothing may be sent.
 */
export async function checkAtRest(world: World, accepted: Accepted) {
  const { instances, ledger } = world;
  const before = ledger.arrivals.length;
  await Promise.all(instances.map((instance) => instance.kill()));
  await Promise.all(instances.map((instance) => instance.untilRunning()));
  await pause(REST_MS);
  const sent = ledger.arrivals.slice(before).map(({ jti }) => jti);
  const asked = await askFor(world, [...accepted.values()]);
  return { sent, notAcknowledged: asked.map(({ jti, state }) => `${jti}: ${state} after a kill`) };
}

/**
 * Asks which duplicates were sent although their acknowledgement had been recorded: the operator API shows each recorded
 * attempt by its interaction id. Of those that a kill accounts for, and of those that nothing does: an instance that was
 * frozen, or cut off from the database, may have sent what another recorded meanwhile.
 *
 * @returns their jtis
 */
export async function sentAfterRecorded(world: World, duplicates: readonly Duplicate[]): Promise<string[]> {
  const client = clientOf(world);
  const found: string[] = [];
  for (const { jti, acknowledgedIn, fault } of duplicates) {
    if (fault !== undefined && fault !== 'kill') continue;
    const { attempts } = await client.notification(jti);
    const recorded = attempts.find(({ interactionId }) => interactionId === acknowledgedIn);
    if (recorded?.outcome === 'acknowledged') found.push(jti);
  }
  client.close();
  return found;
}

function clientOf({ operatorUrl: url, operatorToken: token, caPem }: World): OperatorClient {
  return createOperatorClient({ url, token, caPem });
}

/** @returns those that are not acknowledged, with what they are */
async function askFor(world: World, jtis: readonly string[]): Promise<{ jti: string; state: string }[]> {
  const client = clientOf(world);
  const left: { jti: string; state: string }[] = [];
  const queue = jtis.values();
  const ask = async () => {
    for (const jti of queue) {
      const state = await stateOf(client, jti);
      if (state !== 'acknowledged') left.push({ jti, state });
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  client.close();
  return left;
}

async function stateOf(client: OperatorClient, jti: string): Promise<string> {
  try {
    const { state, attempts } = await client.notification(jti);
    return state === 'acknowledged' ? state : `${state} after ${attempts.length} attempts`;
  } catch (error) {
    return error instanceof Error ? error.message : 'no answer';
  }
}
