import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { BenchBank } from './bank.ts';

/** How long others had to wait at most while something else was done. */
export interface Waits {
  /** The longest turn of the event loop, in CPU time: what else the machine does is not in it. */
  readonly turnCpuMs: number;
  /** For `/livez`, which needs nothing but the event loop. */
  readonly eventLoopMs: number;
  /** For one event of another TPP to be accepted, and for one of the same. */
  readonly publishOtherMs: number;
  readonly publishSameMs: number;
}

// One after the other, so that a wait hits one request of each kind: its longest is the wait.
const PAUSE_MS = 5;

/** For the Node of the service. @param file where it writes down its long turns */
export function turnsArguments(file: string): string[] {
  const module = new URL('./turns.ts', import.meta.url);
  module.searchParams.set('file', file);
  return ['--import', module.href];
}

function longestTurnMs(file: string): number {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return Math.max(0, ...lines.map((line) => Number(line.split(' ')[1] ?? 0)));
  } catch {
    return 0;
  }
}

/** Asks for them over and over while `work` is done, each on a connection of its own. */
export async function watchWaits(
  bank: BenchBank,
  { same, other, turnsFile }: { readonly same: string; readonly other: string; readonly turnsFile: string },
  work: () => Promise<void>,
): Promise<Waits> {
  const agent = new Agent({ connect: { ca: bank.pki.root.certificatePem }, connections: 1 });
  let isOver = false;
  const longest = async (ask: () => Promise<unknown>) => {
    // Connections and code that was never run before are no wait.
    for (let times = 0; times < 20; times += 1) await ask();
    started += 1;
    let longestMs = 0;
    while (!isOver) {
      const began = performance.now();
      await ask();
      longestMs = Math.max(longestMs, performance.now() - began);
      await pause(PAUSE_MS);
    }
    return longestMs;
  };
  let started = 0;
  const live = async () => {
    const answer = await request(`${bank.operatorUrl}/livez`, { dispatcher: agent });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`/livez was answered ${answer.statusCode}`);
  };
  const watching = Promise.all([
    longest(live),
    longest(() => bank.publish([other])),
    longest(() => bank.publish([same])),
  ]);
  try {
    while (started < 3) await Promise.race([pause(PAUSE_MS), watching]);
    rmSync(turnsFile, { force: true });
    await work();
  } finally {
    isOver = true;
  }
  const [eventLoopMs, publishOtherMs, publishSameMs] = await watching;
  await agent.close();
  return { turnCpuMs: longestTurnMs(turnsFile), eventLoopMs, publishOtherMs, publishSameMs };
}
