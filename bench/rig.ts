import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type BenchBank, type BenchTpp, startBank } from './bank.ts';
import type { StoreKind } from './bench-store.ts';
import { machineNowMs } from './clock.ts';
import { cpuMsOf, mainThreadCpuMsOf, peakRssBytesOf } from './processes.ts';
import { type Publisher, startPublisher } from './publisher.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { signingLimitPerSecond } from './signing-limit.ts';

export type Say = (line: string) => void;

/** Options common to all benches of deliveries. */
export interface BenchOptions {
  readonly store: StoreKind;
  readonly seconds: number | undefined;
  /** Log level of the service; `info`, its default, writes a line for each attempt. */
  readonly logLevel: string;
  /** Folder for CPU profiles of the service, the receiver and the publisher. */
  readonly profileFolder: string | undefined;
  /** Duration of a signature by a provider of the signing key; undefined: the key is in a file. */
  readonly signerMs?: number | undefined;
  /** Duration of each measurement of the signing limit. */
  readonly signingLimitSeconds?: number;
  /** Number of TPPs with a callback URL. Default 50. */
  readonly tpps?: number;
  /** Number of TPPs per origin of callback URLs. Default 1. */
  readonly tppsPerOrigin?: number;
  /** Number of additional TPPs without a callback URL, for which the publisher publishes nothing. Default 0. */
  readonly pollers?: number;
  readonly say: Say;
}

/** CPU time used so far by all threads of each process, in milliseconds. */
export interface CpuMs {
  readonly atMs: number;
  readonly service: number;
  readonly serviceMainThread: number;
  readonly receiver: number;
  readonly publisher: number;
  /** CPU time of the database server; undefined when the store runs inside the service. */
  readonly database: number | undefined;
}

/** The bank under load: service, receiver and publisher, each in its own process, with all TPPs registered. */
export interface Rig {
  readonly bank: BenchBank;
  readonly pollers: readonly BenchTpp[];
  readonly receiver: Receiver;
  readonly publisher: Publisher;
  cpuMs(): CpuMs;
  peakRssBytes(): number;
  stop(): Promise<void>;
}

export const TPPS = 50;
/** Maximum time for outstanding deliveries after publishing has ended. */
const DRAIN_MAX_MS = 60_000;
const SIGNING_LIMIT_SECONDS = 3;

/** Starts all processes and registers one event subscription for each TPP. */
export async function startRig(options: BenchOptions): Promise<Rig> {
  const { store, logLevel, profileFolder, tpps = TPPS, tppsPerOrigin = 1, pollers = 0 } = options;
  const nodeArguments = (name: string) =>
    profileFolder === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${name}.cpuprofile`];
  const { signerMs } = options;
  const bank = await startBank(tpps + pollers, { store, logLevel, signerMs, nodeArguments: nodeArguments('service') });
  try {
    return await completeRig(bank, { tpps, tppsPerOrigin }, nodeArguments);
  } catch (error) {
    await bank.stop();
    throw error;
  }
}

async function completeRig(
  bank: BenchBank,
  { tpps, tppsPerOrigin }: { tpps: number; tppsPerOrigin: number },
  nodeArguments: (name: string) => string[],
): Promise<Rig> {
  const { certificatePem, keyPem } = bank.pki.tpp.transport;
  const receiver = await startReceiver({
    tpps,
    tppsPerOrigin,
    certificatePem,
    keyPem,
    nodeArguments: nodeArguments('receiver'),
  });
  const publisher = await startPublisher(
    {
      url: bank.operatorUrl,
      token: bank.operatorToken,
      caPem: bank.pki.root.certificatePem,
      clientIds: bank.tpps.slice(0, tpps).map(({ clientId }) => clientId),
    },
    nodeArguments('publisher'),
  );
  receiver.onProgress((answered) => publisher.delivered(answered));
  await subscribeAll(bank, receiver.callbackUrls);
  return {
    bank,
    receiver,
    publisher,
    pollers: bank.tpps.slice(tpps),
    cpuMs: () => ({
      atMs: machineNowMs(),
      service: cpuMsOf(bank.servicePid),
      serviceMainThread: mainThreadCpuMsOf(bank.servicePid),
      receiver: cpuMsOf(receiver.pid),
      publisher: cpuMsOf(publisher.pid),
      database: bank.store.cpuMs(),
    }),
    peakRssBytes: () => peakRssBytesOf(bank.servicePid),
    stop: async () => {
      await publisher.stop();
      await bank.stop();
      await receiver.stop();
    },
  };
}

async function subscribeAll(bank: BenchBank, callbackUrls: readonly string[]): Promise<void> {
  for (const [at, tpp] of bank.tpps.entries()) {
    const body = JSON.stringify({ Data: { Version: '4.0', CallbackUrl: callbackUrls[at] } });
    const answer = await bank.call(tpp, 'POST', '/event-subscriptions', body, await bank.sign(body));
    if (answer.status !== 201) throw new Error(`registering returned ${answer.status}: ${answer.body}`);
  }
}

/** Runs one load for a given time. */
export async function loadFor(
  rig: Rig,
  load: Parameters<Publisher['load']>[0],
  seconds: number,
  meanwhile?: () => Promise<void>,
): Promise<void> {
  const idle = rig.publisher.load(load);
  // A failure of the publisher ends the wait at once.
  await Promise.race([Promise.all([pause(seconds * 1000), meanwhile?.()]), idle]);
  rig.publisher.stopLoad();
  await idle;
}

/** Resolves when all accepted notifications are acknowledged, or after a timeout; the ledgers show which. */
export async function drain({ publisher, receiver }: Rig): Promise<void> {
  const began = performance.now();
  while (receiver.answered() < publisher.accepted() && performance.now() - began < DRAIN_MAX_MS) await pause(100);
  // Leaves time for a duplicate to arrive.
  await pause(300);
}

/** State of the machine during the bench. */
export interface Machine {
  readonly cores: number;
  readonly loadAverageAtStart: number;
  /** PS256 signatures per second on all cores, before and after, and their mean, to which ratios refer. */
  readonly signingLimitPerSecond: { readonly before: number; readonly after: number; readonly mean: number };
}

/** Measures the signing limit before and after the work. */
export async function betweenSigningLimits<T>(
  { say, signingLimitSeconds = SIGNING_LIMIT_SECONDS }: BenchOptions,
  work: () => Promise<T>,
): Promise<{ machine: Machine; result: T }> {
  const [loadAverageAtStart = 0] = loadavg();
  say('measuring the signing limit');
  const before = await signingLimitPerSecond(signingLimitSeconds);
  const result = await work();
  say('measuring the signing limit again');
  const after = await signingLimitPerSecond(signingLimitSeconds);
  const mean = (before + after) / 2;
  return {
    machine: { cores: availableParallelism(), loadAverageAtStart, signingLimitPerSecond: { before, after, mean } },
    result,
  };
}
