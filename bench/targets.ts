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
      reach: 0.45,
      beyond: 0.55,
      wants: 'at least',
    },
  ],
};

export const LATENCY_P50: Target = {
  measure: 'latency at half of that load, accept → 202: p50 in ms',
  reach: 10,
  beyond: 5,
  wants: 'at most',
};
export const LATENCY_P99: Target = {
  measure: 'latency at half of that load, accept → 202: p99 in ms',
  reach: 50,
  beyond: 25,
  wants: 'at most',
};
export const ISOLATION: Target = {
  measure: "isolation: 5 of 50 TPPs hang, the healthy ones' p99 against none hanging",
  reach: 1.5,
  beyond: 1.2,
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
  measure: 'peak RSS with 1,000,000 awaiting, in MB',
  reach: 300,
  beyond: 200,
  wants: 'at most',
};

/** Compares a value with its targets. */
export function standing({ value, reach, beyond, wants }: Measured): 'beyond' | 'reached' | 'missed' {
  const meets = (wanted: number) => (wants === 'at least' ? value >= wanted : value <= wanted);
  if (meets(beyond)) return 'beyond';
  return meets(reach) ? 'reached' : 'missed';
}
