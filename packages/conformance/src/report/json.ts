import type { Exchange, Message, Report, Severity } from '../model.ts';
import { type Summary, summarise, type Tally, type Verdict } from './summary.ts';

/** The value of `format` in every JSON report. */
export const JSON_FORMAT = 'tidings-conformance-report';

/**
 * The version of the shape of {@link JsonReport}. New members may be added without a new version; one that is removed, or
 * means something else, makes a new version.
 */
export const JSON_FORMAT_VERSION = 1;

/** The JSON report. Times are ISO 8601 in UTC, durations whole milliseconds. Members that do not apply are left out. */
export interface JsonReport {
  readonly format: typeof JSON_FORMAT;
  readonly version: typeof JSON_FORMAT_VERSION;
  readonly runner: { readonly name: string; readonly version: string };
  readonly side: Report['side'];
  readonly target: Report['target'];
  readonly startedAt: string;
  readonly durationMs: number;
  readonly verdict: Verdict;
  readonly summary: {
    readonly sentence: string;
    readonly total: Tally;
    readonly bySeverity: Readonly<Record<Severity, Tally>>;
    readonly byArea: readonly (Tally & { readonly area: string })[];
  };
  readonly results: readonly JsonResult[];
}

/** One check. */
export interface JsonResult {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly source: string;
  readonly area: string;
  readonly rule?: string;
  readonly remedy?: string;
  readonly outcome: 'passed' | 'failed' | 'skipped' | 'error';
  /** When it failed. */
  readonly expected?: string;
  readonly actual?: string;
  /** Why it was skipped, or could not be carried out. */
  readonly reason?: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly exchanges: readonly JsonExchange[];
  /** How many exchanges in the middle were left out, where there were too many. */
  readonly exchangesOmitted?: number;
}

/** One request with its response. */
export interface JsonExchange {
  readonly role: Exchange['role'];
  /** Tells the requests of one check apart. */
  readonly label?: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly request: JsonMessage;
  readonly response?: JsonMessage;
  readonly error?: string;
}

/** One HTTP message. */
export interface JsonMessage {
  readonly startLine: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: string;
}

/** The JSON report as a value. */
function jsonReportOf(report: Report, failOn?: Severity): JsonReport {
  const summary = summarise(report, failOn);
  return {
    format: JSON_FORMAT,
    version: JSON_FORMAT_VERSION,
    runner: { name: '@tidings/conformance', version: report.version },
    side: report.side,
    target: { name: report.target.name, url: report.target.url },
    startedAt: isoOf(report.startedAtMs),
    durationMs: Math.round(report.durationMs),
    verdict: summary.verdict,
    summary: summaryOf(summary),
    results: report.results.map(resultOf),
  };
}

/** The JSON report as a text, indented, with a line feed at its end. */
export function jsonReport(report: Report, failOn?: Severity): string {
  return `${JSON.stringify(jsonReportOf(report, failOn), undefined, 2)}\n`;
}

function summaryOf({ sentence, total, bySeverity, byArea }: Summary): JsonReport['summary'] {
  return { sentence, total, bySeverity, byArea: byArea.map(({ area, tally }) => ({ area, ...tally })) };
}

function resultOf(result: Report['results'][number]): JsonResult {
  const { id, title, severity, source, area, rule, remedy, outcome } = result;
  return {
    ...{ id, title, severity, source, area },
    ...(rule !== undefined && { rule }),
    ...(remedy !== undefined && { remedy }),
    outcome: outcome.kind,
    ...(outcome.kind === 'failed' && { expected: outcome.expected, actual: outcome.actual }),
    ...(outcome.kind === 'skipped' && { reason: outcome.reason }),
    ...(outcome.kind === 'error' && { reason: outcome.message }),
    startedAt: isoOf(result.startedAtMs),
    durationMs: Math.round(result.durationMs),
    exchanges: result.exchanges.map(exchangeOf),
    ...(result.exchangesOmitted !== undefined && { exchangesOmitted: result.exchangesOmitted }),
  };
}

function exchangeOf({ role, label, startedAtMs, durationMs, request, response, error }: Exchange): JsonExchange {
  return {
    role,
    ...(label !== undefined && { label }),
    startedAt: isoOf(startedAtMs),
    durationMs: Math.round(durationMs),
    request: messageOf(request),
    ...(response !== undefined && { response: messageOf(response) }),
    ...(error !== undefined && { error }),
  };
}

function messageOf({ startLine, headers, body }: Message): JsonMessage {
  return { startLine, headers: headers.map(([name, value]) => ({ name, value })), body };
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
