import type { Command } from 'commander';
import { ASPSP_CHECKS } from '../aspsp/checks.ts';
import type { Check, Report } from '../model.ts';
import { TPP_CHECKS } from '../tpp/checks.ts';
import type { CommandEffects } from './effects.ts';

const ID_WIDTH = 13;

/** A check as `list` shows it. */
type Listed = Pick<Check<never>, 'id' | 'title' | 'severity' | 'source' | 'area'> & { readonly side: Report['side'] };

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
      const listed = [...listedOf('aspsp', ASPSP_CHECKS), ...listedOf('tpp', TPP_CHECKS)];
      if (json === true) output.print(`${JSON.stringify(listed, undefined, 2)}\n`);
      else output.print(linesOf(listed));
      end(0);
    });
}

function listedOf(side: Report['side'], checks: readonly Omit<Listed, 'side'>[]): Listed[] {
  return checks.map(({ id, title, severity, source, area }) => ({ side, id, severity, area, title, source }));
}

function linesOf(listed: readonly Listed[]): string {
  const areas = Map.groupBy(listed, ({ side, area }) => `${side.toUpperCase()}: ${area}`);
  return [...areas]
    .map(([area, checks]) => {
      const lines = checks.map(
        ({ id, severity, title, source }) =>
          `  ${id.padEnd(ID_WIDTH)}${severity.padEnd(8)}${title}\n${' '.repeat(ID_WIDTH + 10)}${source}\n`,
      );
      return `${area}\n${lines.join('')}`;
    })
    .join('\n');
}
