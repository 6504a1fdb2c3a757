import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Backlog, putBacklogPostgres, putBacklogSqlite } from '../test/support/backlog.ts';
import { type BenchBank, startBank } from './bank.ts';
import type { BenchStore, StoreKind } from './bench-store.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { OPERATIONS, type Operation, RETENTION } from './stops-operations.ts';
import { turnsArguments, type Waits, watchWaits } from './stops-watch.ts';

export const STOPS_AWAITING = 100_000;

// Both the operations and the watchers make requests.
const TPPS = 6;
const TIMES = 3;
// How long waits are measured after the response.
const AFTERWARDS_MS = 5000;
const CALM_MS = 1500;
const DAY_MS = 86_400_000;
const EVENT_LOOP_MS_MAX = 150;
const PUBLISH_MS_MAX = 250;

/** Figures of one operation, one value per repetition. */
export interface Stops {
  readonly name: string;
  readonly answeredMs: readonly number[];
  readonly turnCpuMs: readonly number[];
  readonly eventLoopMs: readonly number[];
  readonly publishOtherMs: readonly number[];
  readonly publishSameMs: readonly number[];
  readonly isReached: boolean;
}

/** Report of the bench. */
export interface StopsReport {
  readonly bench: 'stops';
  readonly store: StoreKind;
  readonly awaiting: number;
  readonly machine: { readonly cores: number; readonly loadAverage: readonly [number, number] };
  readonly operations: readonly Stops[];
}

interface Options {
  readonly store: StoreKind;
  readonly awaiting: number;
  /** Only operations whose names contain one of these. */
  readonly only: readonly string[];
  readonly say: (line: string) => void;
}

/**
 * Measures each operation on all awaiting notifications of one TPP three times: the time until its response, and how
 * long others wait meanwhile. Before each repetition the service is stopped and its store is restored.
 */
