import { printable } from '../base/terminal-text.ts';

/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  /** The value of a row: a text, or a text with a shorter form for narrow tables. Undefined: the cell is empty. */
  readonly cell: (row: Row, nowMs: number) => string | Shortenable | undefined;
  /** In a narrow table, columns with the highest rank are dropped first. Default: 0, which is dropped last. */
  readonly rank?: number;
  /** Fewest characters to which values are cut in a narrow table. Default: they are not cut, such as ids for other commands. */
  readonly charsMin?: number;
  /** True: left out where no row has a value. */
  readonly isOptional?: boolean;
}

/** A text with a shorter form. */
export interface Shortenable {
  readonly whole: string;
  readonly short: string;
}

/** A table that fits a width. */
export interface FittedTable {
  /** Without line ends; the first is the header. */
  readonly lines: readonly string[];
  /** Whether a column was dropped, or a value shortened. */
  readonly isShortened: boolean;
}

const GAP = '  ';

/**
 * Lays out a table. If it is too wide, values take their short forms; then columns are dropped by rank until the others fit
 * when cut to their minimum; then they share what is left.
 *
 * @param widthMax characters of a line; undefined: everything is shown
 */
export function fitTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { widthMax, nowMs }: { readonly widthMax: number | undefined; readonly nowMs: number },
): FittedTable {
  const all = columns
    .map((column) => ({ ...layOut(column, rows, nowMs), isOptional: column.isOptional }))
    .filter(({ isOptional, whole }) => isOptional !== true || whole.some((cell) => cell !== ''));
  const whole = all.map(({ head, whole: cells }) => ({ head, cells, width: widthOf([head, ...cells]) }));
  if (widthMax === undefined || totalOf(whole) <= widthMax) return { lines: linesOf(whole), isShortened: false };
  const short = all.map(({ head, short: cells, rank, charsMin }) => {
    const width = widthOf([head, ...cells]);
    return { head, cells, rank, width, widthMin: Math.max(head.length, Math.min(width, charsMin)) };
  });
  let kept = short;
  while (kept.length > 1 && totalOf(kept.map(({ widthMin }) => ({ width: widthMin }))) > widthMax) {
    const dropped = kept.findLast(({ rank }) => rank === Math.max(...kept.map((each) => each.rank)));
    kept = kept.filter((each) => each !== dropped);
  }
  return { lines: linesOf(cutToFit(kept, widthMax)), isShortened: true };
}

interface Cells {
  readonly head: string;
  readonly cells: readonly string[];
  readonly width: number;
}

function layOut<Row>({ head, cell, rank = 0, charsMin }: Column<Row>, rows: readonly Row[], nowMs: number) {
  const values = rows.map((row) => cell(row, nowMs) ?? '');
  return {
    ...{ head, rank, charsMin: charsMin ?? Number.POSITIVE_INFINITY },
    whole: values.map((value) => printable(typeof value === 'string' ? value : value.whole)),
    short: values.map((value) => printable(typeof value === 'string' ? value : value.short)),
  };
}

/** Gives each column its minimum, and what is left to the columns in order of their rank. */
function cutToFit(columns: readonly (Cells & { rank: number; widthMin: number })[], widthMax: number): Cells[] {
  let left = widthMax - totalOf(columns.map(({ widthMin }) => ({ width: widthMin })));
  const widths = new Map(columns.map((column) => [column, column.widthMin]));
  for (const column of columns.toSorted((one, other) => one.rank - other.rank)) {
    const width = Math.min(column.width, column.widthMin + left);
    left -= width - column.widthMin;
    widths.set(column, width);
  }
  return columns.map((column) => {
    const width = widths.get(column) ?? column.width;
    return { head: cut(column.head, width), cells: column.cells.map((cell) => cut(cell, width)), width };
  });
}

/** Cuts a text to a number of characters; the last one says that it goes on. */
function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

const lengthOf = (text: string) => [...text].length;

const widthOf = (texts: readonly string[]) => Math.max(...texts.map(lengthOf));

function totalOf(columns: readonly { readonly width: number }[]): number {
  return columns.reduce((sum, { width }) => sum + width, 0) + GAP.length * (columns.length - 1);
}

function linesOf(columns: readonly Cells[]): readonly string[] {
  const rows = columns[0]?.cells.length ?? 0;
  const line = (textOf: (column: Cells) => string) =>
    columns
      .map((column) => textOf(column) + ' '.repeat(column.width - lengthOf(textOf(column))))
      .join(GAP)
      .trimEnd();
  return [line(({ head }) => head), ...Array.from({ length: rows }, (_, at) => line(({ cells }) => cells[at] ?? ''))];
}
