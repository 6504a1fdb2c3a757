import { setTimeout as pause } from 'node:timers/promises';
import { compareLedgers, type Latency, type Ledgers, latencyOf } from './ledgers.ts';
import type { Report, Window } from './report.ts';
import { type BenchOptions, betweenSigningLimits, type CpuMs, drain, loadFor, type Rig, startRig } from './rig.ts';
import { THROUGHPUT_TARGETS } from './targets.ts';

const SECONDS = 20;
const WARM_UP_SECONDS = 3;

export interface ThroughputOptions extends BenchOptions {
  readonly batch?: number;
  readonly outstandingMax?: number;
  readonly warmUpSeconds?: number;
}

const BATCH = 100;
// Saturates the engine without an ever-growing backlog.
const OUTSTANDING_MAX = 5000;

/**
 * Measures throughput: publishes as fast as the service accepts, with a bounded number of undelivered notifications.
 */
export async function benchThroughput(
  options: ThroughputOptions,
): Promise<Report<Omit<ThroughputFigures, 'ledgers' | 'window'> & { deliveredPerSigning: number }>> {
  const seconds = options.seconds ?? SECONDS;
  const { machine, result } = await betweenSigningLimits(options, () => measureThroughput(options, seconds));
  const { ledgers, window, ...figures } = result;
  const ratio = figures.deliveredPerSecond / machine.signingLimitPerSecond.mean;
  return {
    bench: 'throughput',
    store: options.store,
    machine,
    figures: { ...figures, deliveredPerSigning: ratio },
    ledgers,
    window,
    targets: THROUGHPUT_TARGETS[options.store].map((target) => ({ ...target, value: ratio })),
  };
}

interface ThroughputFigures {
  readonly seconds: number;
  readonly acceptedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly acceptTo202FromSent: Latency;
  readonly acceptTo202FromAnswered: Latency;
  readonly serviceCpuMsPerDelivery: number;
  /** Number of cores that each process used. */
  readonly coresBusy: {
    service: number;
    serviceMainThread: number;
    receiver: number;
    publisher: number;
    database?: number;
  };
  readonly servicePeakRssBytes: number;
  readonly storeBytesPerNotification: number;
  readonly postponed: number;
  readonly outstandingMax: number;
  readonly batch: number;
  readonly window: Window;
  readonly ledgers: Omit<Ledgers, 'deliveries'>;
}

/** @param seconds duration of the measurement, after the warm-up */
export async function measureThroughput(options: ThroughputOptions, seconds: number): Promise<ThroughputFigures> {
  const { say, batch = BATCH, outstandingMax = OUTSTANDING_MAX, warmUpSeconds = WARM_UP_SECONDS } = options;
  const rig = await startRig(options);
  try {
    const bytesBefore = rig.bank.store.bytes();
    say(`publishing as fast as the service accepts, for ${warmUpSeconds} s and then ${seconds} s`);
    const marks: CpuMs[] = [];
    await loadFor(rig, { kind: 'saturate', batch, outstandingMax }, warmUpSeconds + seconds, async () => {
      await pause(warmUpSeconds * 1000);
      marks.push(rig.cpuMs());
      await pause(seconds * 1000 - 20);
      marks.push(rig.cpuMs());
    });
    await drain(rig);
    const { deliveries, ...ledgers } = await compareLedgers(rig);
    const [began, ended] = marks;
    if (began === undefined || ended === undefined) throw new Error('the load ended early');
    const isIn = (atMs: number | undefined) => atMs !== undefined && atMs >= began.atMs && atMs < ended.atMs;
    const delivered = deliveries.filter(({ answeredMs }) => isIn(answeredMs));
    const elapsedSeconds = (ended.atMs - began.atMs) / 1000;
    return {
      seconds,
      acceptedPerSecond: deliveries.filter(({ acceptedMs }) => isIn(acceptedMs)).length / elapsedSeconds,
      deliveredPerSecond: delivered.length / elapsedSeconds,
      acceptTo202FromSent: latencyOf(delivered),
      acceptTo202FromAnswered: latencyOf(delivered, 'acceptedMs'),
      ...costs(rig, began, ended, delivered.length),
      storeBytesPerNotification: Math.round((rig.bank.store.bytes() - bytesBefore) / ledgers.accepted),
      postponed: rig.publisher.postponed(),
      outstandingMax,
      batch,
      window: { beganMs: began.atMs, endedMs: ended.atMs },
      ledgers,
    };
  } finally {
    await rig.stop();
  }
}

/** CPU cost of a number of deliveries between two readings of the processes. */
export function costs(rig: Rig, began: CpuMs, ended: CpuMs, delivered: number) {
  const elapsedMs = ended.atMs - began.atMs;
  const busy = (name: 'service' | 'serviceMainThread' | 'receiver' | 'publisher') =>
    (ended[name] - began[name]) / elapsedMs;
  const { database } = ended;
  return {
    serviceCpuMsPerDelivery: (ended.service - began.service) / delivered,
    coresBusy: {
      service: busy('service'),
      serviceMainThread: busy('serviceMainThread'),
      receiver: busy('receiver'),
      publisher: busy('publisher'),
      ...(database !== undefined && { database: (database - (began.database ?? 0)) / elapsedMs }),
    },
    servicePeakRssBytes: rig.peakRssBytes(),
  };
}
