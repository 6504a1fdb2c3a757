import { request } from 'node:http';
import { signSet } from '@tidings/protocol';
import type { Participant } from '@tidings/testing';
import type { SeededRandom } from '../chaos/random.ts';
import { claimsOf } from './notifications.ts';

/** A bank that pushes until each notification is acknowledged, and some of them once more. */
export interface ChaosBank {
  /** The `jti`s that were pushed at least once. */
  readonly pushed: ReadonlySet<string>;
  /** Those of them that were answered 202. */
  readonly acknowledged: ReadonlySet<string>;
  /** How many pushes were repeated: not answered 202 before, or pushed again although they were. */
  readonly repeated: number;
  /** Answers other than 202: a receiver that is up must not give any. */
  readonly refused: readonly number[];
  /** How many pushes are not answered yet. */
  readonly inFlight: number;
  /** Makes no new notifications, and resolves when all are acknowledged. */
  finish(): Promise<void>;
}

const AT_ONCE = 4;
const AGAIN_SHARE = 0.1;
const TIMEOUT_MS = 5_000;
const PAUSE_MS = 10;
const RETRY_MS = 40;

/** @param portOf the port of a receiver, which may be down */
export function startBank(participant: Participant, random: SeededRandom, portOf: () => number): ChaosBank {
  const pushed = new Set<string>();
  const acknowledged = new Set<string>();
  const refused: number[] = [];
  let repeated = 0;
  let inFlight = 0;
  let isFinishing = false;

  async function push(jti: string, set: string): Promise<boolean> {
    if (pushed.has(jti)) repeated += 1;
    pushed.add(jti);
    inFlight += 1;
    const status = await post(portOf(), set);
    inFlight -= 1;
    if (status === 202) acknowledged.add(jti);
    else if (status !== undefined) refused.push(status);
    return status === 202;
  }

  async function pushOne(jti: string): Promise<void> {
    const set = await signSet(claimsOf(jti), participant.signer, Date.now() / 1000);
    const times = random.fraction() < AGAIN_SHARE ? 2 : 1;
    for (let time = 0; time < times; time += 1) while (!(await push(jti, set))) await pauseFor(RETRY_MS);
  }

  async function work(worker: number): Promise<void> {
    for (let at = 0; !isFinishing; at += 1) {
      await pushOne(`jti-${worker}-${at}`);
      await pauseFor(random.whole(0, 2 * PAUSE_MS));
    }
  }

  const working = Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => work(worker)));
  return {
    pushed,
    acknowledged,
    refused,
    get repeated() {
      return repeated;
    },
    get inFlight() {
      return inFlight;
    },
    finish: async () => {
      isFinishing = true;
      await working;
    },
  };
}

/** @returns the status; undefined when there is no answer */
function post(port: number, body: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/jwt' };
    const options = { host: '127.0.0.1', port, method: 'POST', headers, agent: false, timeout: TIMEOUT_MS };
    const outgoing = request(options, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode);
    });
    outgoing.on('error', () => resolve(undefined)).on('timeout', () => outgoing.destroy());
    outgoing.end(body);
  });
}

function pauseFor(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
