import type { Command } from 'commander';
import { ASPSP_CHECKS } from '../aspsp/checks.ts';
import type { Check } from '../model.ts';
import type { CommandEffects } from './effects.ts';

/** A check as `list` shows it. */
type Listed = Pick<Check<never>, 'id' | 'title' | 'severity' | 'source' | 'area'> & { readonly side: 'aspsp' };

/** `tidings-conformance list`: shows every check. */
export function defineList(command: Command, { output, end }: CommandEffects): void {
  command
    .description('List the checks with severity, title and source.')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidings-conformance list
  tidings-conformance list --json`,
    )
    .action(({ json }: { readonly json?: boolean }) => {
      const listed: Listed[] = ASPSP_CHECKS.map(({ id, title, severity, source, area }) => {
        return { side: 'aspsp', id, severity, area, title, source };
      });
      if (json === true) output.print(`${JSON.stringify(listed, undefined, 2)}\n`);
      else output.print(linesOf(listed));
      end(0);
    });
}

function linesOf(listed: readonly Listed[]): string {
  const areas = Map.groupBy(listed, ({ side, area }) => `${side.toUpperCase()}: ${area}`);
  return [...areas]
    .map(([area, checks]) => {
      const lines = checks.map(
        ({ id, severity, title, source }) =>
          `  ${id.padEnd(8)}${severity.padEnd(8)}${title}\n                  ${source}\n`,
      );
      return `${area}\n${lines.join('')}`;
    })
    .join('\n');
}
