import { setTimeout as pause } from 'node:timers/promises';
import { machineNowMs } from './clock.ts';
import { BEAT_MS, type LatencyOptions, partOfThroughput } from './latency.ts';
import { compareLedgers, type Delivery, type Latency, latencyOf } from './ledgers.ts';
import type { Report } from './report.ts';
import { betweenSigningLimits, drain, loadFor, type Rig, startRig, TPPS } from './rig.ts';
import { ISOLATION } from './targets.ts';

const SECONDS = 40;
const WARM_UP_SECONDS = 3;
// After a change: what hung is on its way again, or connections are being found to hang.
const SETTLE_SECONDS = 4;
const PART_OF_THROUGHPUT = 0.25;
const HANGING = [0, 10, 20, 30, 40];
// Each that hangs shares its host with four that are healthy.
const TPPS_PER_ORIGIN = 5;
// None hangs, some hang, and both again: what else happens on the machine hits both.
const PHASES = [false, true, false, true];

/** A stretch of time with or without TPPs that hang. */
interface Phase {
  readonly areSomeHanging: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * 50 TPPs at a moderate load, on 10 hosts; in turn none of them hangs, and 5 do: they take connection and request and never answer.
 * Compared are the same 45 healthy ones, by when their events were published. When a phase ends, what hung is answered.
 *
 * @param options.seconds how long is measured in all, in four phases
 */
export async function benchIsolation(options: LatencyOptions): Promise<Report> {
  const { machine, result } = await betweenSigningLimits(options, () => measureIsolation(options));
  const { ledgers, ...figures } = result;
  return {
    ...{ bench: 'isolation', store: options.store, machine, figures, ledgers },
    targets: [{ ...ISOLATION, value: figures.p99Ratio }],
  };
}

async function measureIsolation(options: LatencyOptions) {
  const { say, seconds = SECONDS } = options;
  const perSecond = options.perSecond ?? (await partOfThroughput(options, PART_OF_THROUGHPUT));
  const phaseSeconds = seconds / PHASES.length;
  const rig = await startRig({ ...options, tppsPerOrigin: TPPS_PER_ORIGIN });
  try {
    say(
      `publishing ${perSecond} a second, ${PHASES.length} phases of ${phaseSeconds} s, ${HANGING.length} TPPs hang in two`,
    );
    const allSeconds = WARM_UP_SECONDS + PHASES.length * (SETTLE_SECONDS + phaseSeconds);
    const phases: Phase[] = [];
    await loadFor(rig, { kind: 'pace', perSecond, everyMs: BEAT_MS }, allSeconds, () =>
      playPhases(rig, phaseSeconds, phases),
    );
    rig.receiver.heal();
    say('waiting for what is left');
    await drain(rig);
    const { deliveries, ...ledgers } = await compareLedgers(rig);
    return { ...figuresOf(phases, deliveries), seconds, perSecond, tpps: TPPS, hanging: HANGING.length, ledgers };
  } finally {
    await rig.stop();
  }
}

async function playPhases({ receiver }: Rig, phaseSeconds: number, phases: Phase[]): Promise<void> {
  await pause(WARM_UP_SECONDS * 1000);
  for (const areSomeHanging of PHASES) {
    if (areSomeHanging) receiver.hang(HANGING);
    else receiver.heal();
    await pause(SETTLE_SECONDS * 1000);
    const fromMs = machineNowMs();
    await pause(phaseSeconds * 1000);
    phases.push({ areSomeHanging, fromMs, toMs: machineNowMs() });
  }
}

function figuresOf(phases: readonly Phase[], deliveries: readonly Delivery[]) {
  const healthy = deliveries.filter(({ tpp }) => !HANGING.includes(tpp));
  const during = ({ fromMs, toMs }: Phase) => healthy.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs);
  const together = (areSomeHanging: boolean): Latency =>
    latencyOf(phases.filter((phase) => phase.areSomeHanging === areSomeHanging).flatMap(during));
  const without = together(false);
  const withHanging = together(true);
  return {
    p99Ratio: withHanging.p99Ms / without.p99Ms,
    p50Ratio: withHanging.p50Ms / without.p50Ms,
    healthyWithoutHanging: without,
    healthyWithHanging: withHanging,
    phases: phases.map((phase) => ({ areSomeHanging: phase.areSomeHanging, ...latencyOf(during(phase)) })),
  };
}
