import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import {
  type Filling,
  fillPostgres,
  fillSqlite,
  plansOfPostgres,
  plansOfSqlite,
  searchesOf,
} from '../test/support/search-bench.ts';
import { type BenchBank, startBank } from './bank.ts';
import type { BenchStore, StoreKind } from './bench-store.ts';
import { percentile, rounded } from './statistics.ts';

/** Default number of notifications in the store. */
export const OPERATOR_NOTIFICATIONS: Readonly<Record<StoreKind, number>> = { sqlite: 1_000_000, postgres: 3_000_000 };

const TPPS = 200;
const TIMES = 200;
const WARM_UP = 20;
const P95_MS_MAX = 50;
const LIMIT = 50;
const PROGRESS_MS = 5000;
const HOUR_MS = 3_600_000;

/** Figures of one kind of request. */
export interface Asked {
  readonly name: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  /** Number of notifications on the page, if the response is one, and whether there is a next page. */
  readonly found?: string;
  readonly isReached: boolean;
  readonly plan?: string;
}

/** Report of the bench of the operator API. */
export interface OperatorReport {
  readonly bench: 'operator';
  readonly store: StoreKind;
  readonly notifications: number;
  readonly machine: { readonly cores: number; readonly loadAverage: number };
  readonly filledInSeconds: number;
  readonly storeBytes: number;
  readonly asked: readonly Asked[];
}

interface Options {
  readonly store: StoreKind;
  readonly notifications: number;
  readonly say: (line: string) => void;
}

/**
 * Measures the operator API of a service with a full store. An operator sends one request after the other over HTTPS:
 * every kind of search, and the other lists. There is no other load.
 */
export async function benchOperator(options: Options): Promise<OperatorReport> {
  const { store, notifications, say } = options;
  let filling: Filling | undefined;
  let filledInSeconds = 0;
  const fill = async (benchStore: BenchStore, folder: string, clientIds: readonly string[]) => {
    const began = performance.now();
    filling = { notifications, clientIds, endsAtMs: Date.now(), onProgress: progressOf(options, began) };
    await fillStore(benchStore, folder, filling);
    filledInSeconds = (performance.now() - began) / 1000;
    say(`${notifications} written in ${rounded(filledInSeconds)} s`);
  };
  const bank = await startBank(TPPS, { store, fill });
  try {
    if (filling === undefined) throw new Error('the store is filled before the service starts');
    const [loadAverage = 0] = loadavg();
    const storeBytes = bank.store.bytes();
    const asked = await askAll(bank, filling, say);
    const plans = await plansOf(bank, filling);
    return {
      bench: 'operator',
      store,
      notifications,
      machine: { cores: availableParallelism(), loadAverage },
      filledInSeconds: rounded(filledInSeconds),
      storeBytes,
      asked: asked.map((one) => {
        const plan = plans[one.name];
        return plan === undefined ? one : { ...one, plan };
      }),
    };
  } finally {
    await bank.stop();
  }
}

async function fillStore(store: BenchStore, folder: string, filling: Filling): Promise<void> {
  const { url } = store.settings as { readonly url?: string };
  if (url === undefined) fillSqlite(join(folder, 'tidings.db'), filling);
  else await fillPostgres(url, filling);
}

function progressOf({ notifications, say }: Options, began: number): (written: number) => void {
  let saidMs = began;
  return (written) => {
    const nowMs = performance.now();
    if (nowMs - saidMs < PROGRESS_MS) return;
    saidMs = nowMs;
    const perSecond = (written / (nowMs - began)) * 1000;
    say(`filling: ${written} of ${notifications}, ${Math.round((notifications - written) / perSecond)} s left`);
  };
}

/** Query plans of the searches. Stops the service first for SQLite, which allows one process at a time. */
async function plansOf(bank: BenchBank, filling: Filling): Promise<Record<string, string>> {
  const { url } = bank.store.settings as { readonly url?: string };
  const searches = searchesOf(filling);
  if (url !== undefined) return plansOfPostgres(url, searches, LIMIT);
  await bank.endService();
  return plansOfSqlite(join(bank.folder, 'tidings.db'), searches);
}

