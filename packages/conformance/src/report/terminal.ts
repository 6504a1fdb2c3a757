import type { CheckResult, Outcome, Report, Severity } from '../model.ts';
import { countsAgainst, durationText, type Summary, summarise, type Tally, timeText, VERDICTS } from './summary.ts';
import { cutTo, oneLine, widthOf, wrap } from './text.ts';

/** Where a report is shown. */
export interface TerminalOptions {
  /** Writes a text as it is; it contains nothing of the other side that a terminal would obey. */
  readonly write: (text: string) => void;
  /** Whether lines can be rewritten: the output is a terminal. */
  readonly isTerminal: boolean;
  /** Default: `isTerminal`. */
  readonly colour?: boolean;
  /** Width of the lines. Default: 80; where it is 0 or left out; at least 48. */
  readonly columns?: number;
}

/** Shows a run as it goes on. */
export interface TerminalProgress {
  /** A check begins. @param index from 0 */
  started(check: Pick<CheckResult, 'id' | 'title'>, index: number, count: number): void;
  /** A check has ended. */
  finished(result: CheckResult): void;
}

const COLUMNS = 80;
const COLUMNS_MIN = 48;
const MARK_WIDTH = 6;

const MARKS: Readonly<Record<Outcome['kind'], { readonly word: string; readonly style: Style }>> = {
  passed: { word: 'ok', style: 'green' },
  failed: { word: 'FAIL', style: 'red' },
  skipped: { word: 'skip', style: 'dim' },
  error: { word: 'ERROR', style: 'red' },
};

/**
 * Prints a line for each check when it has ended, under the heading of its area. On a terminal the running check is shown too,
 * in a line that is replaced.
 */
export function terminalProgress(options: TerminalOptions): TerminalProgress {
  const { write, isTerminal } = options;
  const { columns, paint } = layoutOf(options);
  let area: string | undefined;
  const erase = isTerminal ? '\r\u001b[K' : '';
  return {
    started: ({ id, title }, index, count) => {
      if (isTerminal) write(`${erase}${paint('dim', cutTo(`  ${index + 1}/${count} ${id} ${title}`, columns - 1))}`);
    },
    finished: (result) => {
      const heading =
        result.area === area ? '' : `${area === undefined ? '' : '\n'}${paint('bold', cutTo(result.area, columns))}\n`;
      area = result.area;
      const { word, style } = MARKS[result.outcome.kind];
      const title = cutTo(`${result.id}  ${result.title}`, columns - MARK_WIDTH - 2);
      write(`${erase}${heading}  ${paint(style, word.padEnd(MARK_WIDTH))}${title}\n`);
    },
  };
}

/** The head of a run, before its first check. */
export function terminalHead(report: Pick<Report, 'side' | 'target' | 'version'>, options: TerminalOptions): void {
  const { columns, paint } = layoutOf(options);
  const { side, target, version } = report;
  const name = cutTo(`Conformance of ${target.name} (${side.toUpperCase()})`, columns);
  options.write(`${paint('bold', name)}\n${cutTo(target.url, columns)}\n@tidings/conformance ${oneLine(version)}\n\n`);
}

/**
 * Prints what failed, with what was expected and seen and the remedy, what could not be carried out or was skipped, then the numbers by area and the verdict.
 *
 * @param failOn as in {@link summarise}
 */
export function terminalSummary(report: Report, options: TerminalOptions, failOn: Severity = 'must'): void {
  const layout = layoutOf(options);
  const summary = summarise(report, failOn);
  const failed = report.results.filter(({ outcome }) => outcome.kind === 'failed');
  const notCarriedOut = report.results.filter(({ outcome }) => outcome.kind === 'error');
  const skipped = report.results.filter(({ outcome }) => outcome.kind === 'skipped');
  const parts = [
    ...section(
      'Failed',
      layout,
      failed.flatMap((result) => failureLines(result, layout, failOn)),
    ),
    ...section('Could not be carried out', layout, reasonLines(notCarriedOut, layout)),
    ...section('Skipped', layout, reasonLines(skipped, layout)),
    ...section('Summary', layout, tableLines(summary, layout)),
    ...verdictLines(report, summary, layout),
  ];
  options.write(`\n${parts.join('\n')}\n`);
}

