import { colors } from '../colors.ts';
import { printable } from '../table.ts';
import { printJson } from '../tpps-print.ts';
import type { Check } from './check.ts';

const PAINTED = { passed: colors.green('passed'), failed: colors.red('failed'), none: colors.dim('none  ') } as const;

/** Prints what was checked, a line each, and what it comes to. */
export function printChecks(checks: readonly Check[], asJson: boolean): void {
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length;
  if (asJson) {
    printJson({ isVerified: failures === 0, checks });
    return;
  }
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.map(({ check, outcome, detail }) => {
    return `${PAINTED[outcome]}  ${check.padEnd(width)}  ${printable(detail)}\n`;
  });
  process.stdout.write(lines.join(''));
  const verdict = failures === 0 ? 'Every check passed' : `Not to be relied on: ${failures} of the checks failed`;
  process.stdout.write(`${verdict}.\n`);
}
