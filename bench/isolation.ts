import { setTimeout as pause } from 'node:timers/promises';
import { machineNowMs } from './clock.ts';
import { BEAT_MS, type LatencyOptions, partOfThroughput } from './latency.ts';
import { compareLedgers, type Delivery, type Latency, latencyOf } from './ledgers.ts';
import type { Report } from './report.ts';
import { betweenSigningLimits, drain, loadFor, type Rig, startRig, TPPS } from './rig.ts';
import { ISOLATION } from './targets.ts';

const SECONDS = 40;
const WARM_UP_SECONDS = 3;
// Excluded after each change, while held requests complete or connections start to hang.
const SETTLE_SECONDS = 4;
const PART_OF_THROUGHPUT = 0.25;
const HANGING = [0, 10, 20, 30, 40];
// Each hanging TPP shares its host with four healthy ones.
const TPPS_PER_ORIGIN = 5;
// None hangs, some hang, and both again, so that other load on the machine affects both alike.
const PHASES = [false, true, false, true];

/** A period with or without hanging TPPs. */
interface Phase {
  readonly areSomeHanging: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * 50 TPPs on 10 hosts at a moderate load. In alternate phases none of them hangs, or 5 do: they accept connections and
 * requests and never respond. The bench compares the same 45 healthy TPPs by the time at which their events were
 * published. When a phase ends, the held requests get their responses.
 *
 * @param options.seconds measured time of all four phases together
 */
export async function benchIsolation(options: LatencyOptions): Promise<Report> {
  const { machine, result } = await betweenSigningLimits(options, () => measureIsolation(options));
  const { ledgers, ...figures } = result;
  return {
    bench: 'isolation',
    store: options.store,
    machine,
    figures,
    ledgers,
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
    say('waiting for outstanding deliveries');
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
