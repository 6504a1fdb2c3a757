import { colors } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';

/** Formats a table with a header row. Columns fit their widest cell; nothing is truncated. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = rows.map((row) => row.map(printable));
  const widths = head.map((name, at) => Math.max(name.length, ...safe.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  ');
  return [colors.dim(line(head)), ...safe.map(line)].map((text) => `${text}\n`).join('');
}

/** Formats facts, one per line, without those that are undefined. */
export function formatFacts(facts: Readonly<Record<string, string | undefined>>): string {
  const known = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  const width = Math.max(0, ...known.map(({ name }) => name.length));
  return known.map(({ name, value }) => `${colors.dim(name.padEnd(width))}  ${printable(value)}\n`).join('');
}
