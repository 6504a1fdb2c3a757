import { REPORTS_PER_POLL_MAX, type SetErrorReport } from '@tidings/protocol';

/** The acknowledgements and error reports of one poll. */
export interface ReportBatch {
  readonly ack: readonly string[];
  readonly setErrs: readonly SetErrorReport[];
}

/** Acknowledgements and error reports that have not been sent to the bank yet. */
export interface Reports {
  acknowledge(jti: string): void;
  refuse(report: SetErrorReport): void;
  /**
   * The reports for the next poll: oldest first, acknowledgements before errors, and at least one if there are any.
   * They are kept until {@link reported} is called.
   *
   * @param bytesMax maximum size in the body of the poll
   */
  next(bytesMax: number): ReportBatch;
  /** Removes reports that a poll has sent, or that are dropped. */
  reported(batch: ReportBatch): void;
  /** Whether there are reports to send. */
  hasAny(): boolean;
  /** Whether there are reports besides those of a batch. */
  hasMoreThan(batch: ReportBatch): boolean;
}

/** Creates an empty collection. A SET is either acknowledged or reported; the acknowledgement wins, as at the bank. */
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

/** Size of a batch in the body of a poll. */
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

// Including the comma that follows.
const bytesOfAcknowledgement = (jti: string) => encoder.encode(JSON.stringify(jti)).length + 1;
const bytesOfReport = ({ jti, err, description }: SetErrorReport) =>
  bytesOfAcknowledgement(jti) + encoder.encode(JSON.stringify({ err, description })).length + 1;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
