import { print, printJson } from '../../base/output.ts';
import type { BadLine } from './event-line.ts';
import type { Tally } from './send.ts';

/** How a run ended. */
export interface Summary {
  readonly state: 'done' | 'stopped' | 'interrupted' | 'failed';
  readonly input: string;
  /** The line that this run began at: 1, unless it went on from an earlier one. */
  readonly fromLine: number;
  /** Lines of the input that are published, or rejected, from the first one on without a gap, empty ones included. */
  readonly lines: number;
  readonly tally: Tally;
  readonly rejected: number;
  /** The first of the lines that are not good. */
  readonly badLines: readonly BadLine[];
  readonly durationMs: number;
}

/** Prints it for scripts. */
export function printSummaryJson({ tally, badLines, ...rest }: Summary): void {
  printJson({
    ...rest,
    ...{ ...tally, none: Object.fromEntries(tally.none) },
    badLines: badLines.map(({ number: line, field, why }) => ({ line, field, why })),
  });
}

/** Prints it for people. */
export function printSummary({ tally, rejected, fromLine }: Summary): void {
  const { published, notifications, repeated, none } = tally;
  const reasons = [...none].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const made = `${notifications} with a notification${reasons === '' ? '' : `, ${published - notifications} with none (${reasons})`}`;
  const facts = [
    ...(fromLine > 1 ? [`It went on at line ${fromLine}.`] : []),
    `Published ${published} ${published === 1 ? 'event' : 'events'}: ${made}.`,
    ...(repeated > 0 ? [`${repeated} of them had been published before, and made nothing anew.`] : []),
    ...(rejected > 0 ? [`${rejected} ${rejected === 1 ? 'line was' : 'lines were'} rejected.`] : []),
  ];
  print(facts.map((fact) => `${fact}\n`).join(''));
}
