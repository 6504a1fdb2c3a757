import { randomInt } from 'node:crypto';
import { openSqliteStore } from '../../packages/service/test/support/parts.ts';
import type { Mutation } from './instance.ts';
import type { Oracle } from './oracle.ts';
import { TraceLines } from './trace.ts';
import { World } from './world.ts';

export interface SeedReport {
  readonly seed: number;
  /** The rule that was broken; undefined: none was. */
  readonly breach: string | undefined;
  /** For a reader: what broke, in which world, how to see it again. */
  readonly text: string;
  readonly trace: readonly string[];
  /** Of the trace; the same for two runs in which the same happened. */
  readonly hash: string;
  readonly seen: Oracle['seen'];
}

const TRACE_LINES_SHOWN = 60;
// As many digits as the command takes.
const SEED_MAX = 999_999_999;

/** Where seeds begin that nobody has run before: another place each time. @param seeds how many follow */
export function freshStart(seeds: number): number {
  return randomInt(1, SEED_MAX - seeds);
}

/** The command that runs seeds again. */
export function commandFor(seeds: number, from: number): string {
  return `npm run sim -- --seeds ${seeds} --from ${from}`;
}

// Backlogs of a world are small: what is done in portions is done in several.
const PORTION = 3;

/** Runs one seed. A seed that fails is run once more, to show how it came to that. */
export async function runSeed(options: { seed: number; isTraced?: boolean; mutation?: Mutation }): Promise<SeedReport> {
  const { seed, mutation } = options;
  const lines = new TraceLines();
  const world = new World({
    ...{ seed, openStore: () => openSqliteStore({ file: ':memory:', portion: PORTION }) },
    ...(mutation !== undefined && { mutation }),
    ...(options.isTraced === true && { traceOf: (timeline) => lines.traceOf(timeline) }),
  });
  const breach = await world.run();
  if (breach !== undefined && options.isTraced !== true && mutation === undefined) {
    return runSeed({ ...options, isTraced: true });
  }
  const text = [
    `seed ${seed}: ${breach ?? 'nothing was broken'}`,
    `settings: ${JSON.stringify(world.settings)}`,
    ...world.script.map((action) => `  ${JSON.stringify(action)}`),
    ...lines.lines.slice(-TRACE_LINES_SHOWN),
    `again: npm run sim -- --seed ${seed} --trace`,
  ].join('\n');
  return { seed, breach, text, trace: lines.lines, hash: lines.hash, seen: world.oracle.seen };
}
