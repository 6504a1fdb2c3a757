import { REPORTS_PER_POLL_MAX, type SetErrorReport } from '@tidings/protocol';

/** The reports of one poll to the bank. */
export interface ReportBatch {
  readonly ack: readonly string[];
  readonly setErrs: readonly SetErrorReport[];
}

/** Reports that the bank has not had yet: which SETs are finished, and which were refused. */
export interface Reports {
  acknowledge(jti: string): void;
  refuse(report: SetErrorReport): void;
  /**
   * The reports for the next poll, oldest first, acknowledgements before refusals; it stays here until it is reported. At
   * least one, where there is any.
   *
   * @param bytesMax what it may take in the body of a poll
   */
  next(bytesMax: number): ReportBatch;
  /** Forgets what a poll reported, or what is given up. */
  reported(batch: ReportBatch): void;
  /** Whether there is anything to tell. */
  hasAny(): boolean;
  /** Whether there is more to tell than a batch tells. */
  hasMoreThan(batch: ReportBatch): boolean;
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
    next: (bytesMax) => {
      const ack = firstWithin(finished.values(), { bytesMax, bytesOf: bytesOfAcknowledgement, isOneAtLeast: true });
      const left = bytesMax - sum(ack.map(bytesOfAcknowledgement));
      const isOneAtLeast = ack.length === 0;
      return { ack, setErrs: firstWithin(refused.values(), { bytesMax: left, bytesOf: bytesOfReport, isOneAtLeast }) };
    },
    reported: ({ ack, setErrs }) => {
      for (const jti of ack) finished.delete(jti);
      for (const { jti } of setErrs) refused.delete(jti);
    },
    hasAny: () => finished.size + refused.size > 0,
    hasMoreThan: ({ ack, setErrs }) => finished.size > ack.length || refused.size > setErrs.length,
  };
}

/** The size of a batch in the body of a poll. */
export function bytesOfBatch({ ack, setErrs }: ReportBatch): number {
  return sum(ack.map(bytesOfAcknowledgement)) + sum(setErrs.map(bytesOfReport));
}

interface Bounds<T> {
  readonly bytesMax: number;
  readonly bytesOf: (value: T) => number;
  readonly isOneAtLeast: boolean;
}

function firstWithin<T>(values: Iterable<T>, { bytesMax, bytesOf, isOneAtLeast }: Bounds<T>): T[] {
  const first: T[] = [];
  let bytes = 0;
  for (const value of values) {
    bytes += bytesOf(value);
    if (first.length === REPORTS_PER_POLL_MAX) break;
    if (bytes > bytesMax && !(isOneAtLeast && first.length === 0)) break;
    first.push(value);
  }
  return first;
}

const encoder = new TextEncoder();

// With the comma behind it.
const bytesOfAcknowledgement = (jti: string) => encoder.encode(JSON.stringify(jti)).length + 1;
const bytesOfReport = ({ jti, err, description }: SetErrorReport) =>
  bytesOfAcknowledgement(jti) + encoder.encode(JSON.stringify({ err, description })).length + 1;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
