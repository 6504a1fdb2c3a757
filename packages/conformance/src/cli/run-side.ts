import { writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../clock.ts';
import type { Check, Report, Severity } from '../model.ts';
import { htmlReport } from '../report/html/page.ts';
import { jsonReport } from '../report/json.ts';
import { junitReport } from '../report/junit.ts';
import { SEVERITIES, summarise } from '../report/summary.ts';
import { terminalHead, terminalProgress, terminalSummary } from '../report/terminal.ts';
import { type CheckScope, runChecks, selectChecks } from '../run.ts';
import { VERSION } from '../version.ts';
import { UsageError } from './errors.ts';
import type { Output } from './output.ts';

/** The flags that both sides have. */
export interface RunFlags {
  readonly config: string;
  readonly only?: readonly string[];
  readonly failOn: Severity;
  readonly reportHtml?: string;
  readonly reportJunit?: string;
  readonly reportJson?: string;
}

/** One side, ready to be tested. */
export interface TestedSide<Context> extends Pick<Report, 'side' | 'target'> {
  readonly checks: readonly Check<Context>[];
  readonly contextOf: (scope: CheckScope) => Context | Promise<Context>;
  /** Default: that of the runner. */
  readonly timeLimitMs?: number;
}

/** Exit codes: every check that counts passed, or one did not. */
const EXIT_PASSED = 0;
const EXIT_FAILED = 1;

/** Adds the flags that both sides have. */
export function addRunFlags(command: Command): Command {
  return command
    .requiredOption('--config <file>', 'configuration, JSON')
    .option('--only <ids>', 'ids or areas of checks, separated by commas', parseList)
    .addOption(
      new Option('--fail-on <severity>', 'lightest severity whose failure counts')
        .choices([...SEVERITIES])
        .default('must'),
    )
    .option('--report-html <file>', 'write the report as one HTML page')
    .option('--report-junit <file>', 'write the report as JUnit XML')
    .option('--report-json <file>', 'write the report as JSON');
}

function parseList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Separate the names by single commas.');
  return names;
}

/**
 * Runs the checks of a side, shows them on the terminal as they run, and writes the reports.
 *
 * @returns the exit code
 * @throws {SelectionError} when `only` names no check. @throws {UsageError} when a report cannot be written
 */
export async function runSide<Context>(
  side: TestedSide<Context>,
  flags: RunFlags,
  { output, signal }: { readonly output: Output; readonly signal: AbortSignal },
): Promise<number> {
  const checks = selectChecks(side.checks, flags.only ?? []);
  const { isTerminal, columns } = output;
  const options = { write: output.print, isTerminal, ...(columns !== undefined && { columns }) };
  terminalHead({ ...side, version: VERSION }, options);
  const progress = terminalProgress(options);
  const report = await runChecks({
    ...{ side: side.side, target: side.target, version: VERSION, checks, clock: systemClock, signal },
    contextOf: side.contextOf,
    timeLimitMs: side.timeLimitMs,
    onProgress: (each) => {
      if (each.kind === 'started') progress.started(each, each.index, each.count);
      else progress.finished(each.result);
    },
  });
  terminalSummary(report, options, flags.failOn);
  writeReports(report, flags);
  return summarise(report, flags.failOn).verdict === 'conforms' ? EXIT_PASSED : EXIT_FAILED;
}

function writeReports(report: Report, { failOn, reportHtml, reportJunit, reportJson }: RunFlags): void {
  write('--report-html', reportHtml, () => htmlReport(report, failOn));
  write('--report-junit', reportJunit, () => junitReport(report, failOn));
  write('--report-json', reportJson, () => jsonReport(report, failOn));
}

function write(flag: string, file: string | undefined, text: () => string): void {
  if (file === undefined) return;
  try {
    writeFileSync(file, text());
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new UsageError(`${flag}: ${file} cannot be written (${code}); choose another file.`);
  }
}
