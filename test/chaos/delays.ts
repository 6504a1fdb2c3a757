import { readFileSync } from 'node:fs';

/** How long a process, and this one, could not run though they had work. Times are `performance.now()`. */
export interface Delays {
  /** Milliseconds without a CPU between two times, of the instance's process or of this one, whichever is more. */
  between(process: string, fromMs: number, toMs: number): number;
  stop(): void;
}

/** What is read every 100 ms. */
export interface Sample {
  readonly atMs: number;
  /** How late this process took the sample. */
  readonly lateMs: number;
  /** All the time that each process has waited for a CPU since it began, by its name. */
  readonly waitedMs: ReadonlyMap<string, number>;
}

const SAMPLE_MS = 100;

/**
 * Measures, for as long as a run lasts, what a busy machine does to it: a bank that gets no CPU reads an answer late, and a
 * run that did not know would call its timeout wrong.
 *
 * @param pids of the processes that run now, by their names
 */
export function measureDelays(pids: () => ReadonlyMap<string, number>): Delays {
  const samples: Sample[] = [];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const atMs = performance.now();
    const waitedMs = new Map([...pids()].flatMap(([name, pid]) => waitOf(name, pid)));
    samples.push({ atMs, lateMs: atMs - lastMs - SAMPLE_MS, waitedMs });
    lastMs = atMs;
  }, SAMPLE_MS);
  timer.unref();
  return {
    between: (process, fromMs, toMs) => delayBetween(samples, process, fromMs, toMs),
    stop: () => clearInterval(timer),
  };
}

/** As {@link Delays.between}, of samples in the order of their times. */
export function delayBetween(samples: readonly Sample[], process: string, fromMs: number, toMs: number): number {
  const first = indexAfter(samples, fromMs);
  const within = samples.slice(first, indexAfter(samples, toMs) + 1);
  const waited = [samples[first - 1], ...within].flatMap((sample) => sample?.waitedMs.get(process) ?? []);
  const waitedMs = Math.max(0, ...waited) - Math.min(...waited, Math.max(0, ...waited));
  return Math.max(waitedMs, ...within.map(({ lateMs }) => lateMs), 0);
}

/** The first sample at or after a time, by bisection: a long run has many. */
function indexAfter(samples: readonly Sample[], atMs: number): number {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.atMs ?? 0) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Nothing where the system does not tell (it is Linux that does), or the process has ended. */
function waitOf(name: string, pid: number): [string, number][] {
  try {
    const [, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return [[name, Number(waitedNs) / 1e6]];
  } catch {
    return [];
  }
}
