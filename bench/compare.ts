import type { StoreKind } from './bench-store.ts';
import { benchLatency } from './latency.ts';
import { isSound, type Report } from './report.ts';
import type { BenchOptions } from './rig.ts';
import { rounded } from './statistics.ts';
import { CPU_BESIDE_SIGNATURE_MS, PEAK_RSS_MB, standing, type Target } from './targets.ts';
import { benchThroughput } from './throughput.ts';

const STORES: readonly StoreKind[] = ['sqlite', 'postgres'];
const NAMES: Readonly<Record<StoreKind, string>> = { sqlite: 'SQLite', postgres: 'PostgreSQL' };
const BYTES_PER_MB = 1_000_000;

/** The measurements of every store, as rows of one table. */
export interface Comparison {
  readonly bench: 'compare';
  readonly rows: readonly Row[];
  readonly isSound: boolean;
}

interface Row {
  readonly measure: string;
  readonly store: StoreKind;
  readonly value: number;
  /** Undefined: a figure without a target. */
  readonly target: Target | undefined;
  /** PS256 signatures a second that the machine made before and after, on all cores. */
  readonly signingLimitPerSecond: number;
}

/** Measures throughput and latency on each store, one after the other. @param options.perSecond of the latency */
export async function compareStores(
  options: Omit<BenchOptions, 'store'> & { readonly perSecond: number },
): Promise<Comparison> {
  const rows: Row[] = [];
  const reports: Report[] = [];
  for (const store of STORES) {
    options.say(`${NAMES[store]}: throughput`);
    const throughput = await benchThroughput({ ...options, store });
    options.say(`${NAMES[store]}: latency at ${options.perSecond} a second`);
    const latency = await benchLatency({ ...options, store });
    reports.push(throughput, latency);
    const { signingLimitPerSecond, cores } = throughput.machine;
    const { figures } = throughput;
    const add = (measure: string, value: number, target?: Target) =>
      rows.push({ measure, store, value, target, signingLimitPerSecond: signingLimitPerSecond.mean });
    for (const each of throughput.targets) add('delivered/s ÷ signing limit', each.value, each);
    add('delivered/s', figures.deliveredPerSecond);
    const databaseMs = ((figures.coresBusy.database ?? 0) * 1000) / figures.deliveredPerSecond;
    const signatureMs = (cores * 1000) / signingLimitPerSecond.mean;
    const cpuMs = figures.serviceCpuMsPerDelivery + databaseMs;
    add('CPU per delivery, service and database, in ms', cpuMs);
    add('the same beside the signature', cpuMs - signatureMs, CPU_BESIDE_SIGNATURE_MS[store]);
    add('peak RSS in MB', figures.servicePeakRssBytes / BYTES_PER_MB, PEAK_RSS_MB);
    const limit = latency.machine.signingLimitPerSecond.mean;
    for (const each of latency.targets) {
      rows.push({ measure: each.measure, store, value: each.value, target: each, signingLimitPerSecond: limit });
    }
  }
  return { bench: 'compare', rows, isSound: reports.every(isSound) };
}

/** One table in Markdown, as in docs/performance.md. */
export function comparisonText({ rows, isSound }: Comparison): string {
  const lines = rows.map(({ measure, store, value, target, signingLimitPerSecond }) => {
    const wanted = target === undefined ? '' : `${target.reach} / ${target.beyond}`;
    const how = target === undefined ? '' : standing({ ...target, value });
    return `| ${measure} | ${NAMES[store]} | ${rounded(value)} | ${wanted} | ${how} | ${Math.round(signingLimitPerSecond)} |`;
  });
  const head = ['| measure | store | measured | reach / beyond | | signing limit/s |', '|---|---|---|---|---|---|'];
  const end = isSound
    ? 'Nothing was lost, repeated or wrongly signed.'
    : 'NOTIFICATIONS WERE LOST, REPEATED OR WRONGLY SIGNED.';
  return `${[...head, ...lines, '', end].join('\n')}\n`;
}