export async function benchStops(options: Options): Promise<StopsReport> {
  const { store, awaiting, only, say } = options;
  const [before = 0] = loadavg();
  const folder = mkdtempSync(join(tmpdir(), 'tidings-stops-'));
  const turnsFile = join(folder, 'turns');
  const bank = await startBank(TPPS, { store, retention: RETENTION, nodeArguments: turnsArguments(turnsFile) });
  const { certificatePem, keyPem } = bank.pki.tpp.transport;
  const receiver = await startReceiver({ tpps: 1, tppsPerOrigin: 1, certificatePem, keyPem, nodeArguments: [] });
  try {
    await prepare(bank, receiver);
    const operations: Stops[] = [];
    for (const operation of OPERATIONS.filter(({ name }) => only.some((text) => name.includes(text)))) {
      const measured: Measured[] = [];
      for (let times = 0; times < TIMES; times += 1)
        measured.push(await measure({ bank, receiver, turnsFile }, operation, awaiting));
      operations.push(stopsOf(operation.name, measured));
      say(lineOf(operations.at(-1) ?? stopsOf('', []), 32));
    }
    const [after = 0] = loadavg();
    return {
      bench: 'stops',
      store,
      awaiting,
      machine: { cores: availableParallelism(), loadAverage: [before, after] },
      operations,
    };
  } finally {
    await bank.stop();
    await receiver.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Registers both TPPs and publishes one notification for the TPP of the backlog; the other TPP only polls. */
async function prepare(bank: BenchBank, receiver: Receiver): Promise<void> {
  receiver.hang([0]);
  const [same, other] = bank.tpps;
  if (same === undefined || other === undefined) throw new Error('the bank must have two TPPs');
  const [url] = receiver.callbackUrls;
  for (const [tpp, callbackUrl] of [
    [same, { CallbackUrl: url }],
    [other, {}],
  ] as const) {
    const body = JSON.stringify({ Data: { Version: '4.0', ...callbackUrl } });
    const answer = await bank.call(tpp, 'POST', '/event-subscriptions', body, await bank.sign(body));
    if (answer.status !== 201) throw new Error(`registering returned ${answer.status}: ${answer.body}`);
  }
  await bank.publish([same.clientId]);
}

interface Measured extends Waits {
  readonly answeredMs: number;
}

interface Setting {
  readonly bank: BenchBank;
  readonly receiver: Receiver;
  readonly turnsFile: string;
}

async function measure(
  { bank, receiver, turnsFile }: Setting,
  operation: Operation,
  awaiting: number,
): Promise<Measured> {
  const [tpp, other] = bank.tpps;
  if (tpp === undefined || other === undefined) throw new Error('the bank must have two TPPs');
  if (operation.isHealthy) receiver.heal();
  else receiver.hang([0]);
  await bank.restart((store, folder) => putBacklog(store, folder, backlogOf(operation, tpp.clientId, awaiting)));
  let answeredMs = 0;
  const waits = await watchWaits(bank, { same: tpp.clientId, other: other.clientId, turnsFile }, async () => {
    await pause(CALM_MS);
    const began = performance.now();
    await operation.run({ bank, tpp, receiver, notifications: awaiting });
    answeredMs = performance.now() - began;
    await pause(AFTERWARDS_MS);
  });
  return { answeredMs, ...waits };
}

function backlogOf({ backlog }: Operation, clientId: string, notifications: number): Backlog {
  const nowMs = Date.now();
  return {
    clientId,
    notifications,
    state: 'waiting',
    publishedAtMs: nowMs - DAY_MS / 2,
    atMs: nowMs + DAY_MS,
    isSuspended: false,
    probeAtMs: undefined,
    ...backlog?.(nowMs),
  };
}

async function putBacklog(store: BenchStore, folder: string, backlog: Backlog): Promise<void> {
  const { url } = store.settings as { readonly url?: string };
  if (url === undefined) putBacklogSqlite(join(folder, 'tidings.db'), backlog);
  else await putBacklogPostgres(url, backlog);
}

/** Judges by the shortest repetition, because other load on the machine can only lengthen a wait. */
function stopsOf(name: string, measured: readonly Measured[]): Stops {
  const all = (figure: keyof Measured) => measured.map((one) => one[figure]).toSorted((left, right) => left - right);
  const shortest = (figure: keyof Measured) => all(figure)[0] ?? 0;
  const publishMs = Math.max(shortest('publishOtherMs'), shortest('publishSameMs'));
  return {
    name,
    answeredMs: all('answeredMs'),
    turnCpuMs: all('turnCpuMs'),
    eventLoopMs: all('eventLoopMs'),
    publishOtherMs: all('publishOtherMs'),
    publishSameMs: all('publishSameMs'),
    isReached: shortest('turnCpuMs') <= EVENT_LOOP_MS_MAX && publishMs <= PUBLISH_MS_MAX,
  };
}

function lineOf({ name, isReached, ...figures }: Stops, width: number): string {
  const range = (values: readonly number[]) =>
    `${Math.round(values[0] ?? 0)} to ${Math.round(values.at(-1) ?? 0)}`.padStart(16);
  const { turnCpuMs, eventLoopMs, publishOtherMs, publishSameMs, answeredMs } = figures;
  const columns = [turnCpuMs, eventLoopMs, publishOtherMs, publishSameMs, answeredMs].map(range).join('');
  return `${isReached ? 'reached' : 'MISSED '}  ${name.padEnd(width)}${columns}`;
}

/** The report as text: a line for each operation. */
export function stopsText({ store, awaiting, machine, operations }: StopsReport): string {
  const width = Math.max(...operations.map(({ name }) => name.length));
  const [before, after] = machine.loadAverage.map((load) => load.toFixed(2));
  const heads = ['turn, CPU', 'event loop', 'other publishes', 'same publishes', 'answered after'].map((head) =>
    head.padStart(16),
  );
  return [
    `stops, ${store}, ${awaiting} awaiting of one TPP; ${machine.cores} cores, load average ${before} before and ${after} after`,
    `wanted: the event loop is blocked for at most ${EVENT_LOOP_MS_MAX} ms, and publishing waits for at most ${PUBLISH_MS_MAX} ms`,
    `longest waits in ms, the shortest and the longest of ${TIMES} repetitions:`,
    `         ${''.padEnd(width)}${heads.join('')}`,
    ...operations.map((one) => lineOf(one, width)),
    '',
  ].join('\n');
}
