import { setTimeout as pause } from 'node:timers/promises';
import { machineNowMs } from './clock.ts';
import { compareLedgers, type Delivery } from './ledgers.ts';
import type { Report } from './report.ts';
import { type BenchOptions, betweenSigningLimits, drain, loadFor, type Rig, startRig } from './rig.ts';
import { rounded } from './statistics.ts';
import { BACKLOG, PEAK_RSS_MB } from './targets.ts';
import { costs } from './throughput.ts';

export interface BacklogOptions extends BenchOptions {
  readonly sizes: readonly number[];
}

export const BACKLOG_SIZES = [10_000, 1_000_000];

const BATCH = 1000;
const WARM_UP_SECONDS = 6;
/** Share of a small backlog that is measured once all TPPs have resumed, before it runs out. */
const MEASURED_PART = 0.8;
const MEASURED_MAX = 8000;
const MEASURE_MAX_MS = 120_000;
// The rest of a larger backlog is not awaited; samples of it are checked instead.
const DRAINED_MAX = 20_000;
const ASKED_FOR = 200;

/**
 * Publishes to suspended TPPs, for which nothing is attempted, then resumes all of them and measures deliveries per
 * second. It does so with a small backlog, a large one, and the small one again; the ratio is to the mean of the two
 * small ones. The time of the operator's resume request is reported separately and is not part of the ratio.
 */
export async function benchBacklog(options: BacklogOptions): Promise<Report> {
  const { machine, result: sizes } = await betweenSigningLimits(options, async () => {
    const measured: Awaited<ReturnType<typeof measureBacklog>>[] = [];
    for (const size of [...options.sizes, ...options.sizes.slice(0, 1)]) {
      measured.push(await measureBacklog(options, size));
    }
    return measured;
  });
  const [small, large, smallAgain] = sizes;
  if (small === undefined || large === undefined || smallAgain === undefined) throw new Error('two sizes are needed');
  const ratio = (small.deliveredPerSecond + smallAgain.deliveredPerSecond) / 2 / large.deliveredPerSecond;
  const total = (name: 'accepted' | 'lost' | 'duplicates' | 'unknown' | 'signaturesVerified' | 'signaturesWrong') =>
    sizes.reduce((sum, { ledgers }) => sum + ledgers[name], 0);
  return {
    bench: 'backlog',
    store: options.store,
    machine,
    figures: { smallToLarge: ratio, sizes: sizes.map(({ ledgers: _, ...figures }) => figures) },
    ledgers: {
      accepted: total('accepted'),
      lost: total('lost'),
      duplicates: total('duplicates'),
      unknown: total('unknown'),
      signaturesVerified: total('signaturesVerified'),
      signaturesWrong: total('signaturesWrong'),
    },
    targets: [
      { ...BACKLOG, value: ratio },
      { ...PEAK_RSS_MB, value: large.servicePeakRssBytes / 1e6 },
    ],
  };
}

async function measureBacklog(options: BacklogOptions, awaiting: number) {
  const { say } = options;
  const rig = await startRig(options);
  try {
    const warmedUp = await warmUp(rig);
    const bytesBefore = rig.bank.store.bytes();
    await switchAll(rig, 'suspend');
    const publishingFromMs = machineNowMs();
    await publishAll(rig, awaiting, say);
    const publishSeconds = (machineNowMs() - publishingFromMs) / 1000;
    const storeBytesPerNotification = Math.round((rig.bank.store.bytes() - bytesBefore) / awaiting);
    const rssBeforeResuming = rig.peakRssBytes();
    say(`${awaiting} awaiting, published in ${rounded(publishSeconds)} s; resuming`);
    const resumingFromMs = machineNowMs();
    await switchAll(rig, 'resume');
    const resumedMs = machineNowMs();
    const resumedCpu = rig.cpuMs();
    const before = rig.receiver.answered();
    const wanted = Math.min(MEASURED_MAX, Math.floor((awaiting + warmedUp - before) * MEASURED_PART));
    const isUnderWay = () => rig.receiver.answered() < before + wanted;
    while (isUnderWay() && machineNowMs() - resumedMs < MEASURE_MAX_MS) await pause(50);
    const ended = rig.cpuMs();
    const delivered = rig.receiver.answered() - before;
    const isDrained = awaiting <= DRAINED_MAX;
    if (isDrained) await drain(rig);
    else await switchAll(rig, 'suspend');
    const { ledgers, answeredMs } = await settle(rig, isDrained);
    return {
      awaiting,
      ...drainFigures(answeredMs, wanted, resumedMs),
      firstAfterMs: (answeredMs.find((atMs) => atMs >= resumingFromMs) ?? 0) - resumingFromMs,
      resumeSeconds: (resumedMs - resumingFromMs) / 1000,
      acceptedPerSecond: awaiting / publishSeconds,
      ...costs(rig, resumedCpu, ended, delivered),
      servicePeakRssBytesBeforeResuming: rssBeforeResuming,
      storeBytesPerNotification,
      isDrained,
      ledgers,
    };
  } finally {
    await rig.stop();
  }
}

/**
 * Warms up with deliveries before the measurement. Otherwise the large backlog would warm up while its TPPs resume, and
 * the small one would not.
 * @returns number of deliveries
 */
async function warmUp(rig: Rig): Promise<number> {
  await loadFor(rig, { kind: 'saturate', batch: 100, outstandingMax: 1000 }, WARM_UP_SECONDS);
  await drain(rig);
  return rig.receiver.answered();
}

async function publishAll(rig: Rig, events: number, say: BenchOptions['say']): Promise<void> {
  const progress = setInterval(() => say(`${rig.publisher.accepted()} published, ${events} wanted`), 10_000);
  await rig.publisher.load({ kind: 'count', batch: BATCH, events }).finally(() => clearInterval(progress));
}

async function switchAll({ bank }: Rig, to: 'suspend' | 'resume'): Promise<void> {
  for (const { clientId } of bank.tpps) await bank.operate('POST', `tpps/${clientId}/${to}`);
}

/** Rate of the deliveries after `fromMs`. */
function drainFigures(answeredMs: readonly number[], wanted: number, fromMs: number) {
  const measured = answeredMs.filter((atMs) => atMs >= fromMs).slice(0, wanted);
  const elapsedMs = (measured.at(-1) ?? fromMs) - fromMs;
  return { deliveriesMeasured: measured.length, deliveredPerSecond: (measured.length / elapsedMs) * 1000 };
}

/** Checks samples of the notifications that were not awaited: they are not lost if the service has them as awaiting. */
async function settle(rig: Rig, isDrained: boolean) {
  // Attempts in progress when the TPPs were suspended still arrive.
  await pause(1000);
  const { deliveries, ...ledgers } = await compareLedgers(rig);
  const answeredMs = deliveries.flatMap((one) => one.answeredMs ?? []).toSorted((left, right) => left - right);
  if (isDrained) return { ledgers, answeredMs };
  const left = deliveries.filter((one) => one.answeredMs === undefined);
  const step = Math.max(Math.floor(left.length / ASKED_FOR), 1);
  const lost = await countLost(
    rig,
    left.filter((_, at) => at % step === 0),
  );
  return { ledgers: { ...ledgers, lost }, answeredMs };
}

async function countLost({ bank }: Rig, asked: readonly Delivery[]): Promise<number> {
  let lost = 0;
  for (const { jti } of asked) {
    const { state }: { state: string } = JSON.parse(await bank.operate('GET', `notifications/${jti}`));
    if (state !== 'awaiting') lost += 1;
  }
  return lost;
}
