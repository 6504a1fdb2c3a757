import { setTimeout as pause } from 'node:timers/promises';
import { compareLedgers, latencyOf } from './ledgers.ts';
import type { Report } from './report.ts';
import { type BenchOptions, betweenSigningLimits, type CpuMs, drain, loadFor, startRig } from './rig.ts';
import { LATENCY_P50, LATENCY_P99 } from './targets.ts';
import { costs, measureThroughput } from './throughput.ts';

export interface LatencyOptions extends BenchOptions {
  /** Notifications per second. Default: half of the throughput, which is then measured first. */
  readonly perSecond: number | undefined;
}

const SECONDS = 20;
// A service that has just started compiles its code and opens connections. Under this load it falls one second behind,
// and catches up within six.
const WARM_UP_SECONDS = 10;
const PROBE_SECONDS = 8;
/** Interval of the open loop; each batch carries its share of the load. */
export const BEAT_MS = 10;

/** Measures delivery latency with small, evenly paced batches at half of the maximum load. */
export async function benchLatency(options: LatencyOptions): Promise<Report> {
  const { machine, result } = await betweenSigningLimits(options, () => measureLatency(options));
  const { ledgers, window, ...figures } = result;
  const { p50Ms, p99Ms } = figures.acceptTo202FromSent;
  return {
    bench: 'latency',
    store: options.store,
    machine,
    figures,
    ledgers,
    window,
    targets: [
      { ...LATENCY_P50, value: p50Ms },
      { ...LATENCY_P99[options.store], value: p99Ms },
    ],
  };
}

/** A fraction of the throughput, in notifications per second. */
export async function partOfThroughput(options: BenchOptions, part: number): Promise<number> {
  options.say('measuring the throughput first, to derive the load from it');
  // Only the load that follows is profiled; profiling would slow this one down.
  const { deliveredPerSecond } = await measureThroughput({ ...options, profileFolder: undefined }, PROBE_SECONDS);
  return Math.max(Math.round(deliveredPerSecond * part), 1);
}

async function measureLatency(options: LatencyOptions) {
  const { say, seconds = SECONDS } = options;
  const perSecond = options.perSecond ?? (await partOfThroughput(options, 0.5));
  const rig = await startRig(options);
  try {
    say(`publishing ${perSecond} a second for ${WARM_UP_SECONDS} s and then ${seconds} s`);
    const marks: CpuMs[] = [];
    await loadFor(rig, { kind: 'pace', perSecond, everyMs: BEAT_MS }, WARM_UP_SECONDS + seconds, async () => {
      await pause(WARM_UP_SECONDS * 1000);
      marks.push(rig.cpuMs());
      await pause(seconds * 1000 - 20);
      marks.push(rig.cpuMs());
    });
    await drain(rig);
    const { deliveries, ...ledgers } = await compareLedgers(rig);
    const [began, ended] = marks;
    if (began === undefined || ended === undefined) throw new Error('the load ended early');
    const measured = deliveries.filter(({ sentMs }) => sentMs >= began.atMs && sentMs < ended.atMs);
    return {
      seconds,
      perSecond,
      beatMs: BEAT_MS,
      acceptedPerSecond: (measured.length / (ended.atMs - began.atMs)) * 1000,
      acceptTo202FromSent: latencyOf(measured),
      acceptTo202FromAnswered: latencyOf(measured, 'acceptedMs'),
      ...costs(rig, began, ended, measured.length),
      window: { beganMs: began.atMs, endedMs: ended.atMs },
      ledgers,
    };
  } finally {
    await rig.stop();
  }
}