interface Layout {
  readonly columns: number;
  readonly paint: (style: Style, text: string) => string;
}

function layoutOf({ isTerminal, colour = isTerminal, columns = COLUMNS }: TerminalOptions): Layout {
  return {
    // A terminal may not know its width.
    columns: Math.max(COLUMNS_MIN, columns === 0 ? COLUMNS : columns),
    paint: (style, text) => (colour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text),
  };
}

type Style = keyof typeof STYLES;
const STYLES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const;

function section(heading: string, { paint }: Layout, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [paint('bold', heading), '', ...lines, ''];
}

function failureLines(result: CheckResult, layout: Layout, failOn: Severity): readonly string[] {
  const { id, title, severity, outcome, source, remedy } = result;
  const style = countsAgainst(result, failOn) ? 'red' : 'yellow';
  const [first = '', ...more] = wrap(title, layout.columns - 4);
  return [
    `  ${layout.paint(style, oneLine(id))}  ${severity}`,
    ...[first, ...more].map((line) => `    ${line}`),
    ...(outcome.kind === 'failed' ? field('expected', outcome.expected, layout) : []),
    ...(outcome.kind === 'failed' ? field('actual', outcome.actual, layout) : []),
    ...(remedy === undefined ? [] : field('remedy', remedy, layout)),
    ...field('source', source, layout),
    '',
  ];
}

const FIELD_WIDTH = 10;

function field(name: string, value: string, { columns, paint }: Layout): readonly string[] {
  const lines = wrap(value, columns - 4 - FIELD_WIDTH);
  return lines.map((line, at) => `    ${paint('dim', (at === 0 ? name : '').padEnd(FIELD_WIDTH))}${line}`);
}

/** Checks are often skipped, or cannot be carried out, for one reason: it is said once. */
function reasonLines(results: readonly CheckResult[], { columns }: Layout): readonly string[] {
  const byReason = Map.groupBy(results, ({ outcome }) => reasonOf(outcome));
  return [...byReason].flatMap(([reason, members]) => [
    ...wrap(members.map(({ id }) => id).join(', '), columns - 2).map((line) => `  ${line}`),
    ...wrap(reason, columns - 4).map((line) => `    ${line}`),
  ]);
}

function reasonOf(outcome: Outcome): string {
  if (outcome.kind === 'skipped') return outcome.reason;
  return outcome.kind === 'error' ? outcome.message : '';
}

const NUMBER_WIDTH = 8;
const COUNTS = ['passed', 'failed', 'error', 'skipped'] as const satisfies readonly (keyof Tally)[];

function tableLines({ byArea, bySeverity, total }: Summary, { columns, paint }: Layout): readonly string[] {
  const nameWidth = columns - 2 - COUNTS.length * NUMBER_WIDTH;
  const row = (name: string, cells: readonly string[]) => {
    const cut = cutTo(name, nameWidth - 1);
    return `  ${cut}${' '.repeat(nameWidth - widthOf(cut))}${cells.map((cell) => cell.padStart(NUMBER_WIDTH)).join('')}`;
  };
  const numbers = (tally: Tally) => COUNTS.map((count) => String(tally[count]));
  return [
    paint('dim', row('', COUNTS)),
    ...byArea.map(({ area, tally }) => row(area, numbers(tally))),
    '',
    ...Object.entries(bySeverity).map(([severity, tally]) => row(severity, numbers(tally))),
    paint('bold', row('all', numbers(total))),
  ];
}

function verdictLines(report: Report, { verdict, sentence }: Summary, { columns, paint }: Layout): readonly string[] {
  const style = { conforms: 'green', incomplete: 'yellow', 'does-not-conform': 'red' } as const;
  return [
    paint(style[verdict], VERDICTS[verdict]),
    ...wrap(sentence, columns),
    ...wrap(`${timeText(report.startedAtMs)}, ${durationText(report.durationMs)}`, columns),
  ];
}
