import type { StoreKind } from './bench-store.ts';

/** A target to reach, and a more ambitious one beyond it. */
export interface Target {
  readonly measure: string;
  readonly reach: number;
  readonly beyond: number;
  /** Whether the targets are lower or upper limits. */
  readonly wants: 'at least' | 'at most';
}

/** A target and the measured value. */
export interface Measured extends Target {
  readonly value: number;
}

export const THROUGHPUT_TARGETS: Readonly<Record<StoreKind, readonly Target[]>> = {
  sqlite: [{ measure: 'throughput, SQLite: delivered/s ÷ signing limit', reach: 0.5, beyond: 0.6, wants: 'at least' }],
  postgres: [
    {
      measure: 'throughput, PostgreSQL, one instance: delivered/s ÷ signing limit',
      reach: 0.42,
      beyond: 0.5,
      wants: 'at least',
    },
  ],
};

/** CPU of service and database for each delivery, without that of its signature. */
export const CPU_BESIDE_SIGNATURE_MS: Readonly<Record<StoreKind, Target>> = {
  sqlite: { measure: 'CPU beside the signature, in ms', reach: 0.3, beyond: 0.22, wants: 'at most' },
  postgres: { measure: 'CPU beside the signature, in ms', reach: 0.45, beyond: 0.35, wants: 'at most' },
};

export const LATENCY_P50: Target = {
  measure: 'latency, publish sent → 202: p50 in ms',
  reach: 10,
  beyond: 5,
  wants: 'at most',
};
/** At 1,100 notifications a second. */
export const LATENCY_P99: Readonly<Record<StoreKind, Target>> = {
  sqlite: { measure: 'latency, publish sent → 202: p99 in ms', reach: 25, beyond: 15, wants: 'at most' },
  postgres: { measure: 'latency, publish sent → 202: p99 in ms', reach: 40, beyond: 25, wants: 'at most' },
};
export const ISOLATION: Target = {
  measure: "isolation: 5 of 50 TPPs hang, the healthy ones' p99 against none hanging",
  reach: 1.2,
  beyond: 1.05,
  wants: 'at most',
};
export const BURST: Target = {
  measure: "burst: 600 polls of one TPP at once, the others' deliveries: p99 against no burst",
  reach: 1.5,
  beyond: 1.2,
  wants: 'at most',
};
export const BACKLOG: Target = {
  measure: 'backlog: claiming with 1,000,000 awaiting against 10,000',
  reach: 1.5,
  beyond: 1.1,
  wants: 'at most',
};
export const PEAK_RSS_MB: Target = {
  measure: 'peak RSS under full load, and with 1,000,000 awaiting, in MB',
  reach: 250,
  beyond: 180,
  wants: 'at most',
};

/** Compares a value with its targets. */
export function standing({ value, reach, beyond, wants }: Measured): 'beyond' | 'reached' | 'missed' {
  const meets = (wanted: number) => (wants === 'at least' ? value >= wanted : value <= wanted);
  if (meets(beyond)) return 'beyond';
  return meets(reach) ? 'reached' : 'missed';
}
