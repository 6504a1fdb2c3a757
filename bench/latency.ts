import { setTimeout as pause } from 'node:timers/promises';
import { compareLedgers, latencyOf } from './ledgers.ts';
import type { Report } from './report.ts';
import { type BenchOptions, betweenSigningLimits, type CpuMs, drain, loadFor, startRig } from './rig.ts';
import { LATENCY_P50, LATENCY_P99 } from './targets.ts';
import { costs, measureThroughput } from './throughput.ts';

export interface LatencyOptions extends BenchOptions {
  /** Notifications a second; undefined: half of what throughput reaches, measured first. */
  readonly perSecond: number | undefined;
}

const SECONDS = 20;
// A service that has just started compiles what it does and opens its connections: under this load it is a second behind by
// then, which it makes up for within six.
const WARM_UP_SECONDS = 10;
const PROBE_SECONDS = 8;
/** The open loop's beat: each carries its share of the load as one batch. */
export const BEAT_MS = 10;

/** Small batches, evenly paced, at half the load that the service can take: what a notification takes to arrive. */
export async function benchLatency(options: LatencyOptions): Promise<Report> {
  const { machine, result } = await betweenSigningLimits(options, () => measureLatency(options));
  const { ledgers, window, ...figures } = result;
  const { p50Ms, p99Ms } = figures.acceptTo202FromSent;
  return {
    ...{ bench: 'latency', store: options.store, machine, figures, ledgers, window },
    targets: [
      { ...LATENCY_P50, value: p50Ms },
      { ...LATENCY_P99, value: p99Ms },
    ],
  };
}

/** A part of what throughput reaches, in notifications a second. */
export async function partOfThroughput(options: BenchOptions, part: number): Promise<number> {
  options.say('measuring the throughput first, to take a part of it');
  // A profile is wanted of the load that follows, and would slow this one down.
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
