import type { CheckResult, Report, Severity } from '../model.ts';

/** The severities, the heaviest first. */
export const SEVERITIES: readonly Severity[] = ['must', 'should', 'may'];

/** Numbers of checks by outcome. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly error: number;
}

/**
 * The result of a run. `conforms`: no check failed that counts, and at least one passed. `incomplete`: nothing failed, but a
 * check could not be carried out, or none passed.
 */
export type Verdict = 'conforms' | 'does-not-conform' | 'incomplete';

/** A report in numbers. */
export interface Summary {
  readonly verdict: Verdict;
  /** One sentence that says why. */
  readonly sentence: string;
  readonly total: Tally;
  readonly bySeverity: Readonly<Record<Severity, Tally>>;
  /** In the order of the report. */
  readonly byArea: readonly {
    readonly area: string;
    readonly results: readonly CheckResult[];
    readonly tally: Tally;
  }[];
}

/**
 * Whether a failed check counts against the tested side.
 *
 * @param failOn the lightest severity whose failure counts
 */
export function countsAgainst({ outcome, severity }: CheckResult, failOn: Severity): boolean {
  return outcome.kind === 'failed' && SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(failOn);
}

/** Counts a report. @param failOn the lightest severity whose failure counts against the tested side; default `must` */
export function summarise(report: Pick<Report, 'results'>, failOn: Severity = 'must'): Summary {
  const { results } = report;
  const areas = Map.groupBy(results, ({ area }) => area);
  const severityTally = (severity: Severity) => tallyOf(results.filter((each) => each.severity === severity));
  return {
    ...verdictOf(results, failOn),
    total: tallyOf(results),
    bySeverity: { must: severityTally('must'), should: severityTally('should'), may: severityTally('may') },
    byArea: [...areas].map(([area, members]) => ({ area, results: members, tally: tallyOf(members) })),
  };
}

function tallyOf(results: readonly CheckResult[]): Tally {
  const count = (kind: CheckResult['outcome']['kind']) => results.filter(({ outcome }) => outcome.kind === kind).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped'), error: count('error') };
}

function verdictOf(results: readonly CheckResult[], failOn: Severity): Pick<Summary, 'verdict' | 'sentence'> {
  const { passed, failed, skipped, error } = tallyOf(results);
  const counting = results.filter((each) => countsAgainst(each, failOn)).length;
  const advice = failed - counting;
  const also = [
    ...(error > 0 ? [`${checks(error)} could not be carried out`] : []),
    ...(advice > 0 ? [`${checks(advice)} of less weight failed`] : []),
    ...(skipped > 0 ? [`${checks(skipped)} ${skipped === 1 ? 'was' : 'were'} skipped`] : []),
  ].map((part) => `; ${part}`);
  if (counting > 0) {
    return {
      verdict: 'does-not-conform',
      sentence: `${checks(counting)} failed that ${NEED[failOn]}${also.join('')}.`,
    };
  }
  if (error > 0 || passed === 0) {
    const why = error > 0 ? also.join('').slice(2) : 'no check passed';
    return { verdict: 'incomplete', sentence: `Nothing failed that ${NEED[failOn]}, but ${why}.` };
  }
  return {
    verdict: 'conforms',
    sentence: `Nothing failed that ${NEED[failOn]}: ${checks(passed)} passed${also.join('')}.`,
  };
}

const NEED: Readonly<Record<Severity, string>> = {
  must: 'must pass',
  should: 'must or should pass',
  may: 'counts',
};

function checks(count: number): string {
  return count === 1 ? '1 check' : `${count} checks`;
}

/** The verdict as a heading. */
export const VERDICTS: Readonly<Record<Verdict, string>> = {
  conforms: 'Conforms',
  'does-not-conform': 'Does not conform',
  incomplete: 'Incomplete',
};

/** A duration for people: `840 ms`, `12.3 s`, `4 min 5 s`. */
export function durationText(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A time in UTC, to the second: `2026-11-21 09:30:00 UTC`. */
export function timeText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
