import { colors, print, printJson } from '../../base/output.ts';
import { printable } from '../../base/terminal-text.ts';
import type { Finding } from './finding.ts';

const MARKS = { ok: colors.green('✓'), warning: colors.yellow('!'), error: colors.red('✗') } as const;

/** Prints what was found, with what to do about it, and what it comes to. @returns whether there is an error */
export function printFindings(findings: readonly Finding[], asJson: boolean): boolean {
  const count = (severity: Finding['severity']) => findings.filter((each) => each.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  if (asJson) {
    printJson({ isHealthy: errors === 0, errors, warnings, findings });
    return errors > 0;
  }
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.map(({ check, severity, what, remedy }) => {
    const line = `${MARKS[severity]} ${check.padEnd(width)}  ${printable(what)}\n`;
    return remedy === undefined ? line : `${line}  ${' '.repeat(width)}  ${colors.bold('→')} ${printable(remedy)}\n`;
  });
  print(`${lines.join('')}\n${verdictOf(errors, warnings)}\n`);
  return errors > 0;
}

function verdictOf(errors: number, warnings: number): string {
  const some = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
  if (errors > 0) return colors.red(`${some(errors, 'error')}, ${some(warnings, 'warning')}.`);
  return warnings === 0 ? 'Nothing is wrong.' : `No error, ${some(warnings, 'warning')}.`;
}
