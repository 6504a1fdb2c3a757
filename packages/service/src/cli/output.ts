import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { colors, print, terminalWidth } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import { type Column, fitTable, type Shortenable } from './table.ts';
import { formatTime, formatTimeShort } from './units.ts';

/** Flags of every command that prints a table. */
export interface TableFlags {
  readonly wide?: boolean;
}

const WIDE_HELP =
  'show every column and whole values; without it, a table fits the terminal, or COLUMNS where the output is no terminal';

/** Adds the flags of {@link TableFlags} to a command. */
export function withTableFlags(command: Command): Command {
  return command.option('--wide', WIDE_HELP);
}

/** `ps` and others read COLUMNS too, and `watch` sets it for the command that it shows. */
function outputWidth(columns: string | undefined): number | undefined {
  return terminalWidth() ?? (/^[1-9]\d{0,4}$/.test(columns ?? '') ? Number(columns) : undefined);
}

/**
 * Prints a table with a header row that fits the terminal.
 *
 * @param rows the table is not printed if there are none
 * @param empty sentence that is printed instead
 */
export function printTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { flags, empty }: { readonly flags: TableFlags; readonly empty: string },
): void {
  if (rows.length === 0) {
    print(`${printable(empty)}\n`);
    return;
  }
  const widthMax = flags.wide === true ? undefined : outputWidth(process.env['COLUMNS']);
  const { lines, isShortened } = fitTable(columns, rows, { widthMax, nowMs: systemClock.nowMs() });
  const [head = '', ...body] = lines;
  const note = isShortened ? [colors.dim('Shortened to fit; --wide shows all columns and whole values.')] : [];
  print([colors.dim(head), ...body, ...note].map((line) => `${line}\n`).join(''));
}

/** The cell of a time: in UTC, and relative to now. */
export function timeCell(at: string | undefined, nowMs: number): Shortenable | undefined {
  return at === undefined ? undefined : { whole: formatTime(at, nowMs), short: formatTimeShort(at, nowMs) };
}

/** A time in the value of a fact; see {@link timeCell}. */
export function timeFact(at: string): string;
export function timeFact(at: string | undefined): string | undefined;
export function timeFact(at: string | undefined): string | undefined {
  return at === undefined ? undefined : formatTime(at, systemClock.nowMs());
}

/** Formats facts, one per line, without those that are undefined. */
export function formatFacts(facts: Readonly<Record<string, string | undefined>>): string {
  const known = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  const width = Math.max(0, ...known.map(({ name }) => name.length));
  return known.map(({ name, value }) => `${colors.dim(name.padEnd(width))}  ${printable(value)}\n`).join('');
}