async function askAll(bank: BenchBank, filling: Filling, say: Options['say']): Promise<Asked[]> {
  const agent = new Agent({ connect: { ca: bank.pki.root.certificatePem }, connections: 1 });
  const get = async (path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${bank.operatorToken}` };
    const answer = await request(`${bank.operatorUrl}/operator/v1/${path}`, { headers, dispatcher: agent });
    const body = await answer.body.json();
    if (answer.statusCode !== 200) throw new Error(`${path} returned ${answer.statusCode}`);
    return body;
  };
  try {
    const paths = new Map<string, string>();
    for (const [name, filter] of Object.entries(searchesOf(filling)))
      paths.set(name, `notifications?${queryOf(filter)}`);
    const { notifications } = (await get('notifications?limit=1')) as { notifications: { jti: string }[] };
    paths.set('one notification', `notifications/${notifications[0]?.jti}`);
    paths.set('TPPs', 'tpps');
    paths.set('audit', 'audit');
    paths.set('status', 'status');
    const hours = (count: number) => `from=${new Date(filling.endsAtMs - count * HOUR_MS).toISOString()}`;
    paths.set('statistics of 24 hours', 'statistics');
    paths.set('statistics of 740 hours', `statistics?${hours(740)}`);
    paths.set('statistics of 740 hours of a TPP', `statistics?${hours(740)}&clientId=${filling.clientIds[0]}`);
    paths.set('statistics of 12 hours by the minute', `statistics?${hours(12)}&resolution=minute`);
    const asked: Asked[] = [];
    for (const [name, path] of paths) {
      say(`asking: ${name}`);
      asked.push(await askOften(name, () => get(path)));
    }
    return asked;
  } finally {
    await agent.close();
  }
}

async function askOften(name: string, ask: () => Promise<unknown>): Promise<Asked> {
  const tookMs: number[] = [];
  let answer: unknown;
  for (let times = -WARM_UP; times < TIMES; times += 1) {
    const began = performance.now();
    answer = await ask();
    if (times >= 0) tookMs.push(performance.now() - began);
  }
  const { notifications, next } = answer as { notifications?: unknown[]; next?: string };
  const p95Ms = percentile(tookMs, 0.95);
  return {
    name,
    p50Ms: percentile(tookMs, 0.5),
    p95Ms,
    maxMs: Math.max(...tookMs),
    isReached: p95Ms <= P95_MS_MAX,
    ...(notifications !== undefined && {
      found: `${notifications.length}${next === undefined ? '' : ' and a next page'}`,
    }),
  };
}

function queryOf(filter: object): string {
  const query = new URLSearchParams({ limit: String(LIMIT) });
  for (const [name, value] of Object.entries(filter)) {
    if (name.endsWith('Ms')) query.set(name.slice(0, -2), new Date(Number(value)).toISOString());
    else query.set(name, String(value));
  }
  return query.toString();
}

/** The report as text: a line for each request, and the query plan of each search. */
export function operatorText({ store, notifications, machine, asked, ...filled }: OperatorReport): string {
  const width = Math.max(...asked.map(({ name }) => name.length));
  const line = ({ name, p50Ms, p95Ms, maxMs, found = '', isReached }: Asked) => {
    const times = [p50Ms, p95Ms, maxMs].map((ms) => ms.toFixed(1).padStart(8)).join('');
    return `${isReached ? 'reached' : 'MISSED '}  ${name.padEnd(width)}${times}   ${found}`;
  };
  return [
    `operator, ${store}, ${notifications} notifications, ${Math.round(filled.storeBytes / 1e6)} MB, filled in ${filled.filledInSeconds} s`,
    `machine: ${machine.cores} cores, load average ${machine.loadAverage.toFixed(2)}; ${TIMES} requests each, one after the other`,
    '',
    ...asked.flatMap(({ name, plan }) => (plan === undefined ? [] : [`${name}:`, plan, ''])),
    `wanted: at most ${P95_MS_MAX} ms at the p95`,
    `         ${''.padEnd(width)}  p50 ms  p95 ms  max ms   found`,
    ...asked.map(line),
    '',
  ].join('\n');
}
