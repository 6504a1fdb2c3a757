import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { BenchBank } from './bank.ts';

/** Longest waits of others during an operation. */
export interface Waits {
  /** Longest turn of the event loop in CPU time, which excludes other load on the machine. */
  readonly turnCpuMs: number;
  /** Longest wait for `/livez`, which needs only the event loop. */
  readonly eventLoopMs: number;
  /** Longest wait to publish an event for another TPP, and for the same TPP. */
  readonly publishOtherMs: number;
  readonly publishSameMs: number;
}

// Requests of each kind are sequential, so the longest response time is the wait.
const PAUSE_MS = 5;

/** Node.js options of the service. @param file file to which it writes its long turns */
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

/** Sends the requests repeatedly during `work`, each kind on its own connection. */
export async function watchWaits(
  bank: BenchBank,
  { same, other, turnsFile }: { readonly same: string; readonly other: string; readonly turnsFile: string },
  work: () => Promise<void>,
): Promise<Waits> {
  const agent = new Agent({ connect: { ca: bank.pki.root.certificatePem }, connections: 1 });
  let isOver = false;
  const longest = async (ask: () => Promise<unknown>) => {
    // Opens connections and runs the code once, so that neither counts as a wait.
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
    if (answer.statusCode !== 200) throw new Error(`/livez returned ${answer.statusCode}`);
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
