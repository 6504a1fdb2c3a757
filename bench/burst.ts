import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { machineNowMs } from './clock.ts';
import { BEAT_MS, type LatencyOptions, partOfThroughput } from './latency.ts';
import { compareLedgers, latencyOf } from './ledgers.ts';
import type { Report } from './report.ts';
import { betweenSigningLimits, drain, loadFor, type Rig, startRig } from './rig.ts';
import { BURST } from './targets.ts';

const WARM_UP_SECONDS = 5;
const PHASE_SECONDS = 5;
const PART_OF_THROUGHPUT = 0.25;
const POLLS = 600;
const SETS_PER_POLL = 100;
const PUBLISHED_AT_ONCE = 10_000;
// Without a burst, with one at the start, and both again, so that other load on the machine affects both alike.
const PHASES = [false, true, false, true];
const BURSTS = PHASES.filter((isBurst) => isBurst).length;

interface Phase {
  readonly isBurst: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * 50 TPPs at a moderate load. In two of four phases another TPP, which only polls, sends 600 concurrent polls of 100
 * SETs, each on its own open connection. The SETs that it polls have not been signed before. The bench compares the
 * deliveries to the 50 TPPs by the time at which their events were published.
 */
export async function benchBurst(options: LatencyOptions): Promise<Report> {
  const { machine, result } = await betweenSigningLimits(options, () => measureBurst(options));
  const { ledgers, ...figures } = result;
  return {
    bench: 'burst',
    store: options.store,
    machine,
    figures,
    ledgers,
    targets: [{ ...BURST, value: figures.p99Ratio }],
  };
}

async function measureBurst(options: LatencyOptions) {
  const { say } = options;
  const perSecond = options.perSecond ?? (await partOfThroughput(options, PART_OF_THROUGHPUT));
  const rig = await startRig({ ...options, pollers: 1 });
  const agent = agentOf(rig);
  try {
    say(`publishing ${POLLS * SETS_PER_POLL * BURSTS} events for the TPP that polls`);
    await fillBacklog(rig);
    await Promise.all(Array.from({ length: POLLS }, () => poll(rig, agent, { maxEvents: 0 })));
    say(
      `publishing ${perSecond} a second, ${PHASES.length} phases of ${PHASE_SECONDS} s, ${POLLS} polls at once in two`,
    );
    const phases: Phase[] = [];
    const statuses = new Map<number, number>();
    const seconds = WARM_UP_SECONDS + PHASES.length * PHASE_SECONDS;
    await loadFor(rig, { kind: 'pace', perSecond, everyMs: BEAT_MS }, seconds, async () => {
      await pause(WARM_UP_SECONDS * 1000);
      for (const isBurst of PHASES) phases.push(await playPhase(rig, agent, isBurst, statuses));
    });
    await drain(rig);
    const { deliveries, ...ledgers } = await compareLedgers(rig);
    const of = (isBurst: boolean) =>
      latencyOf(
        phases
          .filter((phase) => phase.isBurst === isBurst)
          .flatMap(({ fromMs, toMs }) => deliveries.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)),
      );
    const [without, withBurst] = [of(false), of(true)];
    const polls = Object.fromEntries([...statuses].map(([status, count]) => [`answered${status}`, count]));
    const ratios = { p99Ratio: withBurst.p99Ms / without.p99Ms, p50Ratio: withBurst.p50Ms / without.p50Ms };
    return { ...ratios, perSecond, withoutBurst: without, withBurst, polls, ledgers };
  } finally {
    await agent.destroy();
    await rig.stop();
  }
}

async function playPhase(rig: Rig, agent: Agent, isBurst: boolean, statuses: Map<number, number>): Promise<Phase> {
  const fromMs = machineNowMs();
  const polls = Array.from({ length: isBurst ? POLLS : 0 }, () => poll(rig, agent, { maxEvents: SETS_PER_POLL }));
  const [answered] = await Promise.all([Promise.all(polls), pause(PHASE_SECONDS * 1000)]);
  for (const status of answered) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  return { isBurst, fromMs, toMs: fromMs + PHASE_SECONDS * 1000 };
}

async function fillBacklog({ bank, pollers }: Rig): Promise<void> {
  const owner = pollerOf(pollers).clientId;
  const count = POLLS * SETS_PER_POLL * BURSTS;
  for (let done = 0; done < count; done += PUBLISHED_AT_ONCE) {
    await bank.publish(Array.from({ length: PUBLISHED_AT_ONCE }, () => owner));
  }
}

/** @returns the status of the response, after reading the whole body */
async function poll({ bank, pollers }: Rig, dispatcher: Agent, { maxEvents }: { maxEvents: number }): Promise<number> {
  const headers = {
    authorization: `Bearer ${pollerOf(pollers).accessToken}`,
    'content-type': 'application/json',
  };
  const body = JSON.stringify({ maxEvents, returnImmediately: true });
  const url = `${bank.apiUrl}/open-banking/v4.0/events`;
  const answer = await request(url, { method: 'POST', headers, body, dispatcher });
  await answer.body.dump({ limit: Number.MAX_SAFE_INTEGER });
  return answer.statusCode;
}

function agentOf({ bank }: Rig): Agent {
  const { root, tpp } = bank.pki;
  const connect = {
    ca: root.certificatePem,
    cert: tpp.transport.certificatePem,
    key: tpp.transport.keyPem,
    timeout: 60_000,
  };
  return new Agent({ connect, connections: POLLS, pipelining: 1, keepAliveTimeout: 60_000 });
}

function pollerOf([poller]: Rig['pollers']) {
  if (poller === undefined) throw new Error('the rig has no TPP that polls');
  return poller;
}
