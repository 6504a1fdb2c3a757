import type { StoreKind } from './bench-store.ts';
import type { Ledgers } from './ledgers.ts';
import type { Machine } from './rig.ts';
import { rounded } from './statistics.ts';
import { type Measured, standing } from './targets.ts';

/** Report of a bench of deliveries. */
export interface Report<Figures extends object = object> {
  readonly bench: string;
  readonly store: StoreKind;
  readonly machine: Machine;
  readonly figures: Figures;
  readonly ledgers: Omit<Ledgers, 'deliveries'>;
  readonly targets: readonly Measured[];
  /** Period of the measurement on the system's monotonic clock, if it is a single period. */
  readonly window?: Window;
}

export interface Window {
  readonly beganMs: number;
  readonly endedMs: number;
}

/** Whether no notification was lost, repeated, unexpected or wrongly signed. Missed targets do not count. */
export function isSound({ ledgers }: Report): boolean {
  const { lost, duplicates, unknown, signaturesWrong } = ledgers;
  return [lost, duplicates, unknown, signaturesWrong].every((count) => count === 0);
}

/** The report as one JSON value, with figures rounded to three digits and the standing of each target. */
export function asJson(report: Report): object {
  const targets = [
    ...report.targets.map((target) => ({ ...target, standing: standing(target) })),
    {
      measure: 'lost',
      reach: 0,
      beyond: 0,
      wants: 'at most',
      value: report.ledgers.lost,
      standing: report.ledgers.lost === 0 ? 'beyond' : 'missed',
    },
  ];
  return { ...withRoundedFigures(report), targets: targets.map(withRoundedFigures) };
}

function withRoundedFigures(report: object): object {
  return JSON.parse(JSON.stringify(report, (_key, value) => (isFraction(value) ? rounded(value) : value)));
}

function isFraction(value: unknown): value is number {
  return typeof value === 'number' && !Number.isInteger(value);
}

/** The report as text: every figure on its own line, then the targets. */
export function asText(report: Report): string {
  const { cores, loadAverageAtStart, signingLimitPerSecond } = report.machine;
  const { before, after, mean } = signingLimitPerSecond;
  const { lost, duplicates, accepted, unknown, signaturesVerified, signaturesWrong } = report.ledgers;
  const lines = [
    `${report.bench}, ${report.store}`,
    `machine: ${cores} cores, load average at the start ${loadAverageAtStart.toFixed(2)}; publisher and receiver share it`,
    `signing limit: ${say(before)}/s before, ${say(after)}/s after, mean ${say(mean)}/s (PS256, RSA-2048, all cores)`,
    ...linesOf(report.figures),
    `ledgers: ${accepted} accepted, ${lost} lost, ${duplicates} duplicates, ${unknown} unknown, ` +
      `${signaturesWrong} of ${signaturesVerified} signatures wrong`,
    '',
    ...report.targets.map(targetLine),
    `${lost === 0 ? 'beyond ' : 'MISSED '}  ${String(lost).padStart(8)}   reach 0, beyond 0   lost`,
  ];
  return `${lines.join('\n')}\n`;
}

function targetLine(target: Measured): string {
  const how = standing(target);
  const sign = target.wants === 'at least' ? '≥' : '≤';
  const value = say(target.value).padStart(8);
  const wanted = `reach ${sign} ${target.reach}, beyond ${sign} ${target.beyond}`;
  return `${(how === 'missed' ? 'MISSED' : how).padEnd(8)} ${value}   ${wanted}   ${target.measure}`;
}

function linesOf(figures: object, prefix = ''): string[] {
  return Object.entries(figures).flatMap(([name, value]: [string, unknown]) => {
    const path = `${prefix}${name}`;
    if (typeof value === 'object' && value !== null) return linesOf(value, `${path}.`);
    return [`${path}: ${typeof value === 'number' ? say(value) : String(value)}`];
  });
}

function say(value: number): string {
  return Number.isInteger(value) ? String(value) : String(rounded(value));
}
