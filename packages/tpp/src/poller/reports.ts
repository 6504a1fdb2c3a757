import { REPORTS_PER_POLL_MAX, type SetErrorReport } from '@tidings/protocol';

/** What one poll tells the bank. */
export interface ReportBatch {
  readonly ack: readonly string[];
  readonly setErrs: readonly SetErrorReport[];
}

/** What the bank has yet to be told: which SETs are finished, and which were refused. */
export interface Reports {
  acknowledge(jti: string): void;
  refuse(report: SetErrorReport): void;
  /** What the next poll may tell, oldest first; it stays here until it was told. */
  next(): ReportBatch;
  /** Forgets what a poll told. */
  told(batch: ReportBatch): void;
  /** Whether there is anything to tell. */
  hasAny(): boolean;
  /** Whether there is more to tell than one poll may. */
  hasMoreThanOneBatch(): boolean;
}

/** Makes an empty list of reports. A SET is either acknowledged or refused: the acknowledgement wins, as at the bank. */
export function createReports(): Reports {
  const finished = new Set<string>();
  const refused = new Map<string, SetErrorReport>();
  return {
    acknowledge: (jti) => {
      finished.add(jti);
      refused.delete(jti);
    },
    refuse: (report) => {
      if (!finished.has(report.jti)) refused.set(report.jti, report);
    },
    next: () => ({
      ack: firstOf(finished.values()),
      setErrs: firstOf(refused.values()),
    }),
    told: ({ ack, setErrs }) => {
      for (const jti of ack) finished.delete(jti);
      for (const { jti } of setErrs) refused.delete(jti);
    },
    hasAny: () => finished.size + refused.size > 0,
    hasMoreThanOneBatch: () => Math.max(finished.size, refused.size) > REPORTS_PER_POLL_MAX,
  };
}

function firstOf<T>(values: Iterable<T>): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.length === REPORTS_PER_POLL_MAX) break;
    first.push(value);
  }
  return first;
}
