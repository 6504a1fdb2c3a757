import { colors, print, printJson } from '../../base/output.ts';
import { printable } from '../../base/terminal-text.ts';
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
  print(lines.join(''));
  const verdict = failures === 0 ? 'Every check passed' : `Not to be relied on: ${failures} of the checks failed`;
  print(`${verdict}.\n`);
}
